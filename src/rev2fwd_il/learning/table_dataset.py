"""A LeRobot dataset of any features, written from columns and from decoded video frames.

with TableDataset(root, info, features) as dataset:
    dataset.add(columns, videos, text)      # Arrow or NumPy by column, frames by camera

Statistics are computed from what is written. Images are given as they are stored, encoded, and are not encoded again.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
from lerobot.datasets.compute_stats import compute_episode_stats, sample_indices
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from PIL import Image

from rev2fwd_il.errors import DataError
from rev2fwd_il.learning.dataset_videos import VideoFiles, encoder_like
from rev2fwd_il.learning.table_files import TableFiles, as_image_structs, image_stats, shrunk, sort_stats

REPO_ID = "local/reversed"


class TableDataset:
    """The new dataset `root`, at the rate, for the robot and with the sizes of files that `info` names."""

    def __init__(self, root: Path, info: dict, features: dict[str, dict]):
        videos = {key: encoder_like(feature) for key, feature in features.items() if feature["dtype"] == "video"}
        sizes = {key: info.get(key) for key in ("chunks_size", "data_files_size_in_mb", "video_files_size_in_mb")}
        self._meta = LeRobotDatasetMetadata.create(
            REPO_ID, info["fps"], features, info.get("robot_type"), root, use_videos=bool(videos), **sizes
        )
        self._tables = TableFiles(self._meta)
        self._videos = {key: VideoFiles(self._meta, key, encoder) for key, encoder in videos.items()}

    def __enter__(self) -> "TableDataset":
        return self

    def __exit__(self, failure, *_) -> None:
        for video in self._videos.values():
            video.abandon() if failure else video.close()
        self._tables.close()
        if not failure:
            sort_stats(self._meta.root)

    def add(self, columns: dict, videos: dict[str, Iterable[av.VideoFrame]], text: str) -> None:
        """One episode: columns (T, ...) but LeRobot's own, T frames of each camera, and the task's text."""
        length = len(next(iter(columns.values())))
        images = {key: columns[key] for key in self._meta.image_keys}
        columns = columns | {key: as_image_structs(_encoded(column)) for key, column in images.items()}
        columns |= self._tables.bookkeeping(length, text)
        stats = compute_episode_stats(
            {key: _array(columns[key]) for key in columns if self._has_numbers(key)}, self._meta.features
        )
        stats |= {key: _stored_stats(_encoded(column)) for key, column in images.items()}
        places = {}
        for key, frames in videos.items():
            place, stats[key] = self._videos[key].append(frames, length)
            places |= place
        self._tables.append(columns, text, stats, places)

    def _has_numbers(self, key: str) -> bool:
        feature = self._meta.features.get(key)
        return feature is not None and feature["dtype"] not in ("image", "video", "string", "language")


def _array(column: np.ndarray | pa.ChunkedArray) -> np.ndarray:
    return column if isinstance(column, np.ndarray) else np.array(column.to_pylist())


def _encoded(column: pa.ChunkedArray) -> pa.Array:
    """The bytes of images (T,). Raises DataError where they lie outside of the dataset's files."""
    encoded = column.combine_chunks().field("bytes")
    if encoded.null_count:
        raise DataError("images are not stored in the dataset's own files", do="embed them with LeRobot's tools")
    return encoded.cast(pa.binary())


def _stored_stats(encoded: pa.Array) -> dict[str, np.ndarray]:
    """Statistics of encoded images (T,)."""
    sampled = (Image.open(io.BytesIO(encoded[i].as_py())) for i in sample_indices(len(encoded)))
    return image_stats([shrunk(np.asarray(image.convert("RGB"))) for image in sampled])
