"""Control steps a second of the alternating test, against a bare loop over Isaac Lab's `env.step` of the same scene.

The loop repeats the very commands that the policies gave, from the same starts, so both simulate the same motions. All
chains make one attempt of `HORIZON` steps: policies that have learnt nothing never succeed, and none ends before. On a
CPU the loop is measured twice: with the physics as Isaac Lab and Warp ship it, and with this project's patches
(sim/patches), which compute the same bytes and speed up the loop as much as the chains.
"""

import importlib
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from measuring import Effort, Row, checkpoint, record

from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.parallel import SimulationSetup, simulations

DATA = Path(__file__).parents[1] / "tests" / "files" / "demonstrations_B.npz"
HORIZON, TRIAL_HORIZON = 160, 8
CAMERAS = ("table_camera", "wrist_camera")
CORES = 2


def chains(effort: Effort) -> list[Row]:
    """One process and two, both against the bare loop in one process."""
    rows = _chain_rows("of this project", "≥ 0.85", "≥ 1.5")  # the stricter reference bears the bars
    shipped_rows = _chain_rows("as Isaac Lab and Warp ship it")
    repetitions, ours = effort.at_most(effort.repetitions), []
    with Pools(effort) as pools:
        one, two = pools.start(64, 8), pools.start(64, 8, num_processes=2)
        for _ in repetitions:
            alone, reference, both = one(rate), one(bare), two(rate)
            ours.append([alone, both])
            record(rows, ours[-1], reference)
    with Pools(effort) as pools:  # not between the others, which it would keep waiting
        shipped = pools.start(64, 8, as_shipped=True)
        for figures in ours:
            record(shipped_rows, figures, shipped(bare))
    return rows + shipped_rows


def _chain_rows(physics: str, alone: str = "", both: str = "") -> list[Row]:
    reference = f"bare `env.step` loop, same scene and environments, one process, physics {physics}"
    return [
        Row("alternating test, 64 chains, state policy, one process", reference, alone, "steps/s"),
        Row("the same in two processes", reference, both, "steps/s"),
    ]


def cameras(effort: Effort) -> list[Row]:
    """The same with both cameras recorded, 64 px."""
    with Pools(effort) as pools:
        sim = pools.start(64, 4, cameras=True)
        row = Row("the same with both cameras recorded, 64 px", "that loop, both cameras read", "≥ 0.85", "steps/s")
        sim(rate)
        return [row.measure(effort.at_most(3), lambda: sim(rate), lambda: sim(bare))]


def environments(effort: Effort) -> list[Row]:
    """Throughput of 64 environments, in one process and in two, against one environment."""
    with Pools(effort) as pools:
        many, both, one = pools.start(64, 8), pools.start(64, 8, num_processes=2), pools.start(1, 1)
        rows = [
            Row("64 environments in one process", "one environment", "≥ 20", "steps/s"),
            Row("64 environments in two processes", "one environment", "≥ 20", "steps/s"),
        ]
        for _ in range(effort.repetitions):
            record(rows, [many(rate), both(rate)], one(rate))
    return rows


ROWS = {"chains": chains, "cameras": cameras, "environments": environments}


class Pools:
    """Simulations in processes of their own, started once and called in turn."""

    def __init__(self, effort: Effort, device: str = "cpu"):
        self._effort, self._device, self._stack = effort, device, ExitStack()

    def __enter__(self) -> "Pools":
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._checkpoint = checkpoint(folder, DATA, [])
        return self

    def __exit__(self, *error) -> None:
        self._stack.close()

    def start(
        self, num_envs: int, trial_envs: int, cameras: bool = False, num_processes: int = 1, as_shipped: bool = False
    ):
        """Start a simulation; returns a function that calls a function of this module in its process."""
        config = with_changes([f'sim.device="{self._device}"'])
        policies = dict.fromkeys("AB", self._checkpoint)
        setup = SimulationSetup(config, policies, self._effort.pick(num_envs, trial_envs), 0, num_processes, cameras)
        horizon = self._effort.pick(HORIZON if not cameras else HORIZON // 4, TRIAL_HORIZON)
        spawn = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, spawn, initializer=_start, initargs=(setup, horizon, as_shipped))
        self._stack.callback(pool.shutdown)
        pool.submit(rate).result()  # kernels are loaded, the physics step is recorded
        return lambda call: pool.submit(call).result()


_open, _state = ExitStack(), {}


def _start(setup: SimulationSetup, horizon: int, as_shipped: bool = False) -> None:
    import torch

    torch.set_num_threads(CORES)  # one process may plan with both cores; processes side by side have one each
    if as_shipped:
        _ship()
    cells = _open.enter_context(simulations(setup))
    _state.update(setup=setup, cells=cells, horizon=horizon, commands=[])


def _ship() -> None:
    """Undo this project's patches of Warp and Isaac Lab in this process."""
    import warp as wp
    from warp._src import codegen

    changed = [
        *((codegen, "cpu_kernel_template_forward"), (codegen, "cpu_module_template_forward")),
        *((wp.config, "enable_backward"), (wp.config, "cpu_compiler_flags")),
    ]
    shipped = [getattr(where, name) for where, name in changed]
    importlib.import_module("rev2fwd_il.sim")  # which changes them
    for (where, name), value in zip(changed, shipped, strict=True):
        setattr(where, name, value)
    from isaaclab_newton.physics import MJWarpSolverCfg

    from rev2fwd_il.sim import environment

    environment.RecordedMJWarpSolverCfg = MJWarpSolverCfg


def rate() -> float:
    """Control steps/s, summed over all chains."""
    setup, cells = _state["setup"], _state["cells"]
    _state["chains"] = Chains(setup.config, setup.num_envs, max_cycles=1, seed=0)
    recording = _recorded_steps(cells.cell.env) if hasattr(cells, "cell") else ExitStack()
    started = time.perf_counter()
    with recording:
        results = cells.attempts(_state["chains"], max_episode_steps=_state["horizon"], images=setup.cameras)
        steps = sum(len(result.episode) for result in results)
    return steps / (time.perf_counter() - started)


def _recorded_steps(env) -> ExitStack:
    """Record the actions that the environment is given, until the block ends."""
    step, commands = env.step, []

    def record(action):
        commands.append(action)
        return step(action)

    env.step, _state["commands"] = record, commands
    stack = ExitStack()
    stack.callback(setattr, env, "step", step)
    return stack


def bare() -> float:
    """Control steps/s of a bare `env.step` loop with the actions that the last `rate` recorded, same starts."""
    import numpy as np
    import torch

    setup, cell = _state["setup"], _state["cells"].cell
    (again,) = _state["chains"].split([setup.num_envs])
    starts = [again.assign(env, None) for env in range(setup.num_envs)]
    poses = [np.stack([getattr(start, name) for start in starts]) for name in ("ee_pose", "obj_pose")]
    cell.reset(np.arange(setup.num_envs), *poses)
    sensors = [cell.env.scene[name] for name in CAMERAS] if setup.cameras else []
    started = time.perf_counter()
    with torch.inference_mode():  # as Isaac Lab's own scripts do
        for command in _state["commands"]:
            for sensor in sensors:
                sensor.update(dt=0.0, force_recompute=True)
                _ = sensor.data.output["rgb"]
            cell.env.step(command)
    if "cuda" in setup.config.sim.device:
        torch.cuda.synchronize()
    return setup.num_envs * len(_state["commands"]) / (time.perf_counter() - started)
