"""This project's episodes in a LeRobot dataset: which columns a frame has.

What is known of an episode as a whole, its success and whether a policy acted, is a column too: rows of frames are all
that LeRobot's tools keep when they merge, split or delete.
"""

from collections.abc import Sequence

import numpy as np
from lerobot.datasets.compute_stats import compute_episode_stats, sample_indices
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata

from rev2fwd_il import keys
from rev2fwd_il.data.reading import Episode
from rev2fwd_il.learning.table_files import TableFiles, image_stats, png_column, shrunk
from rev2fwd_il.tasks import observation
from rev2fwd_il.tasks.task import Task

POSE_PARTS = ("x", "y", "z", "qw", "qx", "qy", "qz")


def dataset_features(
    task: Task,
    image_shape: tuple[int, int, int] | None = None,
    *,
    exact: bool = False,
    objects: Sequence[str] = (),
) -> dict:
    """LeRobot's feature table of our frames; `image_shape` (H, W, 3) adds both cameras.

    `exact` adds the columns of `exact_columns`, which policies ignore, for further `objects` of these names.
    """
    vectors = {
        keys.OBS_STATE: observation.STATE_NAMES,
        keys.OBS_ENVIRONMENT_STATE: task.environment_state_names,
        keys.ACTION: observation.ACTION_NAMES,
    }
    table = {key: {"dtype": "float32", "shape": (len(names),), "names": names} for key, names in vectors.items()}
    table |= {key: {"dtype": "bool", "shape": (1,), "names": None} for key in (keys.SUCCESS, keys.ROLLOUT)}
    if exact:
        columns = {keys.OBJ_POSE: ["object"], keys.TARGET_POSE: ["target"], keys.OBJECT_POSES: objects}
        for key, posed in columns.items():
            names = [f"{name}.{part}" for name in posed for part in POSE_PARTS]
            if names:
                table[key] = {"dtype": "float32", "shape": (len(names),), "names": names}
    if image_shape is not None:
        for key in keys.CAMERAS:
            table[key] = {"dtype": "image", "shape": tuple(image_shape), "names": ["height", "width", "channels"]}
    return table


def exact_columns(episode: Episode) -> dict[str, np.ndarray]:
    """What the features do not hold bit for bit: poses of the object, of its target and of further objects, (T, D).

    The environment state turns the object's orientation to one that looks alike.
    """
    columns = {keys.OBJ_POSE: episode.obj_pose, keys.TARGET_POSE: np.tile(episode.target_pose, (len(episode), 1))}
    if episode.object_poses is not None:
        columns[keys.OBJECT_POSES] = episode.object_poses.reshape(len(episode), -1)
    return {key: np.asarray(values, np.float32) for key, values in columns.items()}


class EpisodeTables:
    """Episodes of this project's as rows of `TableFiles`: which columns each gives."""

    def __init__(self, meta: LeRobotDatasetMetadata, task: Task):
        self.meta, self.task, self._files = meta, task, TableFiles(meta)

    def __enter__(self) -> "EpisodeTables":
        return self

    def __exit__(self, *_) -> None:
        self._files.close()

    def add(self, episode: Episode, task: str, *, rollout: bool = False) -> None:
        """Write one episode: its frames, its statistics and its row of metadata."""
        vectors = self._vectors(episode, rollout) | self._files.bookkeeping(len(episode), task)
        images = {key: getattr(episode, keys.CAMERAS[key]) for key in self.meta.image_keys}
        encoded = {key: png_column(stack) for key, stack in images.items()}
        stats = compute_episode_stats(vectors, self.meta.features)
        stats |= {
            key: image_stats([shrunk(stack[i]) for i in sample_indices(len(stack))]) for key, stack in images.items()
        }
        self._files.append({**vectors, **encoded}, task, stats)

    def _vectors(self, episode: Episode, rollout: bool) -> dict[str, np.ndarray]:
        """Every column of ours without images: (T, D) float32, (T,) bool."""
        exact = exact_columns(episode) if keys.OBJ_POSE in self.meta.features else {}
        return exact | {
            keys.OBS_STATE: observation.state(episode.ee_pose, episode.gripper_width),
            keys.OBS_ENVIRONMENT_STATE: self.task.environment_state(
                episode.ee_pose, episode.obj_pose, episode.gripper_width, episode.target_pose
            ),
            keys.ACTION: np.asarray(episode.action, np.float32),
            keys.SUCCESS: np.full(len(episode), bool(episode.success)),
            keys.ROLLOUT: np.full(len(episode), rollout),
        }
