"""The proof of a trajectory: its actions, executed open loop from its first state, must do the task.

Replaying also yields observations that obey forward dynamics, with which the reversed ones can be replaced.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from rev2fwd_il.config.run import Config
from rev2fwd_il.data.reading import Episode
from rev2fwd_il.method.frame_buffer import FrameBuffer
from rev2fwd_il.method.statistics import rate
from rev2fwd_il.sim.cell import Cell
from rev2fwd_il.tasks import make_task

SETTLE_STEPS = 12  # the last action is held this long, so that success has time to show
DEPARTURE_M = 0.02


@dataclass(frozen=True)
class ReplayOutcome:
    """What a replay showed."""

    success: bool
    failure: str | None
    residual_m: np.ndarray  # (T,) distance of the replayed end effector from the trajectory's
    object_residual_m: np.ndarray  # (T,) distance of the replayed object from the trajectory's
    final_error_m: float  # xy distance of the object from the target, SETTLE_STEPS after the episode's last action
    replayed: Episode | None  # the same actions with the observations of the replay

    def without_frames(self) -> "ReplayOutcome":
        """The numbers alone, for keeping many."""
        return replace(self, replayed=None)

    def to_note(self) -> dict:
        """The numbers alone, as JSON holds them without loss."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "replayed"}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}

    @classmethod
    def from_note(cls, note: dict) -> "ReplayOutcome":
        """What `to_note` gave."""
        arrays = {name: np.float32(note[name]) for name in ("residual_m", "object_residual_m")}
        return cls(**note | arrays, replayed=None)

    @property
    def departure_step(self) -> int | None:
        """Where the object first left the trajectory by 2 cm."""
        gone = np.flatnonzero(self.object_residual_m > DEPARTURE_M)
        return int(gone[0]) if len(gone) else None


def replay(
    cell: Cell, config: Config, task: str, episodes: Sequence[Episode], *, images: bool = False, start: int = 0
) -> Iterator[ReplayOutcome]:
    """Execute each episode of Task "A" or "B" open loop, `cell.num_envs` at a time; outcomes from number `start` on."""
    for first in range(start, len(episodes), cell.num_envs):
        last = min(first + cell.num_envs, len(episodes))
        cell.begin_batch(first // cell.num_envs)
        yield from replay_batch(cell, config, task, [episodes[i] for i in range(first, last)], images)


def summarize_replays(outcomes: list[ReplayOutcome]) -> dict:
    """Success rate, residuals of the end effector [m] and final errors of a set of replays; one entry an episode.

    Of no replays at all there are counts, and None for the rest.
    """
    residuals = np.concatenate([outcome.residual_m for outcome in outcomes] or [np.zeros(0, np.float32)])
    errors = [outcome.final_error_m for outcome in outcomes if outcome.success]
    return {
        "attempted": len(outcomes),
        "succeeded": sum(outcome.success for outcome in outcomes),
        "rate": rate(sum(outcome.success for outcome in outcomes), len(outcomes)),
        "tracking_error_mean_m": float(residuals.mean()) if outcomes else None,
        "tracking_error_p99_m": float(np.percentile(residuals, 99)) if outcomes else None,
        "tracking_error_max_m": float(residuals.max()) if outcomes else None,
        "final_error_median_m": float(np.median(errors)) if errors else None,
        "episodes": [
            {
                "success": bool(outcome.success),
                "failure": outcome.failure,
                "tracking_error_mean_m": float(outcome.residual_m.mean()),
                "tracking_error_max_m": float(outcome.residual_m.max()),
                "final_error_m": outcome.final_error_m,
                "first_departure_step": outcome.departure_step,
            }
            for outcome in outcomes
        ],
    }


def replay_batch(
    cell: Cell, config: Config, task: str, episodes: list[Episode], images: bool, joints: list[np.ndarray] | None = None
) -> list[ReplayOutcome]:
    """Outcomes on up to `cell.num_envs` episodes; the joints (N, 9) at each step are appended to `joints`."""
    padded = [episodes[min(i, len(episodes) - 1)] for i in range(cell.num_envs)]  # idle ones repeat the last
    cell.reset(
        np.arange(cell.num_envs),
        np.stack([episode.ee_pose[0] for episode in padded]),
        np.stack([episode.obj_pose[0] for episode in padded]),
        np.stack([episode.gripper_width[0] for episode in padded]),
    )
    targets = np.stack([episode.target_pose for episode in padded])
    commands = [episode.action for episode in padded]
    runs = run_open_loop(cell, config, task, commands, targets, images=images, joints=joints)
    return [_outcome(episode, *run) for episode, run in zip(episodes, runs)]


def run_open_loop(
    cell: Cell,
    config: Config,
    task: str,
    commands: list[np.ndarray],
    targets: np.ndarray,
    *,
    images: bool = False,
    joints: list[np.ndarray] | None = None,
) -> list[tuple[Episode, str | None, float]]:
    """From where a reset left them, execute one list of commands (T, D) in each environment, and hold the last.

    Returns what was seen, the kind of failure or None, and the object's final error [m].
    """
    everyone, which, observation = np.arange(cell.num_envs), make_task(config.task), cell.observation
    cell.show_target(everyone, targets[:, :2])
    detector, buffer = which.success_detector(cell.num_envs), FrameBuffer(cell.num_envs)
    detector.start(everyone, [task] * cell.num_envs, targets, observation.obj_pose)
    lengths = np.array([len(rows) for rows in commands])
    succeeded = np.zeros(cell.num_envs, bool)
    failures: list[str | None] = [None] * cell.num_envs
    errors = np.zeros(cell.num_envs)
    for step in range(lengths.max() + SETTLE_STEPS):
        action = np.stack([rows[min(step, len(rows) - 1)] for rows in commands])
        buffer.add(np.flatnonzero(step < lengths), observation, action, cell.images() if images else None)
        if joints is not None:
            joints.append(cell.joint_pos())
        observation = cell.step(action)
        judged = detector.update(observation.ee_pose, observation.obj_pose, observation.gripper_width)
        succeeded |= judged & (step < lengths + SETTLE_STEPS)
        for env in np.flatnonzero(step == lengths + SETTLE_STEPS - 1):
            errors[env] = detector.error_m(observation.obj_pose)[env]
            succeeded[env] &= errors[env] <= which.data_bounds.placed_m  # it was not pushed away afterwards
            failures[env] = None if succeeded[env] else detector.failure(env)
    cell.check_solver()
    return [(buffer.cut(env, targets[env], succeeded[env]), failures[env], float(errors[env])) for env in everyone]


def _outcome(original: Episode, replayed: Episode, failure: str | None, final_error_m: float) -> ReplayOutcome:
    def residual(field: str) -> np.ndarray:
        return np.linalg.norm(getattr(replayed, field)[:, :3] - getattr(original, field)[:, :3], axis=1)

    return ReplayOutcome(
        replayed.success, failure, residual("ee_pose"), residual("obj_pose"), float(final_error_m), replayed
    )
