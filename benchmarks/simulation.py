"""Control steps a second of the alternating test, against a bare loop over Isaac Lab's `env.step` of the same scene.

The loop repeats the very commands that the policies gave, from the same starts, and reads the cameras at the same
steps, so both simulate and render the same motions. All chains make one attempt of `HORIZON` steps: policies that have
learnt nothing never succeed, and none ends before. On a CPU the loop is measured twice: with the physics as Isaac Lab
and Warp ship it, and with this project's patches (sim/patches), which compute the same bytes and speed up the loop as
much as the chains.
"""

import importlib
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from measuring import Effort, Row, checkpoint, demonstrations, record

from rev2fwd_il.config.reading import load_configs, with_changes
from rev2fwd_il.keys import TASK_A
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.evaluation import FixedStarts, evaluation_starts
from rev2fwd_il.method.parallel import SimulationSetup, simulations

DATA = Path(__file__).parents[1] / "tests" / "files" / "demonstrations_B.npz"
CONFIGURATIONS = [Path(__file__).parents[1] / "config" / name for name in ("config.yaml", "images.yaml")]
HORIZON, TRIAL_HORIZON = 160, 8
CAMERAS = ("table_camera", "wrist_camera")
LOOK = "look"
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


def seeing(effort: Effort) -> list[Row]:
    """Policies of config/images.yaml, which look every 12 steps."""
    reference = "bare `env.step` loop of the alternating test, one process, same frames read"
    rows = [
        Row("alternating test, 64 chains, image policy, one process", reference, "≥ 0.9", "steps/s"),
        Row("the same in two processes", reference, "≥ 0.9", "steps/s"),
        Row("evaluation, 64 starts, image policy, one process", reference, "≥ 0.9", "steps/s"),
        Row("the same evaluation in two processes", reference, "≥ 0.9", "steps/s"),
    ]
    with Pools(effort, seeing=True) as pools:
        one, two = pools.start(64, 8), pools.start(64, 8, num_processes=2)
        for _ in effort.at_most(5):
            evaluated, alone, reference = one(evaluation), one(rate), one(bare)
            record(rows, [alone, two(rate), evaluated, two(evaluation)], reference)
    return rows


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


ROWS = {"chains": chains, "cameras": cameras, "seeing": seeing, "environments": environments}


class Pools:
    """Simulations in processes of their own, started once and called in turn."""

    def __init__(self, effort: Effort, device: str = "cpu", seeing: bool = False):
        self._effort, self._stack, self._seeing = effort, ExitStack(), seeing
        self._settings = [f'sim.device="{device}"']
        if seeing:
            self._settings += load_configs(CONFIGURATIONS).overrides("sim", "policy")

    def __enter__(self) -> "Pools":
        folder, data = Path(self._stack.enter_context(tempfile.TemporaryDirectory())), DATA
        if self._seeing:
            size = with_changes(self._settings).sim
            data = demonstrations(folder, size.image_width, 4, size.image_height)
        self._checkpoint = checkpoint(folder, data, self._settings)
        return self

    def __exit__(self, *error) -> None:
        self._stack.close()

    def start(
        self, num_envs: int, trial_envs: int, cameras: bool = False, num_processes: int = 1, as_shipped: bool = False
    ):
        """Start a simulation; returns a function that calls a function of this module in its process."""
        config = with_changes(self._settings)
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
    _state.update(setup=setup, cells=cells, horizon=horizon, events=[])


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
    setup = _state["setup"]
    _state["attempts"] = Chains(setup.config, setup.num_envs, max_cycles=1, seed=0)
    return _rate(_state["attempts"])


def evaluation() -> float:
    """Control steps/s, summed over one start in each environment."""
    setup = _state["setup"]
    return _rate(FixedStarts(evaluation_starts(setup.config.task, TASK_A, 0, setup.num_envs)))


def _rate(attempts) -> float:
    setup, cells = _state["setup"], _state["cells"]
    recording = _recorded(cells.cell) if hasattr(cells, "cell") else ExitStack()
    started = time.perf_counter()
    with recording:
        results = cells.attempts(attempts, max_episode_steps=_state["horizon"], images=setup.cameras)
        steps = sum(len(result.episode) for result in results)
    return steps / (time.perf_counter() - started)


def _recorded(cell) -> ExitStack:
    """Record the actions that the environment is given, and LOOK where the cameras are read, until the block ends."""
    step, images, events = cell.env.step, cell.images, []

    def record_step(action):
        events.append(action)
        return step(action)

    def record_look():
        events.append(LOOK)
        return images()

    cell.env.step, cell.images, _state["events"] = record_step, record_look, events
    stack = ExitStack()
    stack.callback(setattr, cell.env, "step", step)
    stack.callback(setattr, cell, "images", images)
    return stack


def bare() -> float:
    """Control steps/s of a bare `env.step` loop with the events that the last `rate` recorded, same starts."""
    import numpy as np
    import torch

    setup, cell, events = _state["setup"], _state["cells"].cell, _state["events"]
    (again,) = _state["attempts"].split([setup.num_envs])
    starts = [again.assign(env, None) for env in range(setup.num_envs)]
    poses = [np.stack([getattr(start, name) for start in starts]) for name in ("ee_pose", "obj_pose")]
    cell.reset(np.arange(setup.num_envs), *poses)
    looks = any(event is LOOK for event in events)
    sensors = [cell.env.scene[name] for name in CAMERAS] if looks else []
    started = time.perf_counter()
    with torch.inference_mode():  # as Isaac Lab's own scripts do
        for event in events:
            if event is not LOOK:
                cell.env.step(event)
                continue
            for sensor in sensors:
                sensor.update(dt=0.0, force_recompute=True)
                _ = sensor.data.output["rgb"]
    if "cuda" in setup.config.sim.device:
        torch.cuda.synchronize()
    return setup.num_envs * sum(event is not LOOK for event in events) / (time.perf_counter() - started)
