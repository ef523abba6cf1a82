"""Checks between datasets: the same episode in two of them, and training data that starts where tests start."""

from collections.abc import Iterable

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.checks.findings import ERROR, Finding
from rev2fwd_il.data.checks.validation import episode_digests
from rev2fwd_il.data.reading import EpisodeDataset

SAME_START_M = 1e-3  # object, target and end effector all this close: the same start, settled by a frame of physics


def check_shared_episodes(datasets: Iterable[EpisodeDataset]) -> list[Finding]:
    """No episode of one dataset occurs in an earlier one."""
    seen, found = {}, []
    for dataset in datasets:
        mine = {}
        for index, digest in enumerate(episode_digests(dataset)):
            if digest in seen:
                path, episode = seen[digest]
                message = f"equals episode {episode} of {path}"
                found.append(Finding(ERROR, "shared_episode", message, episode=index, file=str(dataset.path)))
            mine.setdefault(digest, (dataset.path, index))
        seen = mine | seen
    return found


def check_evaluation_starts(dataset: EpisodeDataset, starts: np.ndarray) -> list[Finding]:
    """No episode begins where an evaluation of its task begins.

    `starts` (M, 7): xy of object and target, xyz of the end effector [m], as `start_rows` makes them.
    """
    at = dataset.starts
    objects, end_effectors = (np.asarray(dataset.arrays[name])[at, :3] for name in (keys.OBJ_POSE, keys.EE_POSE))
    rows = np.concatenate([objects[:, :2], dataset.target_xy, end_effectors], axis=1)
    found = []
    for episode, row in enumerate(rows):
        far = np.abs(starts - row)
        same = np.flatnonzero((far < SAME_START_M).all(axis=1))
        if len(same):
            message = f"starts like evaluation episode {same[0]}: an evaluation of what was learned would not count"
            place = {"episode": episode, "frame": 0, "file": str(dataset.path)}
            found.append(Finding(ERROR, "evaluation_start", message, **place))
    return found


def start_rows(obj_pose: np.ndarray, target_pose: np.ndarray, ee_pose: np.ndarray) -> np.ndarray:
    """(M, 7), (M, 7), (M, 7) -> (M, 7): what two starts have to share to be the same."""
    return np.concatenate([obj_pose[:, :2], target_pose[:, :2], ee_pose[:, :3]], axis=1)
