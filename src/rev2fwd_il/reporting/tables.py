"""Tables of the report, as plain values; templates/parts.html shows them, on a phone as one block a row."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Link:
    """Text that leads to a file of the run."""

    text: str
    path: Path


Cell = str | Link | list["str | Link"]  # a list is shown in one cell, its parts behind each other


@dataclass
class Table:
    """`rows` under `columns`; the first column names its row. `text` are columns of words, which may break lines."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    text: set[str] = field(default_factory=set)

    def __post_init__(self):
        assert all(len(row) == len(self.columns) for row in self.rows), f"{self.caption}: rows of {self.columns}"
