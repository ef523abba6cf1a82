"""Writing datasets as episodes arrive: streamed to HDF5, turned into one NPZ when complete.

with DatasetWriter("data/B_circle.npz", meta, resume=True) as writer:   # data/B_circle.npz.part.h5
    for batch in batches[len(writer.rewind()):]:                        # those that are not yet finished
        for episode in batch:
            writer.add(episode)                                         # flushed: a kill loses no finished episode
        writer.finish_batch({})
"""

import json
from pathlib import Path

import h5py
import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.npz import refuse_existing, write_arrays
from rev2fwd_il.data.part_file import append_rows, claim_space, log_note, open_part_file
from rev2fwd_il.data.schema import (
    EPISODE_FIELDS,
    FRAME_FIELDS,
    NPZ_ORDER,
    OPTIONAL_FIELDS,
    SCHEMA_VERSION,
    Episode,
    has_shape,
    object_names,
)
from rev2fwd_il.errors import DataError
from rev2fwd_il.running.provenance import without_maker

INITIAL_META, MAKERS = "initial_meta", "makers"
BATCHES = "batches"


def write_npz(path: str | Path, arrays: dict, meta: dict) -> None:
    """Write the arrays of a dataset and its JSON `meta` at `path`, which must not exist."""
    write_arrays(path, arrays | {keys.META: np.array(json.dumps(meta, sort_keys=True))})


class DatasetWriter:
    """Streams episodes to `<path>.part.h5`; leaving the `with` block without an error turns it into the NPZ at `path`.

    With `resume`, an existing part file made with the same meta is continued, whatever the code version: the meta's
    `code_version` is then that of the code that began, and `resumed_by` lists those that continued. `len(writer)` says
    how many episodes it holds, and `rewind` takes it back to the end of its last finished batch. A part file that is
    of other settings or damaged is replaced, with a line on stderr. Counts known only at the end may be added to
    `writer.meta` on the way. Raises DataError for an output that exists, a part file in use, an episode that breaks the
    contract, a disk that is full, and, unless `allow_empty`, a dataset without episodes.
    """

    def __init__(self, path: str | Path, meta: dict, *, resume: bool = False, allow_empty: bool = False):
        self.path, self._allow_empty = Path(path), allow_empty
        self.part = self.path.with_name(self.path.name + ".part.h5")
        self.meta = meta | {"schema_version": SCHEMA_VERSION}
        refuse_existing(self.path)
        try:
            object_names(self.meta)
        except ValueError as error:
            raise DataError(f"{path}: meta does not fit the data contract", found=error) from None
        initial = json.dumps(without_maker(self.meta), sort_keys=True)
        self._file = open_part_file(self.part)
        found = self._file.attrs.get(INITIAL_META)
        if resume and found not in (None, initial):
            log_note(f"{self.part}: holds {len(self)} episodes of other settings; starting anew")
        if not resume or found != initial:
            for name in list(self._file):
                del self._file[name]
            self._file.attrs[INITIAL_META] = initial
        self._trim(len(self))
        self._makers = self._sign()

    def __len__(self) -> int:
        return len(self._file[keys.EPISODE_ENDS]) if keys.EPISODE_ENDS in self._file else 0

    def add(self, episode: Episode) -> None:
        """Append one episode and flush it; `episode_ends` goes last, so a torn episode is not counted."""
        frames = {name: self._checked(episode, name, *FRAME_FIELDS[name]) for name in FRAME_FIELDS}
        if not len(episode):
            raise DataError("an episode without frames cannot be stored")
        for name, specification in OPTIONAL_FIELDS.items():
            present = getattr(episode, name) is not None
            if len(self) and present != (name in self._file):
                raise DataError(f"{self.path}: some episodes have `{name}`, others do not", expected="all or none")
            if present:
                frames[name] = self._checked(episode, name, *specification)
        self._check_objects(episode)
        facts = {name: self._checked_fact(episode, name, *EPISODE_FIELDS[name]) for name in EPISODE_FIELDS}
        if (facts[keys.TARGET_POSE][:, :2] != facts[keys.TARGET_XY]).any():
            raise DataError(
                "episode: `target_pose` does not fit `target_xy`", expected=facts[keys.TARGET_XY][0].tolist(),
                found=facts[keys.TARGET_POSE][0].tolist(),
            )  # fmt: skip
        start = int(self._file[keys.EPISODE_ENDS][-1]) if len(self) else 0
        try:
            claim_space(self.part, sum(rows.nbytes for rows in frames.values()))
            for name, rows in frames.items():
                append_rows(self._file, name, rows, start)
            for name in EPISODE_FIELDS:
                append_rows(self._file, name, facts[name], len(self))
            append_rows(self._file, keys.EPISODE_ENDS, np.array([start + len(episode)], np.int64), len(self))
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

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if not self._file.id.valid:  # discarded
            return
        complete = False
        try:
            if kind is None:
                if not len(self) and not self._allow_empty:
                    raise DataError(f"{self.path}: no episode to write")
                first, *later = self._makers or [None]
                meta = self.meta | ({"code_version": first, "resumed_by": later} if later else {})
                arrays = {name: self._file[name] for name in NPZ_ORDER if name in self._file}
                write_npz(self.path, arrays if len(self) else _no_episodes(meta), meta)
                complete = True
        finally:
            empty = not len(self)
            self._file.close()
            if complete or empty:
                self.part.unlink(missing_ok=True)

    def _sign(self) -> list[str]:
        """Code versions that have written to the part file, this one last; kept in it."""
        makers = [str(maker) for maker in self._file.attrs.get(MAKERS, ())] if len(self) else []
        mine = self.meta.get("code_version")
        if mine is not None and makers[-1:] != [mine]:
            makers.append(mine)
        self._file.attrs.pop(MAKERS, None)
        if makers:
            self._file.attrs[MAKERS] = makers
        return makers

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

    def _check_objects(self, episode: Episode) -> None:
        """The meta names as many further objects as the episode has poses of."""
        poses, names = episode.object_poses, object_names(self.meta)
        if (0 if poses is None else np.shape(poses)[1]) != len(names or []):
            raise DataError(
                "episode: `object_poses` does not fit the data contract",
                expected=f"(T, {len(names)}, 7) for {names}" if names else "none, as meta has no object_names",
                found=None if poses is None else np.shape(poses),
            )  # fmt: skip

    def _trim(self, episodes: int) -> None:
        """Keep that many episodes, and none of the rows that a kill in the middle of `add` left behind them."""
        frames = int(self._file[keys.EPISODE_ENDS][episodes - 1]) if episodes else 0
        for name in set(self._file) - {BATCHES}:
            self._file[name].resize(frames if name in FRAME_FIELDS | OPTIONAL_FIELDS else episodes, axis=0)


def _no_episodes(meta: dict) -> dict:
    """The arrays of a dataset without episodes."""
    fields = FRAME_FIELDS | EPISODE_FIELDS | {keys.EPISODE_ENDS: ((), np.int64)}
    if names := object_names(meta):
        fields |= {keys.OBJECT_POSES: ((len(names), 7), np.float32)}
    return {name: np.zeros((0, *shape), dtype) for name, (shape, dtype) in fields.items()}
