"""A dataset recorded with LeRobot's own recorder, images as video: smaller than PNG by far, and not exact."""

from pathlib import Path

from lerobot.datasets import LeRobotDataset

from rev2fwd_il import features, keys
from rev2fwd_il.episodes import Episode, EpisodeDataset
from rev2fwd_il.features import IMAGE_FIELDS
from rev2fwd_il.learning.conversion import DEFAULT_FPS, REPO_ID
from rev2fwd_il.learning.frames import dataset_features


def record_videos(dataset: EpisodeDataset, root: Path) -> None:
    """Write every episode, failed ones too, to the new LeRobot dataset `root`; both cameras have to be there."""
    table = dataset_features(dataset.arrays[keys.IMAGES].shape[1:], exact=True)
    for key in IMAGE_FIELDS:
        table[key] = table[key] | {"dtype": "video"}
    recorded = LeRobotDataset.create(
        REPO_ID, int(dataset.meta.get("fps", DEFAULT_FPS)), table, root=root, use_videos=True
    )
    for episode in dataset:
        for frame in _frames(episode, keys.TASK_TEXT[dataset.meta["task"]]):
            recorded.add_frame(frame)
        recorded.save_episode(parallel_encoding=False)
    recorded.finalize()


def _frames(episode: Episode, task: str):
    state = features.state(episode.ee_pose, episode.gripper_width)
    environment = features.environment_state(
        episode.ee_pose, episode.obj_pose, episode.gripper_width, episode.target_xy
    )
    for t in range(len(episode)):
        images = {key: getattr(episode, field)[t] for key, field in IMAGE_FIELDS.items()}
        vectors = {keys.OBS_STATE: state[t], keys.OBS_ENVIRONMENT_STATE: environment[t], keys.ACTION: episode.action[t]}
        vectors[keys.OBJ_POSE] = episode.obj_pose[t]
        yield {**vectors, **images, "task": task}
