"""A dataset recorded with LeRobot's own recorder, images as video: smaller than PNG by far, and not exact."""

from pathlib import Path

import numpy as np
from lerobot.datasets import LeRobotDataset

from rev2fwd_il import keys
from rev2fwd_il.data.reading import Episode, EpisodeDataset
from rev2fwd_il.learning.dataset_writing import DEFAULT_FPS, REPO_ID
from rev2fwd_il.learning.episode_tables import dataset_features, exact_columns
from rev2fwd_il.running.processes import scheduling_restored
from rev2fwd_il.running.provenance import by_policy
from rev2fwd_il.tasks import observation, task_of
from rev2fwd_il.tasks.task import Task


def record_videos(dataset: EpisodeDataset, root: Path) -> None:
    """Write every episode, failed ones too, to the new LeRobot dataset `root`; both cameras have to be there."""
    objects, task = dataset.meta.get(keys.OBJECT_NAMES, ()), task_of(dataset.meta)
    table = dataset_features(task, dataset.arrays[keys.IMAGES].shape[1:], exact=True, objects=objects)
    for key in keys.CAMERAS:
        table[key] = table[key] | {"dtype": "video"}
    recorded = LeRobotDataset.create(
        REPO_ID, int(dataset.meta.get("fps", DEFAULT_FPS)), table, root=root, use_videos=True
    )
    rollout = bool(by_policy(dataset.meta))
    for episode in dataset:
        for frame in _frames(episode, task, task.texts[dataset.meta["task"]], rollout):
            recorded.add_frame(frame)
        with scheduling_restored():
            recorded.save_episode(parallel_encoding=False)
    recorded.finalize()


def _frames(episode: Episode, task: Task, text: str, rollout: bool):
    state = observation.state(episode.ee_pose, episode.gripper_width)
    environment = task.environment_state(episode.ee_pose, episode.obj_pose, episode.gripper_width, episode.target_pose)
    exact = exact_columns(episode)
    judged = {keys.SUCCESS: np.array([bool(episode.success)]), keys.ROLLOUT: np.array([rollout])}
    for t in range(len(episode)):
        images = {key: getattr(episode, field)[t] for key, field in keys.CAMERAS.items()}
        vectors = {keys.OBS_STATE: state[t], keys.OBS_ENVIRONMENT_STATE: environment[t], keys.ACTION: episode.action[t]}
        vectors |= {key: values[t] for key, values in exact.items()}
        yield {**vectors, **judged, **images, "task": text}
