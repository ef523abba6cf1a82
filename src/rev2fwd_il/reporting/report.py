"""What a section of the report draws on: what was gathered, and where its figures and their numbers go."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from rev2fwd_il.reporting.figure_style import save_with_numbers
from rev2fwd_il.reporting.results import Results


@dataclass(frozen=True)
class FigureFile:
    """A figure as it was written, with its numbers as CSV beside it where it has any."""

    png: Path
    csv: Path | None
    caption: str


@dataclass
class Report:
    """Results, and the folder that the page lies in."""

    results: Results
    out_dir: Path
    figures: list[FigureFile] = field(default_factory=list)

    def figure(self, stem: str, figure: Figure, caption: str, rows: Iterable[dict]) -> FigureFile:
        """Write a figure as `stem`.png and its numbers as `stem`.csv."""
        self.figures.append(FigureFile(*save_with_numbers(figure, self.out_dir / f"{stem}.png", rows), caption))
        return self.figures[-1]

    def relative(self, path: Path) -> str:
        """Path as the page links to it."""
        return Path(os.path.relpath(path, self.out_dir)).as_posix()

    def weight(self) -> int:
        """Bytes of the page, once it is written, with the videos that it shows."""
        return sum(path.stat().st_size for path in (self.out_dir / "index.html", *self.videos()))

    def videos(self) -> list[Path]:
        """Every video that the page shows."""
        tests = (paths for by_iteration in self.results.videos.values() for paths in by_iteration.values())
        chains = (*self.results.chain_videos.values(), *self.results.recovery_videos.values())
        return [*chains, *(path for paths in tests for path in paths)]
