"""Episodes as Arrow tables in LeRobot's v3 layout, and how they reach Parquet.

One Parquet row group is one episode; a file is closed when it has grown to LeRobot's size limit.
"""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lerobot.datasets.compute_stats import auto_downsample_height_width, get_feature_stats
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from lerobot.datasets.feature_utils import get_hf_features_from_features
from lerobot.datasets.utils import STATS_PATH, update_chunk_file_indices
from PIL import Image

PNG_COMPRESSION = 1  # LeRobot's own 6 is five times slower and a tenth smaller; both are lossless
MIB = 2**20


class TableFiles:
    """Appends episodes to the data files of a dataset whose metadata `meta` keeps."""

    def __init__(self, meta: LeRobotDatasetMetadata):
        self.meta = meta
        self.schema = get_hf_features_from_features(meta.features).arrow_schema
        self._chunk, self._file, self._bytes = 0, 0, 0
        self._writer: pq.ParquetWriter | None = None

    def close(self) -> None:
        """Nothing follows."""
        if self._writer is not None:
            self._writer.close()
        self.meta.finalize()

    def bookkeeping(self, length: int, task: str) -> dict[str, np.ndarray]:
        """LeRobot's own columns (T,) of the next episode."""
        if self.meta.tasks is None or task not in self.meta.tasks.index:
            self.meta.save_episode_tasks([task])
        start = self.meta.total_frames
        return {
            "timestamp": (np.arange(length) / self.meta.fps).astype(np.float32),
            "frame_index": np.arange(length),
            "episode_index": np.full(length, self.meta.total_episodes),
            "index": np.arange(start, start + length),
            "task_index": np.full(length, self.meta.get_task_index(task)),
        }

    def append(self, columns: dict, task: str, stats: dict, videos: dict | None = None) -> None:
        """Write one episode: columns (T, ...) as NumPy or Arrow, its statistics, its places in video files."""
        table = pa.table({field.name: _column(columns[field.name], field.type) for field in self.schema}, self.schema)
        first_frame, length = self.meta.total_frames, len(table)
        self._write(table)
        where = {"data/chunk_index": self._chunk, "data/file_index": self._file}
        where |= {"dataset_from_index": first_frame, "dataset_to_index": first_frame + length}
        self.meta.save_episode(self.meta.total_episodes, length, [task], stats, where | (videos or {}))

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


def _column(values: np.ndarray | pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, np.ndarray):
        if values.ndim == 1:
            return pa.array(values)
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    if not isinstance(kind, pa.BaseExtensionType):
        return values.cast(kind)
    plain = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    plain = plain.storage if isinstance(plain, pa.ExtensionArray) else plain
    return pa.ExtensionArray.from_storage(kind, plain.cast(kind.storage_type))


def png_column(images: np.ndarray) -> pa.Array:
    """(T, H, W, 3) uint8 -> T structs {bytes, path} as `datasets.Image` stores them."""
    encoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", compress_level=PNG_COMPRESSION)
        encoded.append(buffer.getvalue())
    return as_image_structs(pa.array(encoded, pa.binary()))


def as_image_structs(encoded: pa.Array) -> pa.Array:
    """Encoded images (T,) as `datasets.Image` stores them, named in this order."""
    paths = [f"frame-{index:06d}.png" for index in range(len(encoded))]
    return pa.StructArray.from_arrays([encoded, pa.array(paths)], names=["bytes", "path"])


def shrunk(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (3, h, w), as small as LeRobot takes an image's statistics."""
    return auto_downsample_height_width(image.transpose(2, 0, 1))


def image_stats(samples: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Statistics per channel, (3, 1, 1) in [0, 1], of shrunk images: those of the frames that LeRobot would sample."""
    stats = get_feature_stats(np.stack(samples), axis=(0, 2, 3), keepdims=True)
    return {name: value if name == "count" else np.squeeze(value / 255.0, axis=0) for name, value in stats.items()}


def sort_stats(root: Path) -> None:
    """Give a finished dataset's statistics one order: LeRobot walks a set of names, which differs by process."""
    path = root / STATS_PATH
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4, sort_keys=True) + "\n")
