"""Reading datasets, and in one place what others import: Episode, EpisodeWriter, EpisodeDataset, write_npz.

    dataset = EpisodeDataset("data/B_circle.npz")                 # checked, memory-mapped
    dataset[3].ee_pose                                            # (T_3, 7)

Frames of all E episodes lie end to end along T; episode i is the slice [ends[i-1], ends[i]). The NPZ is uncompressed,
so each field is one contiguous block of the file that is mapped instead of read; `numpy.load` opens it as well.
Neither pickle nor object arrays are written or accepted.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.contract import EPISODE_FIELDS, FRAME_FIELDS, IMAGE_FIELDS, SCHEMA_VERSION, Episode, has_shape
from rev2fwd_il.errors import DataError
from rev2fwd_il.npz import map_npz, read_rows
from rev2fwd_il.recording import EpisodeWriter, write_npz

__all__ = ["FRAME_FIELDS", "IMAGE_FIELDS", "Episode", "EpisodeDataset", "EpisodeWriter", "write_npz"]


class EpisodeDataset:
    """A checked, memory-mapped view of an NPZ dataset. Raises DataError naming file, field, expected and found."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.arrays = map_npz(self.path)
        self.meta = self._check()
        self.ends = np.asarray(self.arrays[keys.EPISODE_ENDS])
        self.starts = np.concatenate([[0], self.ends[:-1]])
        self.success = np.asarray(self.arrays[keys.SUCCESS])
        self.target_xy = np.asarray(self.arrays[keys.TARGET_XY])

    @property
    def has_images(self) -> bool:
        return keys.IMAGES in self.arrays

    @property
    def num_frames(self) -> int:
        return int(self.ends[-1])

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Episode:
        window = slice(int(self.starts[index]), int(self.ends[index]))
        images = {name: self.arrays[name][window] for name in IMAGE_FIELDS if name in self.arrays}
        frames = {name: np.asarray(self.arrays[name][window]) for name in FRAME_FIELDS}
        return Episode(**frames, **images, target_xy=self.target_xy[index], success=bool(self.success[index]))

    def frames(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Field -> its frames from `start` to before `stop`; of the images no more is read than these."""
        states = {name: np.array(self.arrays[name][start:stop]) for name in FRAME_FIELDS}  # checked, thus in memory
        return states | read_rows({k: v for k, v in self.arrays.items() if k in IMAGE_FIELDS}, start, stop)

    def __iter__(self) -> Iterator[Episode]:
        return (self[index] for index in range(len(self)))

    def _fail(self, field: str, expected: object, found: object) -> DataError:
        return DataError(
            f"{self.path}: field `{field}` breaks the data contract", expected=expected, found=found,
            do="write the file again with this project's scripts, or see docs/data.md",
        )  # fmt: skip

    def _version_error(self, found: object) -> DataError:
        newer = not isinstance(found, int) or found > SCHEMA_VERSION
        return DataError(
            f"{self.path}: field `{keys.META}` names another schema version", expected=SCHEMA_VERSION, found=found,
            do="update this project: a newer one wrote the file" if newer
            else "migrate it: workflow/scripts/migrate_dataset.py --help",
        )  # fmt: skip

    def _read_meta(self) -> dict:
        """Meta of this schema version, read before anything that depends on it."""
        try:
            meta = json.loads(str(self.arrays[keys.META][()]))
            version = meta.get("schema_version", 0)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise self._fail(keys.META, "JSON with schema_version", repr(error)) from None
        if version != SCHEMA_VERSION or isinstance(version, bool):
            raise self._version_error(version)
        return meta

    def _check(self) -> dict:
        if keys.META not in self.arrays and keys.EE_POSE in self.arrays:
            raise self._version_error(0)
        for name in [keys.META, *FRAME_FIELDS, *EPISODE_FIELDS, keys.EPISODE_ENDS]:
            if name == keys.EE_POSE:
                meta = self._read_meta()
            if name not in self.arrays:
                raise self._fail(name, "present", f"only {sorted(self.arrays)}")
        ends = self.arrays[keys.EPISODE_ENDS]
        if ends.dtype != np.int64 or ends.ndim != 1 or not len(ends):
            raise self._fail(keys.EPISODE_ENDS, "(E,) int64 with E >= 1", f"{ends.shape} {ends.dtype}")
        if ends[0] <= 0 or (ends[1:] <= ends[:-1]).any():
            raise self._fail(keys.EPISODE_ENDS, "strictly increasing, first > 0", ends[:8].tolist())
        self._check_shapes(
            FRAME_FIELDS | {k: v for k, v in IMAGE_FIELDS.items() if k in self.arrays}, int(ends[-1]), "T"
        )
        self._check_shapes(EPISODE_FIELDS, len(ends), "E")
        for name in (*FRAME_FIELDS, keys.TARGET_XY):
            array = self.arrays[name]
            if not np.isfinite(array).all():
                bad = np.argwhere(~np.isfinite(array))[0].tolist()
                raise self._fail(name, "finite values", f"{array[tuple(bad)]} at {bad}")
        for name in (keys.EE_POSE, keys.OBJ_POSE, keys.ACTION):
            norms = np.linalg.norm(self.arrays[name][:, 3:7], axis=1)
            if np.abs(norms - 1).max() > 1e-3:
                frame = int(np.abs(norms - 1).argmax())
                raise self._fail(name, "unit quaternions", f"norm {norms[frame]:.4f} at frame {frame}")
        return meta

    def _check_shapes(self, specification: dict, length: int, axis: str) -> None:
        for name, (trailing, dtype) in specification.items():
            array = self.arrays[name]
            if not has_shape(array, trailing) or array.dtype != dtype or len(array) != length:
                expected = f"({', '.join([f'{axis}={length}', *map(str, trailing)])}) {np.dtype(dtype)}"
                raise self._fail(name, expected, f"{array.shape} {array.dtype}")
