"""Episodes and their two stores: HDF5 while frames arrive, one NPZ when they are complete.

    with EpisodeWriter("data/B_circle.npz", meta) as writer:      # data/B_circle.npz.part.h5
        writer.add(episode)                                       # flushed: a kill loses no finished episode
    dataset = EpisodeDataset("data/B_circle.npz")                 # checked, memory-mapped
    dataset[3].ee_pose                                            # (T_3, 7)

Frames of all E episodes lie end to end along T; episode i is the slice [ends[i-1], ends[i]). The NPZ is uncompressed,
so each field is one contiguous block of the file that is mapped instead of read; `numpy.load` opens it as well.
Neither pickle nor object arrays are written or accepted.
"""

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.errors import DataError

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
                raise DataError(f"episode: {name} has another length than ee_pose", expected=len(self), found=len(value))

    def replace(self, **changes) -> "Episode":
        """A copy with some fields changed."""
        return Episode(**{field.name: getattr(self, field.name) for field in fields(self)} | changes)


class EpisodeWriter:
    """Streams episodes to `<path>.part.h5`; leaving the `with` block without an error turns it into the NPZ at `path`.

    With `resume`, an existing part file is continued and `len(writer)` says how many episodes it already holds.
    """

    def __init__(self, path: str | Path, meta: dict, *, resume: bool = False):
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part.h5")
        self.meta = {"schema_version": SCHEMA_VERSION} | meta
        if self.path.exists():
            raise DataError(f"{self.path}: exists already", do="remove it or choose another output path")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = h5py.File(self.part, "a" if resume else "w")

    def __len__(self) -> int:
        return len(self._file[keys.EPISODE_ENDS]) if keys.EPISODE_ENDS in self._file else 0

    def add(self, episode: Episode) -> None:
        """Append one episode and flush it; `episode_ends` goes last, so a torn episode is not counted."""
        if not len(episode):
            raise DataError("an episode without frames cannot be stored")
        start = int(self._file[keys.EPISODE_ENDS][-1]) if len(self) else 0
        for name, (_, dtype) in (FRAME_FIELDS | IMAGE_FIELDS).items():
            value = getattr(episode, name)
            if value is not None:
                self._append(name, np.asarray(value, dtype), start)
        for name, (_, dtype) in EPISODE_FIELDS.items():
            self._append(name, np.asarray(getattr(episode, name), dtype)[None], len(self))
        self._append(keys.EPISODE_ENDS, np.array([start + len(episode)], np.int64), len(self))
        self._file.flush()

    def _append(self, name: str, rows: np.ndarray, start: int) -> None:
        if name not in self._file:
            self._file.create_dataset(
                name, shape=(0, *rows.shape[1:]), maxshape=(None, *rows.shape[1:]), dtype=rows.dtype,
                chunks=(min(CHUNK_FRAMES, max(1, 2**20 // max(1, rows[0].nbytes))), *rows.shape[1:]),
            )  # fmt: skip
        dataset = self._file[name]
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows

    def __enter__(self) -> "EpisodeWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None:
                if not len(self):
                    raise DataError(f"{self.path}: no episode to write")
                write_npz(self.path, _stored_fields(self._file), self.meta)
        finally:
            self._file.close()
        if kind is None:
            self.part.unlink()

    def discard(self) -> None:
        """Close and drop what was streamed."""
        self._file.close()
        self.part.unlink(missing_ok=True)


def _stored_fields(file: h5py.File) -> dict[str, h5py.Dataset]:
    return {name: file[name] for name in [*FRAME_FIELDS, *IMAGE_FIELDS, *EPISODE_FIELDS, keys.EPISODE_ENDS] if name in file}


def write_npz(path: str | Path, arrays: dict, meta: dict) -> None:
    """Write arrays (NumPy or h5py, first axis streamed) and JSON `meta` as an uncompressed NPZ, atomically."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, array in arrays.items():
                _write_member(archive, name, array)
            _write_member(archive, keys.META, np.array(json.dumps(meta, sort_keys=True)))
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: could not be written", found=error, do="free space or mend permissions") from None
    finally:
        temporary.unlink(missing_ok=True)


def _write_member(archive: zipfile.ZipFile, name: str, array) -> None:
    # A fixed time stamp: the same episodes give the same bytes.
    with archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
        header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": tuple(array.shape)}
        np.lib.format.write_array_header_2_0(member, header)
        if array.ndim == 0:
            member.write(np.asarray(array).tobytes())
            return
        rows = max(1, 2**24 // max(1, array.dtype.itemsize * int(np.prod(array.shape[1:]))))
        for start in range(0, len(array), rows):
            member.write(np.ascontiguousarray(array[start : start + rows]).tobytes())


class EpisodeDataset:
    """A checked, memory-mapped view of an NPZ dataset. Raises DataError naming file, field, expected and found."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.arrays = _map_npz(self.path)
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
        if (np.diff(np.concatenate([[0], ends])) <= 0).any():
            raise self._fail(keys.EPISODE_ENDS, "strictly increasing, first > 0", ends[:8].tolist())
        self._check_shapes(FRAME_FIELDS | {k: v for k, v in IMAGE_FIELDS.items() if k in self.arrays}, int(ends[-1]), "T")
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
            fits = array.ndim == len(trailing) + 1 and all(w in (None, h) for w, h in zip(trailing, array.shape[1:]))
            if not fits or array.dtype != dtype or len(array) != length:
                expected = f"({', '.join([f'{axis}={length}', *map(str, trailing)])}) {np.dtype(dtype)}"
                raise self._fail(name, expected, f"{array.shape} {array.dtype}")


def _map_npz(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"{path}: no such dataset", do="build it (`snakemake -n` shows how) or check the path")
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    arrays[info.filename[:-4]] = _map_member(path, archive, info)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{path}: not a readable NPZ", expected="an NPZ without object arrays (no pickle)", found=error,
            do="if a writer was killed or the disk was full, delete the file and build it again",
        ) from None  # fmt: skip
    return arrays


def _map_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(member)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds Python objects (pickle)")
        header_size = member.tell()
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size + header_size != info.file_size or size == 0:
        raise ValueError(f"{info.filename} is empty, cut short or too long")
    if info.compress_type != zipfile.ZIP_STORED or not shape or fortran:
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)
    with open(path, "rb") as file:  # the local header's name and extra lengths may differ from the directory's
        file.seek(info.header_offset + 26)
        name_length, extra_length = np.frombuffer(file.read(4), "<u2")
    offset = info.header_offset + 30 + int(name_length) + int(extra_length) + header_size
    if offset + size > path.stat().st_size:
        raise ValueError(f"{info.filename} is cut short")
    return np.memmap(path, dtype, "r", offset, shape)
