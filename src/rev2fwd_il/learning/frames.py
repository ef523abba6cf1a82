"""Episodes as Arrow tables in LeRobot's v3 layout: which columns a frame has, and how they reach Parquet.

One Parquet row group is one episode; a file is closed when it has grown to LeRobot's size limit.
"""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lerobot.datasets.compute_stats import (
    auto_downsample_height_width,
    compute_episode_stats,
    get_feature_stats,
    sample_indices,
)
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from lerobot.datasets.feature_utils import get_hf_features_from_features
from lerobot.datasets.utils import update_chunk_file_indices
from PIL import Image

from rev2fwd_il import features, keys
from rev2fwd_il.episodes import Episode

PNG_COMPRESSION = 1  # LeRobot's own 6 is five times slower and a tenth smaller; both are lossless
MIB = 2**20


def dataset_features(image_shape: tuple[int, int, int] | None = None, *, exact: bool = False) -> dict:
    """LeRobot's feature table of our frames; `image_shape` (H, W, 3) adds both cameras.

    `exact` adds the object's pose as it is, which policies ignore: the environment state turns it to a like one.
    """
    vectors = {
        keys.OBS_STATE: features.STATE_NAMES,
        keys.OBS_ENVIRONMENT_STATE: features.ENVIRONMENT_STATE_NAMES,
        keys.ACTION: features.ACTION_NAMES,
    }
    table = {key: {"dtype": "float32", "shape": (len(names),), "names": names} for key, names in vectors.items()}
    if exact:
        table[keys.OBJ_POSE] = {"dtype": "float32", "shape": (7,), "names": features.ENVIRONMENT_STATE_NAMES[:7]}
    if image_shape is not None:
        for key in features.IMAGE_FIELDS:
            table[key] = {"dtype": "image", "shape": tuple(image_shape), "names": ["height", "width", "channels"]}
    return table


class EpisodeTables:
    """Appends episodes to the data files of a dataset whose metadata `meta` keeps."""

    def __init__(self, meta: LeRobotDatasetMetadata):
        self.meta = meta
        self.schema = get_hf_features_from_features(meta.features).arrow_schema
        self._chunk, self._file, self._bytes = 0, 0, 0
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "EpisodeTables":
        return self

    def __exit__(self, *_) -> None:
        if self._writer is not None:
            self._writer.close()
        self.meta.finalize()

    def add(self, episode: Episode, task: str) -> None:
        """Write one episode: its frames, its statistics and its row of metadata."""
        if self.meta.tasks is None or task not in self.meta.tasks.index:
            self.meta.save_episode_tasks([task])
        vectors, first_frame = self._vectors(episode, task), self.meta.total_frames
        images = {key: getattr(episode, features.IMAGE_FIELDS[key]) for key in self.meta.image_keys}
        pictures = {key: _png_column(stack) for key, stack in images.items()}
        table = pa.table({name: _column(name, vectors, pictures) for name in self.schema.names}, schema=self.schema)
        self._write(table)
        stats = compute_episode_stats(vectors, self.meta.features)
        stats |= {key: _image_stats(stack) for key, stack in images.items()}
        where = {"data/chunk_index": self._chunk, "data/file_index": self._file}
        where |= {"dataset_from_index": first_frame, "dataset_to_index": first_frame + len(episode)}
        self.meta.save_episode(self.meta.total_episodes, len(episode), [task], stats, where)

    def _vectors(self, episode: Episode, task: str) -> dict[str, np.ndarray]:
        """Every column without images: (T, D) float32, and LeRobot's own (T,) columns."""
        length, start = len(episode), self.meta.total_frames
        exact = {keys.OBJ_POSE: np.asarray(episode.obj_pose, np.float32)} if keys.OBJ_POSE in self.schema.names else {}
        return exact | {
            keys.OBS_STATE: features.state(episode.ee_pose, episode.gripper_width),
            keys.OBS_ENVIRONMENT_STATE: features.environment_state(
                episode.ee_pose, episode.obj_pose, episode.gripper_width, episode.target_xy
            ),
            keys.ACTION: np.asarray(episode.action, np.float32),
            "timestamp": (np.arange(length) / self.meta.fps).astype(np.float32),
            "frame_index": np.arange(length),
            "episode_index": np.full(length, self.meta.total_episodes),
            "index": np.arange(start, start + length),
            "task_index": np.full(length, self.meta.get_task_index(task)),
        }

    def _write(self, table: pa.Table) -> None:
        if self._writer is not None and self._bytes + table.nbytes > self.meta.data_files_size_in_mb * MIB:
            self._writer.close()
            self._writer, self._bytes = None, 0
            self._chunk, self._file = update_chunk_file_indices(self._chunk, self._file, self.meta.chunks_size)
        if self._writer is None:
            path = self.meta.root / self.meta.data_path.format(chunk_index=self._chunk, file_index=self._file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, self.schema, compression="snappy", use_dictionary=True)
        self._writer.write_table(table)
        self._bytes += table.nbytes


def _column(name: str, vectors: dict[str, np.ndarray], pictures: dict[str, pa.Array]) -> pa.Array:
    if name in pictures:
        return pictures[name]
    values = vectors[name]
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _png_column(images: np.ndarray) -> pa.Array:
    """(T, H, W, 3) uint8 -> T structs {bytes, path} as `datasets.Image` stores them."""
    encoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", compress_level=PNG_COMPRESSION)
        encoded.append(buffer.getvalue())
    paths = [f"frame-{index:06d}.png" for index in range(len(encoded))]
    return pa.StructArray.from_arrays([pa.array(encoded, pa.binary()), pa.array(paths)], names=["bytes", "path"])


def _image_stats(images: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics per channel, (3, 1, 1) in [0, 1], over the frames that LeRobot would sample."""
    sampled = np.stack(
        [auto_downsample_height_width(images[i].transpose(2, 0, 1)) for i in sample_indices(len(images))]
    )
    stats = get_feature_stats(sampled, axis=(0, 2, 3), keepdims=True)
    return {name: value if name == "count" else np.squeeze(value / 255.0, axis=0) for name, value in stats.items()}
