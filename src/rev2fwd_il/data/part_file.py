"""The HDF5 file that episodes are streamed to before they are one NPZ: opened, grown, and held by one writer."""

import errno
import os
import sys
from pathlib import Path

import h5py
import numpy as np

from rev2fwd_il.errors import DataError
from rev2fwd_il.running.files import temporary_beside

CHUNK_FRAMES, CHUNK_BYTES = 256, 2**20
SPARE_BYTES = 2**20  # HDF5's own book-keeping for one more episode
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError)  # what h5py raises for a damaged file
IN_USE = {errno.EAGAIN, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOENT, errno.ENOTDIR}


def open_part_file(path: Path) -> h5py.File:
    """The part file, held by HDF5's lock; one that cannot be read is replaced. Raises DataError where it is in use."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Opening for appending takes HDF5's lock first; mode "w" would truncate another writer's file before.
            return _readable(h5py.File(path, "a"))
        except UNREADABLE as error:
            if getattr(error, "errno", None) in IN_USE or not path.is_file():
                raise
            log_note(f"{path}: damaged ({error}); starting anew")
            path.unlink()
            return h5py.File(path, "a")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be opened for writing", found=error,
            do="wait for the writer that holds it (doctor.py names it), or fix permissions",
        ) from None  # fmt: skip


def claim_space(path: Path, num_bytes: int) -> None:
    """Raise OSError where the disk lacks this space: HDF5 cannot recover from a write that fails half-way."""
    probe = temporary_beside(path)
    try:
        with open(probe, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, num_bytes + SPARE_BYTES)
    finally:
        probe.unlink(missing_ok=True)


def append_rows(file: h5py.File, name: str, rows: np.ndarray, start: int) -> None:
    """Write rows from `start` on, over what may lie behind it."""
    if name not in file:
        per_chunk = min(CHUNK_FRAMES, max(1, CHUNK_BYTES // max(1, rows[0].nbytes)))
        file.create_dataset(
            name, shape=(0, *rows.shape[1:]), maxshape=(None, *rows.shape[1:]), dtype=rows.dtype,
            chunks=(per_chunk, *rows.shape[1:]),
        )  # fmt: skip
    dataset = file[name]
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows


def log_note(line: str) -> None:
    """One line on stderr."""
    print(f"note: {line}", file=sys.stderr)


def _readable(file: h5py.File) -> h5py.File:
    """The file, all of whose names and ends can be read."""
    try:
        _ = dict(file.attrs), [item[-1:] for item in file.values()]
    except UNREADABLE:
        file.close()
        raise
    return file
