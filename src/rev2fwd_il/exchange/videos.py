"""Frames of a camera out of a LeRobot dataset's video files: in the order of the episodes, or an episode backward."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np

from rev2fwd_il.exchange.lerobot_files import inside

RATE_TOLERANCE = 0.01
BLOCK_FRAMES = 64  # decoded at a time where frames are read backward


class VideoFrames:
    """Decodes each file once, from its beginning; an episode that is not next in its file makes it start again."""

    def __init__(self):
        self._path: Path | None = None
        self._frames: Iterator[np.ndarray] = iter(())
        self._position = 0

    def take(self, root: Path, info: dict, row: dict, key: str) -> np.ndarray:
        """(T, H, W, 3) uint8 of the episode that `row` of LeRobot's episode table describes."""
        place = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        path = inside(root, info["video_path"].format(video_key=key, **place))
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


def frames_backward(root: Path, info: dict, row: dict, key: str) -> Iterator[av.VideoFrame]:
    """The frames of the episode that `row` describes, the last one first, a block in memory at a time.

    Raises ValueError where the video runs at another rate than the dataset, or lacks frames, as PyAV where it does not
    decode.
    """
    place = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
    path, fps = inside(root, info["video_path"].format(video_key=key, **place)), info["fps"]
    first = round(row[f"videos/{key}/from_timestamp"] * fps)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.base_rate
        if abs(float(rate) / fps - 1) > RATE_TOLERANCE:
            raise ValueError(f"{path.name} has {float(rate):g} frames a second, the dataset {fps}")
        for end in range(first + row["length"], first, -BLOCK_FRAMES):
            wanted = range(max(first, end - BLOCK_FRAMES), end)
            found = _between(container, stream, wanted, fps)
            if list(found) != list(wanted):
                lacking = len(set(wanted) - set(found))
                raise ValueError(f"{path.name} lacks {lacking} of the frames {wanted[0]} to {wanted[-1]} of an episode")
            yield from reversed(found.values())


def _between(container, stream, wanted: range, fps: float) -> dict[int, av.VideoFrame]:
    """Frames by their number in the file, decoded from the last key frame before them on."""
    container.seek(round(wanted[0] / fps / stream.time_base) - 1, backward=True, any_frame=False, stream=stream)
    found = {}
    for frame in container.decode(stream):
        number = round(float(frame.pts * stream.time_base) * fps)
        if number in wanted:
            found[number] = frame
        if number >= wanted[-1]:
            break
    return found
