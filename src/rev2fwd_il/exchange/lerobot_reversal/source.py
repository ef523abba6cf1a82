"""A LeRobot dataset v3 of any maker, read from its files one episode at a time, and checked while it is read.

    source = open_source(Path("data/theirs"))
    for episode, table in enumerate(source.tables(["action", "observation.state"])): ...   # Arrow, T rows each

What LeRobot would meet with in training is an error here: frames that are missing, frames at another rate.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.lerobot_files import DAMAGED, inside, rows

VERSION = "v3."
BATCH_ROWS = 256
TIMESTAMP_TOLERANCE = 0.1  # of a frame
CHECKED = ("frame_index", "episode_index", "timestamp", "task_index")


@dataclass(frozen=True)
class LeRobotSource:
    """An opened dataset; `episodes` are the rows of LeRobot's episode table, without statistics."""

    root: Path
    info: dict
    episodes: list[dict]
    tasks: dict[int, str]

    @property
    def fps(self) -> int:
        return self.info["fps"]

    @property
    def features(self) -> dict[str, dict]:
        return self.info["features"]

    def keys_of(self, dtype: str) -> list[str]:
        """Features of that type: "image", "video"."""
        return [key for key, feature in self.features.items() if feature["dtype"] == dtype]

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The frames of each episode in order, of these columns or of all. Raises DataError where some are missing."""
        wanted = None if columns is None else [*columns, *(name for name in CHECKED if name not in columns)]
        reader = _FileReader(self, wanted)
        for row in self.episodes:
            try:
                table = reader.take(row)
            except DAMAGED as error:
                raise DataError(f"{self.root}: cannot be read", found=repr(error), do="get the dataset again") from None
            self._check(row, table)
            yield table

    def _check(self, row: dict, table: pa.Table) -> None:
        episode, frames = row["episode_index"], np.arange(row["length"])
        numbers, times = table["frame_index"].to_numpy(), table["timestamp"].to_numpy()
        if set(table["episode_index"].to_pylist()) != {episode} or not np.array_equal(numbers, frames):
            same = np.arange(min(len(numbers), len(frames)))
            gap = next((t for t in same if numbers[t] != t), len(same))
            raise DataError(
                f"{self.root}: episode {episode} lacks frames", expected=f"frames 0 to {row['length'] - 1}",
                found=f"{len(numbers)} frames; number {gap} is not there in its place",
                do="delete the episode with lerobot-edit-dataset, or get the dataset again",
            )  # fmt: skip
        late = np.flatnonzero(np.abs(times - frames / self.fps) > TIMESTAMP_TOLERANCE / self.fps)
        if len(late):
            raise DataError(
                f"{self.root}: episode {episode} was not recorded at the dataset's {self.fps} frames a second",
                expected=f"frame {late[0]} at {late[0] / self.fps:.3f} s", found=f"{times[late[0]]:.3f} s",
                do="resample it to one rate first",
            )  # fmt: skip


class _FileReader:
    """Walks through the data files, which hold the episodes in order, in batches of rows."""

    def __init__(self, source: LeRobotSource, columns: list[str] | None):
        self._source, self._columns = source, columns
        self._path: Path | None = None
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._rest: pa.Table | None = None

    def take(self, row: dict) -> pa.Table:
        """As many of the next rows of the episode's file as the episode has."""
        place = {name: row[f"data/{name}"] for name in ("chunk_index", "file_index")}
        path = inside(self._source.root, self._source.info["data_path"].format(**place))
        if path != self._path:
            file = pq.ParquetFile(path)
            stored = [key for key, feature in self._source.features.items() if feature["dtype"] != "video"]
            if missing := set(stored) - set(file.schema_arrow.names):
                raise ValueError(f"{path.name} has no column {', '.join(sorted(missing))}")
            self._path, self._rest = path, None
            self._batches = file.iter_batches(BATCH_ROWS, columns=self._columns)
        parts = [] if self._rest is None else [self._rest]
        while sum(map(len, parts)) < row["length"] and (batch := next(self._batches, None)) is not None:
            parts.append(pa.Table.from_batches([batch]))
        whole = pa.concat_tables(parts) if parts else pa.table({name: pa.array([], pa.int64()) for name in CHECKED})
        self._rest = whole.slice(row["length"])
        return whole.slice(0, row["length"])


def open_source(root: Path) -> LeRobotSource:
    """Raises DataError unless `root` is a complete LeRobot dataset of a version that is read here."""
    if not (root / "meta/info.json").is_file():
        raise DataError(f"{root}: not a LeRobot dataset", expected="a folder with meta/info.json", found="none")
    try:
        info = json.loads(inside(root, "meta/info.json").read_text())
        version = str(info["codebase_version"])
        if not version.startswith(VERSION):
            raise DataError(
                f"{root}: a LeRobot dataset of another version", expected=f"{VERSION}0", found=version,
                do="convert it: python -m lerobot.scripts.convert_dataset_v21_to_v30 --help",
            )  # fmt: skip
        episodes = rows(root, "meta/episodes")
        tasks = {int(row["task_index"]): _text(row) for row in rows(root, "meta/tasks.parquet")}
        lengths, numbers = [int(row["length"]) for row in episodes], [row["episode_index"] for row in episodes]
        _check_features(info["features"])
        expected, found = (info["total_episodes"], info["total_frames"]), (len(lengths), sum(lengths))
        if not info["fps"] > 0:
            raise ValueError(f"fps is {info['fps']}")
    except DAMAGED as error:
        raise DataError(f"{root}: a damaged LeRobot dataset", found=repr(error), do="get the dataset again") from None
    if numbers != list(range(len(numbers))) or expected != found or min(lengths, default=0) < 1:
        raise DataError(
            f"{root}: its table of episodes does not hold what meta/info.json says",
            expected="{} episodes, {} frames".format(*expected), found="{} episodes, {} frames".format(*found),
            do="get the dataset again",
        )  # fmt: skip
    return LeRobotSource(root, info, episodes, tasks)


def _text(row: dict) -> str:
    """A task's text: LeRobot keeps it as pandas' index."""
    return str(next(value for name, value in row.items() if name != "task_index"))


def _check_features(features: dict) -> None:
    for key, feature in features.items():
        if not isinstance(feature["dtype"], str) or not all(int(size) > 0 for size in feature["shape"]):
            raise ValueError(f"feature {key} is {feature}")
