"""Demonstrations turned about the goal, for policies that see: what a moved scene looks like has to be rendered.

    TurnedDemonstrations(task, episodes, 8, seed)     # each of them, then 8 turned versions of it

A version starts, leads and ends elsewhere on the table: all poses and commands are turned about the goal by any angle,
and half of the versions, at random, are mirrored first. Where something stands at the goal, the angle is a multiple of
the one after which it looks alike. That a version does the task is not taken for granted: it is replayed (views.py).
"""

from collections.abc import Sequence

import numpy as np

from rev2fwd_il.data.reading import Episode
from rev2fwd_il.seeds import derive
from rev2fwd_il.tasks.geometry import TableMove
from rev2fwd_il.tasks.task import Task

TRIES = 200  # of an angle at which the version stays within the region; then it is the demonstration itself


class TurnedDemonstrations(Sequence[Episode]):
    """Each demonstration followed by `versions` turned ones; which, follows from the seed and its number alone.

    Raises ConfigError for a task whose scenes cannot be moved.
    """

    def __init__(self, task: Task, episodes: Sequence[Episode], versions: int, seed: int):
        if versions:
            task.check_movable()
        self._task, self._episodes, self._each, self._seed = task, episodes, 1 + versions, seed

    def __len__(self) -> int:
        return self._each * len(self._episodes)

    def __getitem__(self, number: int) -> Episode:
        index, version = divmod(number, self._each)
        episode = self._episodes[index]
        if not version:
            return episode
        rng = np.random.default_rng(derive(self._seed, "turned", index, version))
        drawn = (turned(self._task, episode, *_draw(self._task, rng)) for _ in range(TRIES))
        return next((each for each in drawn if fits(self._task, each)), episode)


def _draw(task: Task, rng: np.random.Generator) -> tuple[float, bool]:
    angle, mirrored = rng.uniform(-np.pi, np.pi), bool(rng.integers(2))
    if any(box.mass_kg is None for box in task.boxes):
        angle = task.alike_turn_rad * np.round(angle / task.alike_turn_rad)
    return angle, mirrored


def turned(task: Task, episode: Episode, angle_rad: float, mirrored: bool) -> Episode:
    """An episode, mirrored left and right if asked for, then turned about the goal."""
    move = TableMove(
        np.array(task.settings.goal_xy), np.zeros((1, 2)), np.array([angle_rad]), np.array([mirrored]),
        task.alike_turn_rad,
    )  # fmt: skip
    target_pose, others = move(episode.target_pose[None, None])[0, 0], episode.object_poses
    return episode.replace(
        object_poses=others if others is None else np.stack([move(pose[None])[0] for pose in others.swapaxes(0, 1)], 1),
        ee_pose=move(episode.ee_pose[None])[0],
        obj_pose=move(episode.obj_pose[None])[0],
        action=np.concatenate([move(episode.action[None, :, :7])[0], episode.action[:, 7:]], -1),
        target_pose=target_pose,
        target_xy=target_pose[:2],
    )


def fits(task: Task, episode: Episode) -> bool:
    """Whether it starts and ends in the task's region or at its goal, with the hand in the workspace."""
    settings = task.settings
    ends = np.stack([episode.obj_pose[0, :2], episode.target_pose[:2]])
    lower, upper = np.transpose([settings.x_range, settings.y_range])
    in_region = ((ends >= lower) & (ends <= upper)).all(-1)
    at_goal = np.linalg.norm(ends - settings.goal_xy, axis=-1) < settings.min_goal_distance
    lower, upper = (corner[:2] for corner in task.workspace())
    hand = np.concatenate([episode.ee_pose[:, :2], episode.action[:, :2]])
    return bool((in_region | at_goal).all() and (hand >= lower).all() and (hand <= upper).all())
