"""Files of a LeRobot dataset folder, for those who read it without LeRobot."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

DAMAGED = (  # what a damaged file may cause
    *(OSError, KeyError, ValueError, TypeError, pa.ArrowException, RecursionError),
    *(IndexError, MemoryError, AttributeError),
)


def inside(root: Path, relative: str | Path) -> Path:
    """A file of the dataset folder. Raises ValueError where the name, or a link on the way, leads out of it."""
    path = root / relative
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{relative} leads out of the dataset's folder")
    return path


def rows(root: Path, name: str) -> list[dict]:
    """Rows of one Parquet file of the dataset, or of all in a folder of it, without the statistics."""
    place = root / name
    found = []
    for file in sorted(place.rglob("*.parquet")) if place.is_dir() else [place]:
        file = inside(root, file.relative_to(root))
        wanted = [name for name in pq.read_schema(file).names if not name.startswith("stats/")]
        found += pq.read_table(file, columns=wanted).to_pylist()
    return sorted(found, key=lambda row: row.get("episode_index", 0))
