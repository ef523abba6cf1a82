"""Episodes in joint space: recorded while the cell executes poses, and executed by joint commands.

What replay.py is for poses: the proof of a trajectory of joints is that its commands, open loop from its first state,
do the task.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched

import numpy as np

from rev2fwd_il.config.run import Config
from rev2fwd_il.data.schema import Episode
from rev2fwd_il.method.replay import replay, run_open_loop
from rev2fwd_il.sim.cell import Cell
from rev2fwd_il.sim.joint_cell import JointCell, JointRecorder


@dataclass(frozen=True)
class JointEpisode:
    """An episode that was executed by poses, with the joints it went through."""

    seen: Episode
    joint_pos: np.ndarray  # (T, J + 2) [rad, m], arm and fingers
    joint_command: np.ndarray  # (T, J) [rad], what the drives were told when each control step ended


@dataclass(frozen=True)
class JointTrajectory:
    """What an execution by joints needs to know."""

    command: np.ndarray  # (T, J + 1) [rad], gripper (+1 open, -1 close)
    joint_pos: np.ndarray  # (T, J) [rad]
    gripper_width: float  # at first [m]
    obj_pose: np.ndarray  # (7,), at first
    target_pose: np.ndarray  # (7,)


@dataclass(frozen=True)
class JointReplayOutcome:
    """What an execution by joints showed."""

    success: bool
    failure: str | None
    final_error_m: float  # xy distance of the object from the target
    joint_error_rad: np.ndarray  # (T,) of the joint that was farthest from the trajectory


def record_joints(
    cell: Cell, config: Config, task: str, episodes: Sequence[Episode], *, images: bool = False
) -> Iterator[JointEpisode]:
    """Replay episodes of Task "A" or "B" by their poses; `seen.success` says whether it was done again."""
    recorder = JointRecorder(cell)
    for index, outcome in enumerate(replay(recorder, config, task, episodes, images=images)):
        yield JointEpisode(outcome.replayed, *recorder.joints(index % cell.num_envs, len(outcome.replayed)))


def replay_joints(
    cell: JointCell, config: Config, task: str, trajectories: Iterable[JointTrajectory]
) -> Iterator[JointReplayOutcome]:
    """Execute each open loop, `cell.num_envs` at a time, judged as Task "A" or "B"."""
    recorder = JointRecorder(cell)
    for batch in batched(trajectories, cell.num_envs):
        padded = [batch[min(env, len(batch) - 1)] for env in range(cell.num_envs)]  # idle ones repeat the last
        recorder.forget()
        cell.reset_joints(
            np.arange(cell.num_envs),
            np.stack([trajectory.joint_pos[0] for trajectory in padded]),
            np.stack([trajectory.gripper_width for trajectory in padded]),
            np.stack([trajectory.obj_pose for trajectory in padded]),
        )
        targets = np.stack([trajectory.target_pose for trajectory in padded])
        runs = run_open_loop(recorder, config, task, [trajectory.command for trajectory in padded], targets)
        for env, trajectory in enumerate(batch):
            seen, failure, error_m = runs[env]
            joints, _ = recorder.joints(env, len(trajectory.command))
            away = np.abs(joints[:, :-2] - trajectory.joint_pos).max(1)
            yield JointReplayOutcome(seen.success, failure, error_m, away)
