"""Writing datasets as episodes arrive: streamed to HDF5, turned into one NPZ when complete.

with EpisodeWriter("data/B_circle.npz", meta, resume=True) as writer:   # data/B_circle.npz.part.h5
    for batch in batches[len(writer.rewind()):]:                        # those that are not yet finished
        for episode in batch:
            writer.add(episode)                                         # flushed: a kill loses no finished episode
        writer.finish_batch({})
"""

import errno
import json
import os
import sys
from pathlib import Path

import h5py
import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.contract import (
    EPISODE_FIELDS,
    FRAME_FIELDS,
    IMAGE_FIELDS,
    NPZ_ORDER,
    SCHEMA_VERSION,
    Episode,
    has_shape,
)
from rev2fwd_il.errors import DataError
from rev2fwd_il.npz import refuse_existing, write_arrays
from rev2fwd_il.provenance import without_maker

CHUNK_FRAMES, CHUNK_BYTES = 256, 2**20
SPARE_BYTES = 2**20  # HDF5's own book-keeping for one more episode
INITIAL_META = "initial_meta"
BATCHES = "batches"
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError)  # what h5py raises for a damaged file
IN_USE = {errno.EAGAIN, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOENT, errno.ENOTDIR}


def write_npz(path: str | Path, arrays: dict, meta: dict) -> None:
    """Write the arrays of a dataset and its JSON `meta` at `path`, which must not exist."""
    write_arrays(path, arrays | {keys.META: np.array(json.dumps(meta, sort_keys=True))})


class EpisodeWriter:
    """Streams episodes to `<path>.part.h5`; leaving the `with` block without an error turns it into the NPZ at `path`.

    With `resume`, an existing part file made with the same meta is continued, whatever the code version;
    `len(writer)` says how many episodes it holds, and `rewind` takes it back to the end of its last finished batch. A
    part file that is of other settings or damaged is replaced, with a line on stderr. Counts known only at the end may
    be added to `writer.meta` on the way. Raises DataError for an output that exists, a part file in use, an episode
    that breaks the contract, and a disk that is full.
    """

    def __init__(self, path: str | Path, meta: dict, *, resume: bool = False):
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part.h5")
        self.meta = {"schema_version": SCHEMA_VERSION} | meta
        refuse_existing(self.path)
        initial = json.dumps(without_maker(self.meta), sort_keys=True)
        self._file = self._open()
        found = self._file.attrs.get(INITIAL_META)
        if resume and found not in (None, initial):
            _say(f"{self.part}: holds {len(self)} episodes of other settings; starting anew")
        if not resume or found != initial:
            for name in list(self._file):
                del self._file[name]
            self._file.attrs[INITIAL_META] = initial
        self._trim(len(self))

    def __len__(self) -> int:
        return len(self._file[keys.EPISODE_ENDS]) if keys.EPISODE_ENDS in self._file else 0

    def add(self, episode: Episode) -> None:
        """Append one episode and flush it; `episode_ends` goes last, so a torn episode is not counted."""
        frames = {name: self._checked(episode, name, *FRAME_FIELDS[name]) for name in FRAME_FIELDS}
        if not len(episode):
            raise DataError("an episode without frames cannot be stored")
        for name, specification in IMAGE_FIELDS.items():
            present = getattr(episode, name) is not None
            if len(self) and present != (name in self._file):
                raise DataError(f"{self.path}: some episodes have `{name}`, others do not", expected="all or none")
            if present:
                frames[name] = self._checked(episode, name, *specification)
        facts = {name: self._checked_fact(episode, name, *EPISODE_FIELDS[name]) for name in EPISODE_FIELDS}
        start = int(self._file[keys.EPISODE_ENDS][-1]) if len(self) else 0
        try:
            self._claim(sum(rows.nbytes for rows in frames.values()))
            for name, rows in frames.items():
                self._append(name, rows, start)
            for name in EPISODE_FIELDS:
                self._append(name, facts[name], len(self))
            self._append(keys.EPISODE_ENDS, np.array([start + len(episode)], np.int64), len(self))
            self._file.flush()
        except OSError as error:
            raise DataError(
                f"{self.part}: could not be written", found=error, do="free space; finished episodes are safe"
            ) from None

    def finish_batch(self, note: object) -> None:
        """Mark all episodes so far as whole batches; `note` is what a resume has to know of this one (JSON)."""
        if BATCHES not in self._file:
            self._file.create_dataset(BATCHES, shape=(0,), maxshape=(None,), dtype=h5py.string_dtype())
        batches = self._file[BATCHES]
        batches.resize(len(batches) + 1, axis=0)
        batches[-1] = json.dumps({"episodes": len(self), "note": note})
        self._file.flush()

    def rewind(self) -> list:
        """Drop the episodes after the last finished batch; the notes of all that are finished."""
        texts = self._file[BATCHES].asstr()[:] if BATCHES in self._file else []
        batches = [json.loads(text) for text in texts if text]  # the last is empty where a kill tore it
        self._trim(batches[-1]["episodes"] if batches else 0)
        if BATCHES in self._file:
            self._file[BATCHES].resize(len(batches), axis=0)
        return [batch["note"] for batch in batches]

    def discard(self) -> None:
        """Close and drop what was streamed."""
        self._file.close()
        self.part.unlink(missing_ok=True)

    def __enter__(self) -> "EpisodeWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if not self._file.id.valid:  # discarded
            return
        complete = False
        try:
            if kind is None:
                if not len(self):
                    raise DataError(f"{self.path}: no episode to write")
                write_npz(self.path, {name: self._file[name] for name in NPZ_ORDER if name in self._file}, self.meta)
                complete = True
        finally:
            empty = not len(self)
            self._file.close()
            if complete or empty:
                self.part.unlink(missing_ok=True)

    def _open(self) -> h5py.File:
        """The part file, held by HDF5's lock; one that cannot be read is replaced."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                # Opening for appending takes HDF5's lock first; mode "w" would truncate another writer's file before.
                return _readable(h5py.File(self.part, "a"))
            except UNREADABLE as error:
                if getattr(error, "errno", None) in IN_USE or not self.part.is_file():
                    raise
                _say(f"{self.part}: damaged ({error}); starting anew")
                self.part.unlink()
                return h5py.File(self.part, "a")
        except OSError as error:
            raise DataError(
                f"{self.part}: cannot be opened for writing", found=error,
                do="wait for the writer that holds it (doctor.py names it), or mend permissions",
            ) from None  # fmt: skip

    def _checked(self, episode: Episode, name: str, trailing: tuple, dtype: type) -> np.ndarray:
        value = np.asarray(getattr(episode, name))
        if not has_shape(value, trailing) or (dtype == np.uint8 and value.dtype != np.uint8):
            raise DataError(
                f"episode: `{name}` does not fit the data contract",
                expected=f"(T, {', '.join(map(str, trailing))}) {np.dtype(dtype)}",
                found=f"{value.shape} {value.dtype}",
            )
        if name in self._file and value.shape[1:] != self._file[name].shape[1:]:
            raise DataError(
                f"episode: `{name}` does not fit the episodes before", expected=self._file[name].shape[1:],
                found=value.shape[1:],
            )  # fmt: skip
        value = value.astype(dtype, copy=False)
        if dtype == np.float32 and not np.isfinite(value).all():
            raise DataError(f"episode: {name} is not finite", found=np.argwhere(~np.isfinite(value))[0].tolist())
        return value

    def _checked_fact(self, episode: Episode, name: str, shape: tuple, dtype: type) -> np.ndarray:
        value = np.asarray(getattr(episode, name))
        if value.shape != shape:
            raise DataError(f"episode: `{name}` does not fit the data contract", expected=shape, found=value.shape)
        return value.astype(dtype)[None]

    def _claim(self, num_bytes: int) -> None:
        """Reserve disk space ahead: HDF5 cannot recover from a write that fails half-way."""
        needed = num_bytes + SPARE_BYTES
        probe = self.part.with_suffix(".probe")
        try:
            with open(probe, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, needed)
        finally:
            probe.unlink(missing_ok=True)

    def _append(self, name: str, rows: np.ndarray, start: int) -> None:
        if name not in self._file:
            per_chunk = min(CHUNK_FRAMES, max(1, CHUNK_BYTES // max(1, rows[0].nbytes)))
            self._file.create_dataset(
                name, shape=(0, *rows.shape[1:]), maxshape=(None, *rows.shape[1:]), dtype=rows.dtype,
                chunks=(per_chunk, *rows.shape[1:]),
            )  # fmt: skip
        dataset = self._file[name]
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows

    def _trim(self, episodes: int) -> None:
        """Keep that many episodes, and none of the rows that a kill in the middle of `add` left behind them."""
        frames = int(self._file[keys.EPISODE_ENDS][episodes - 1]) if episodes else 0
        for name in set(self._file) - {BATCHES}:
            self._file[name].resize(frames if name in FRAME_FIELDS | IMAGE_FIELDS else episodes, axis=0)


def _readable(file: h5py.File) -> h5py.File:
    """The file, all of whose names and ends can be read."""
    try:
        _ = dict(file.attrs), [item[-1:] for item in file.values()]
    except UNREADABLE:
        file.close()
        raise
    return file


def _say(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)
