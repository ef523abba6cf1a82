"""Frames of a camera out of a LeRobot dataset's video files, in the order of the episodes."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np


class VideoFrames:
    """Decodes each file once, from its beginning; an episode that is not next in its file makes it start again."""

    def __init__(self):
        self._path: Path | None = None
        self._frames: Iterator[np.ndarray] = iter(())
        self._position = 0

    def take(self, root: Path, info: dict, row: dict, key: str) -> np.ndarray:
        """(T, H, W, 3) uint8 of the episode that `row` of LeRobot's episode table describes."""
        place = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        path = root / info["video_path"].format(video_key=key, **place)
        first = round(row[f"videos/{key}/from_timestamp"] * info["fps"])
        if path != self._path or first < self._position:
            self._path, self._frames, self._position = path, _decode(path), 0
        wanted = islice(self._frames, first - self._position, first - self._position + row["length"])
        frames = list(wanted)
        if len(frames) != row["length"]:
            raise ValueError(f"{path.name} has {len(frames)} of the {row['length']} frames of an episode")
        self._position = first + row["length"]
        return np.stack(frames)


def _decode(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
