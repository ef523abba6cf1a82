"""Episodes and their two stores: HDF5 while frames arrive, one NPZ when they are complete.

    with EpisodeWriter("data/B_circle.npz", meta) as writer:      # data/B_circle.npz.part.h5
        writer.add(episode)                                       # flushed: a kill loses no finished episode
    dataset = EpisodeDataset("data/B_circle.npz")                 # checked, memory-mapped
    dataset[3].ee_pose                                            # (T_3, 7)

Frames of all E episodes lie end to end along T; episode i is the slice [ends[i-1], ends[i]). The NPZ is uncompressed,
so each field is one contiguous block of the file that is mapped instead of read; `numpy.load` opens it as well.
Neither pickle nor object arrays are written or accepted.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.errors import DataError
from rev2fwd_il.npz import map_npz, refuse_existing, write_arrays

SCHEMA_VERSION = 1
# field: trailing shape (None: any), dtype; fields along T first, fields along E after
FRAME_FIELDS = {
    keys.EE_POSE: ((7,), np.float32),
    keys.OBJ_POSE: ((7,), np.float32),
    keys.ACTION: ((8,), np.float32),
    keys.GRIPPER_WIDTH: ((), np.float32),
}
IMAGE_FIELDS = {
    keys.IMAGES: ((None, None, 3), np.uint8),
    keys.WRIST_IMAGES: ((None, None, 3), np.uint8),
}
EPISODE_FIELDS = {keys.TARGET_XY: ((2,), np.float32), keys.SUCCESS: ((), np.bool_)}
NPZ_ORDER = [*FRAME_FIELDS, *IMAGE_FIELDS, *EPISODE_FIELDS, keys.EPISODE_ENDS]
CHUNK_FRAMES = 256


@dataclass(frozen=True)
class Episode:
    """One attempt at one task. Poses are [x, y, z, qw, qx, qy, qz] in the robot-base frame [m]."""

    ee_pose: np.ndarray  # (T, 7) float32
    obj_pose: np.ndarray  # (T, 7) float32
    action: np.ndarray  # (T, 8) float32: commanded ee pose, gripper (+1 open, -1 close)
    gripper_width: np.ndarray  # (T,) float32, measured opening [m]
    target_xy: np.ndarray  # (2,) float32: where the object has to end [m]
    success: bool
    images: np.ndarray | None = None  # (T, H, W, 3) uint8, table camera
    wrist_images: np.ndarray | None = None  # (T, H, W, 3) uint8, wrist camera

    def __len__(self) -> int:
        return len(self.ee_pose)

    def __post_init__(self):
        for name in FRAME_FIELDS | IMAGE_FIELDS:
            value = getattr(self, name)
            if value is not None and len(value) != len(self):
                raise DataError(
                    f"episode: {name} has another length than ee_pose", expected=len(self), found=len(value)
                )

    def replace(self, **changes) -> "Episode":
        """A copy with some fields changed."""
        return Episode(**{field.name: getattr(self, field.name) for field in fields(self)} | changes)


class EpisodeWriter:
    """Streams episodes to `<path>.part.h5`; leaving the `with` block without an error turns it into the NPZ at `path`.

    With `resume`, an existing part file is continued and `len(writer)` says how many episodes it already holds. An
    error inside the block keeps the part file for that. `meta` may grow until the block is left.
    Raises DataError when `path` exists, the part file cannot be used, an episode does not fit, or the disk is full.
    """

    def __init__(self, path: str | Path, meta: dict, *, resume: bool = False):
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part.h5")
        self.meta = {"schema_version": SCHEMA_VERSION} | meta
        refuse_existing(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self.part, "a" if resume else "w")
            self._trim()
            self._check_meta()
        except (OSError, RuntimeError, KeyError) as error:
            raise DataError(
                f"{self.part}: cannot be opened for writing", found=error,
                do="end another process that writes it; if none does, it was torn by a kill: delete it",
            ) from None  # fmt: skip

    def __len__(self) -> int:
        return len(self._file[keys.EPISODE_ENDS]) if keys.EPISODE_ENDS in self._file else 0

    def add(self, episode: Episode) -> None:
        """Append one episode and flush it; `episode_ends` goes last, so a torn episode is not counted."""
        rows = self._rows(episode)
        start = int(self._file[keys.EPISODE_ENDS][-1]) if len(self) else 0
        try:
            for name, array in rows.items():
                self._append(name, array, len(self) if name in EPISODE_FIELDS else start)
            self._append(keys.EPISODE_ENDS, np.array([start + len(episode)], np.int64), len(self))
            self._file.flush()
        except (OSError, RuntimeError) as error:
            raise DataError(f"{self.part}: could not be written", found=error, do="free space") from None

    def _rows(self, episode: Episode) -> dict[str, np.ndarray]:
        """The episode's arrays as stored, checked against the contract and against the episodes before it."""
        if not len(episode):
            raise DataError("an episode without frames cannot be stored")
        rows = {}
        for name, (trailing, dtype) in (FRAME_FIELDS | IMAGE_FIELDS | EPISODE_FIELDS).items():
            value = getattr(episode, name)
            if len(self) and (value is None) == (name in self._file):
                raise DataError(f"{self.path}: some episodes have `{name}` and some do not")
            if value is None:
                continue
            given = np.asarray(value)
            rows[name] = (
                given.astype(dtype, copy=False)[None] if name in EPISODE_FIELDS else given.astype(dtype, copy=False)
            )
            if name in self._file:
                trailing = self._file[name].shape[1:]
            if not _has_shape(rows[name], trailing) or (dtype == np.uint8 and given.dtype != dtype):
                raise DataError(
                    f"{self.path}: an episode's `{name}` does not fit",
                    expected=f"(T, {str(trailing)[1:]} {np.dtype(dtype)}",
                    found=f"{given.shape} {given.dtype}",
                )
            if given.dtype.kind == "f" and not np.isfinite(rows[name]).all():
                raise DataError(f"{self.path}: an episode's `{name}` has values that are not finite")
        return rows

    def _append(self, name: str, rows: np.ndarray, start: int) -> None:
        if name not in self._file:
            self._file.create_dataset(
                name, shape=(0, *rows.shape[1:]), maxshape=(None, *rows.shape[1:]), dtype=rows.dtype,
                chunks=(min(CHUNK_FRAMES, max(1, 2**20 // max(1, rows[0].nbytes))), *rows.shape[1:]),
            )  # fmt: skip
        dataset = self._file[name]
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows

    def _trim(self) -> None:
        """Cut off what a torn episode left behind the last counted one."""
        for name in list(self._file):
            if not len(self):
                del self._file[name]
            elif name not in (*EPISODE_FIELDS, keys.EPISODE_ENDS):
                self._file[name].resize(int(self._file[keys.EPISODE_ENDS][-1]), axis=0)
            else:
                self._file[name].resize(len(self), axis=0)

    def _check_meta(self) -> None:
        """A part file is continued only by the run that began it."""
        mine = json.dumps(self.meta, sort_keys=True)
        theirs = self._file.attrs.setdefault(keys.META, mine)
        if theirs != mine:
            self._file.close()
            raise DataError(
                f"{self.part}: was begun by another run", expected=mine, found=theirs, do="delete it to start anew"
            )

    def __enter__(self) -> "EpisodeWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if not self._file:  # discarded
            return
        count = len(self)
        try:
            if kind is None and count:
                self._trim()
                write_npz(self.path, {name: self._file[name] for name in NPZ_ORDER if name in self._file}, self.meta)
        finally:
            _close(self._file)
        if kind is None:
            self.part.unlink()
            if not count:
                raise DataError(f"{self.path}: no episode to write")

    def discard(self) -> None:
        """Close and drop what was streamed."""
        _close(self._file)
        self.part.unlink(missing_ok=True)


def _close(file: h5py.File) -> None:
    """Close; on a full disk HDF5 cannot flush, and the error that says so has been raised before."""
    with contextlib.suppress(OSError, RuntimeError):
        file.close()


def write_npz(path: str | Path, arrays: dict, meta: dict) -> None:
    """Write arrays (NumPy or h5py, first axis streamed) and JSON `meta` as one uncompressed NPZ, atomically.

    Raises DataError when `path` exists or cannot be written.
    """
    write_arrays(path, arrays | {keys.META: np.array(json.dumps(meta, sort_keys=True))})


def _has_shape(array: np.ndarray, trailing: tuple) -> bool:
    return array.ndim == len(trailing) + 1 and all(w in (None, h) for w, h in zip(trailing, array.shape[1:]))


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

    def __iter__(self) -> Iterator[Episode]:
        return (self[index] for index in range(len(self)))

    def _fail(self, field: str, expected: object, found: object) -> DataError:
        return DataError(
            f"{self.path}: field `{field}` breaks the data contract", expected=expected, found=found,
            do="write the file again with this project's scripts, or see docs/data.md",
        )  # fmt: skip

    def _check(self) -> dict:
        for name in [*FRAME_FIELDS, *EPISODE_FIELDS, keys.EPISODE_ENDS, keys.META]:
            if name not in self.arrays:
                raise self._fail(name, "present", f"only {sorted(self.arrays)}")
        try:
            meta = json.loads(str(self.arrays[keys.META][()]))
            version = meta["schema_version"]
        except (ValueError, TypeError, KeyError) as error:
            raise self._fail(keys.META, "JSON with schema_version", repr(error)) from None
        if version != SCHEMA_VERSION:
            raise self._fail(keys.META, f"schema_version {SCHEMA_VERSION}", version)
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
            if not _has_shape(array, trailing) or array.dtype != dtype or len(array) != length:
                expected = f"({', '.join([f'{axis}={length}', *map(str, trailing)])}) {np.dtype(dtype)}"
                raise self._fail(name, expected, f"{array.shape} {array.dtype}")
