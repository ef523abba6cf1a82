"""What an importer gives: meta and episodes, read one at a time, checked against the digest that travelled along."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.schema import FRAME_FIELDS, IMAGE_FIELDS, OBJECT_FIELDS, Episode
from rev2fwd_il.errors import DataError

DIGEST, META = "rev2fwd_sha256", "rev2fwd_meta"


class ContentDigest:
    """SHA-256 of a meta and of the episodes added to it; `images=False` where the target cannot hold them exactly.

    The meta of a file that was exported under schema version 1 stands for the fields of that version.
    """

    def __init__(self, meta: dict, *, images: bool = True):
        self._names = [*FRAME_FIELDS, *(IMAGE_FIELDS if images else ()), keys.TARGET_XY]
        if meta.get("schema_version") != 1:
            self._names += [*OBJECT_FIELDS, keys.TARGET_POSE]
        self._hash = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())

    def add(self, episode: Episode) -> None:
        for name in self._names:
            value = getattr(episode, name)
            if value is not None:
                value = np.ascontiguousarray(value)
                self._hash.update(f"{name} {value.shape} {value.dtype.str} ".encode())
                self._hash.update(value)
        self._hash.update(str(bool(episode.success)).encode())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass
class Imported:
    """A dataset in another format, opened; `notes` say what was assumed or left out."""

    path: Path
    meta: dict
    episodes: Iterable[Episode]
    notes: list[str] = field(default_factory=list)
    digest: str | None = None  # None: of another maker, nothing to compare with
    digest_has_images: bool = True

    def __iter__(self) -> Iterator[Episode]:
        found = ContentDigest(self.meta, images=self.digest_has_images)
        for episode in self.episodes:
            found.add(episode)
            yield episode
        if self.digest is not None and found.hexdigest() != self.digest:
            raise DataError(
                f"{self.path}: the content is not what was exported", expected=f"SHA-256 {self.digest}",
                found=found.hexdigest(), do="get the file again; to import changed data, remove its digest",
            )  # fmt: skip


def with_task(meta: dict, task: str | None) -> dict:
    """`meta` with the task given by hand, if any."""
    return meta if task is None else meta | {"task": task}
