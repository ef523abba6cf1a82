"""The expert in the cell: demonstrations of one task, all environments at once."""

from collections.abc import Iterator

import numpy as np

from rev2fwd_il.capture import Recorder
from rev2fwd_il.config import Config
from rev2fwd_il.episodes import Episode
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.expert import plan_pick_place
from rev2fwd_il.seeds import generator
from rev2fwd_il.sim.cell import Cell
from rev2fwd_il.tasks import Judge, sample_hand_poses, sample_starts

HOPELESS_ATTEMPTS = 200


def give_up_after(attempted: int, successful: int) -> None:
    """Raises SimulationError when the expert has tried often and never succeeded."""
    if attempted >= HOPELESS_ATTEMPTS and not successful:
        raise SimulationError(
            "the expert never succeeds", expected="successes", found=f"none in {attempted} attempts",
            do="check task.height_threshold, task.cube_edge and the table region against the robot's reach",
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
        yield from _demonstrate_batch(cell, config, task, generator(seed, "demonstrations", task, batch), images)
        batch += 1


def _demonstrate_batch(cell: Cell, config: Config, task: str, rng: np.random.Generator, images: bool) -> list[Episode]:
    everyone, edge = np.arange(cell.num_envs), config.task.cube_edge
    starts = sample_starts(config.task, task, rng, cell.num_envs)
    ends = sample_hand_poses(config.task, rng, starts.target_xy)
    ways = zip(starts.ee_pose, starts.object_xy, starts.object_yaw, starts.target_xy, ends, strict=True)
    plans = [plan_pick_place(*way, edge, rng, config.demos.dwell_steps).action for way in ways]
    observation = cell.reset(everyone, starts.ee_pose, starts.obj_pose(edge))
    cell.show_target(everyone, starts.target_xy)
    judge, recorder = Judge(config.task, cell.num_envs), Recorder(cell.num_envs)
    judge.start(everyone, starts.target_xy, observation.obj_pose)
    succeeded = np.zeros(cell.num_envs, bool)
    lengths = np.array([len(plan) for plan in plans])
    for step in range(lengths.max()):
        action = np.stack([plan[min(step, len(plan) - 1)] for plan in plans])
        running = np.flatnonzero(step < lengths)
        recorder.add(running, observation, action, cell.images() if images else None)
        observation = cell.step(action)
        succeeded |= judge.update(observation.ee_pose, observation.obj_pose, observation.gripper_width)
    return [recorder.cut(env, starts.target_xy[env], succeeded[env]) for env in everyone]
