"""The expert in the cell: demonstrations of one task, all environments at once.

It may be told wrongly where object and target are (`demos.pose_noise`, `demos.target_noise`), and its commands may be
disturbed on their way to the arm (`demos.command_noise`). Each has a random stream of its own: with it and without, the
same starts and targets are drawn.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rev2fwd_il.config.run import Config
from rev2fwd_il.data.reading import Episode
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.method.expert import command_sequence
from rev2fwd_il.method.frame_buffer import FrameBuffer
from rev2fwd_il.seeds import generator
from rev2fwd_il.sim.cell import Cell
from rev2fwd_il.tasks import make_task

HOPELESS_ATTEMPTS = 200


def give_up_after(attempted: int, successful: int, max_attempts: int | None = None) -> None:
    """Raises SimulationError when the expert has tried often, or as often as it may, and never succeeded."""
    if attempted >= min(HOPELESS_ATTEMPTS, max_attempts or HOPELESS_ATTEMPTS) and not successful:
        raise SimulationError(
            "the expert never succeeds", expected="successes", found=f"none in {attempted} attempts",
            do="check the task's settings, such as height_threshold and the region, against the robot's reach",
        )  # fmt: skip


def demonstrate(
    cell: Cell, config: Config, task: str, seed: int, *, images: bool, first_batch: int = 0
) -> Iterator[Episode]:
    """Endless attempts of the expert at `task`, in batches of `cell.num_envs`; batch k depends on (seed, task, k) only.

    Yields failures too, marked; the caller keeps what it wants. A resume starts at `first_batch`: the simulator carries
    nothing from one batch to the next.
    """
    batch = first_batch
    while True:
        rngs = [
            generator(seed, name, task, batch)
            for name in ("demonstrations", "told poses", "told targets", "command noise")
        ]
        cell.begin_batch(batch)
        yield from _demonstrate_batch(cell, config, task, *rngs, images)
        batch += 1


def shifted(pose: np.ndarray, noise_m: float, rng: np.random.Generator) -> np.ndarray:
    """(M, 7): poses as an expert is told them, wrong in x and y by up to `noise_m` either way."""
    shift = np.zeros_like(pose)
    shift[:, :2] = rng.uniform(-noise_m, noise_m, (len(pose), 2))
    return pose + shift


def _demonstrate_batch(
    cell: Cell, config: Config, task: str, rng: np.random.Generator, object_rng: np.random.Generator,
    target_rng: np.random.Generator, command_rng: np.random.Generator, images: bool,
) -> list[Episode]:  # fmt: skip
    everyone, which, demos = np.arange(cell.num_envs), make_task(config.task), config.demos
    starts = which.sample_initial_states(task, rng, cell.num_envs)
    ends = which.sample_ee_poses(rng, starts.target_pose[:, :2])
    told = replace(
        starts,
        obj_pose=shifted(starts.obj_pose, demos.pose_noise, object_rng),
        target_pose=shifted(starts.target_pose, demos.target_noise, target_rng),
    )
    ways = (which.expert_way(task, told, env, ends[env], rng) for env in everyone)
    plans = [command_sequence(starts.ee_pose[env], way, demos.dwell_steps) for env, way in enumerate(ways)]
    observation = cell.reset(everyone, starts.ee_pose, starts.obj_pose)
    cell.show_target(everyone, starts.target_pose[:, :2])
    detector, buffer = which.success_detector(cell.num_envs), FrameBuffer(cell.num_envs)
    detector.start(everyone, [task] * cell.num_envs, starts.target_pose, observation.obj_pose)
    succeeded = np.zeros(cell.num_envs, bool)
    lengths = np.array([len(plan) for plan in plans])
    for step in range(lengths.max()):
        action = np.stack([plan[min(step, len(plan) - 1)] for plan in plans])
        running = np.flatnonzero(step < lengths)
        buffer.add(running, observation, action, cell.images() if images else None)
        disturbed = action.copy()
        disturbed[:, :3] += command_rng.normal(0, demos.command_noise, (cell.num_envs, 3))
        observation = cell.step(disturbed)
        reached = detector.update(observation.ee_pose, observation.obj_pose, observation.gripper_width)
        succeeded |= reached & (step < lengths)  # whatever longer plans beside it wait for
    cell.check_solver()
    return [buffer.cut(env, starts.target_pose[env], succeeded[env]) for env in everyone]
