"""Statistics of a LeRobot dataset, computed anew from its rows, and compared with those that it states.

LeRobot's tools leave some behind that are not the data's: a merge aggregates those of its parts, in which frames and
episodes had other numbers; splitting and deleting keep them too; a part whose own were wrong passes them on. Training
normalises by them.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from lerobot.datasets.compute_stats import aggregate_stats, compute_episode_stats
from lerobot.datasets.io_utils import load_info, load_stats, write_stats
from lerobot.datasets.utils import STATS_PATH

from rev2fwd_il.errors import DataError
from rev2fwd_il.learning.table_files import sort_stats
from rev2fwd_il.running.files import put_in_place, temporary_beside

COMPARED = (
    "min",
    "max",
    "mean",
    "std",
    "count",
)  # quantiles are averages over episodes, which may be merged in any order
TOLERANCE = 1e-3  # relative to the range
NOT_NUMBERS = ("image", "video", "string", "language")


def recomputed_stats(root: Path) -> dict:
    """{feature: {min, max, mean, std, count, quantiles}} of the features of numbers, an episode in memory at a time."""
    features = {key: f for key, f in load_info(root).features.items() if f["dtype"] not in NOT_NUMBERS}
    stats = [compute_episode_stats(episode, features) for episode in _episodes(root, features)]
    return aggregate_stats(stats)


def stale_features(root: Path) -> dict[str, str]:
    """Feature -> what is wrong with its statistics, for those that are not the data's."""
    stated, found = load_stats(root) or {}, {}
    for key, stats in sorted(recomputed_stats(root).items()):
        if wrong := [name for name in COMPARED if not _agree(stated.get(key, {}).get(name), stats[name], stats)]:
            name = wrong[0]
            stated_value = stated.get(key, {}).get(name)
            found[key] = f"{name} is {_short(stated_value)}, of the data it is {_short(stats[name])}"
    return found


def rewrite_stats(root: Path) -> list[str]:
    """Replace what is stale in meta/stats.json; images' statistics stay. Returns the features."""
    stale = stale_features(root)
    if stale:
        try:
            kept, path = load_stats(root) or {}, root / STATS_PATH
            folder = temporary_beside(path)
            (folder / STATS_PATH).parent.mkdir(parents=True)
            write_stats(kept | recomputed_stats(root), folder)
            sort_stats(folder)
            put_in_place(folder / STATS_PATH, path)
        except OSError as error:
            raise DataError(f"{root}: statistics could not be written", found=error, do="fix permissions") from None
    return sorted(stale)


def _episodes(root: Path, features: dict) -> Iterator[dict[str, np.ndarray]]:
    for file in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(file, columns=list(features))
        numbers = table["episode_index"].to_numpy()
        for start, end in _runs(numbers):
            part = table.slice(start, end - start)
            yield {key: np.array(part[key].to_pylist(), dtype=feature["dtype"]) for key, feature in features.items()}


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of equal neighbours."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _agree(stated, value: np.ndarray, stats: dict) -> bool:
    if stated is None or np.shape(stated) != np.shape(value):
        return False
    span = np.maximum(np.asarray(stats["max"], float) - np.asarray(stats["min"], float), 1e-6)
    span = 1.0 if np.shape(span) != np.shape(value) else span
    return bool((np.abs(np.asarray(stated, float) - value) <= TOLERANCE * span).all())


def _short(value) -> str:
    return "missing" if value is None else np.array2string(np.asarray(value, float).ravel()[:4], precision=4)
