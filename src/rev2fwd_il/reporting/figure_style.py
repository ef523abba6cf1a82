"""How figures look and are saved: backend, colours, axes that several of them share.

Readable in grey: lines differ in style and markers as well as in colour. Lengths in m, times in s.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

DARK, MIDDLE, LIGHT = "#12355b", "#d1495b", "#8fb8a8"
GOAL, TARGET = "#2a9d4a", "#d03b3b"  # as the markers in the scene
DPI = 110
plt.rcParams.update({"axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})
plt.rcParams.update({"svg.hashsalt": "rev2fwd"})  # names inside an SVG: the same in every process


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as PNG and close it. No date inside: the same figure gives the same bytes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return path


def save_vector(figure: Figure, stem: Path, title: str, origin: list[str]) -> tuple[Path, Path]:
    """Write the figure as `stem`.pdf and `stem`.svg and close it; `origin` stands in the metadata of both. No date."""
    pdf, svg = stem.with_suffix(".pdf"), stem.with_suffix(".svg")
    about = "\n".join(origin)
    figure.savefig(pdf, metadata={"Title": title, "Subject": about, "CreationDate": None})
    figure.savefig(svg, metadata={"Title": title, "Description": about, "Date": None})
    plt.close(figure)
    return pdf, svg


def save_with_numbers(figure: Figure, path: Path, rows: Iterable[dict]) -> tuple[Path, Path]:
    """Write the figure, and its numbers as CSV beside it."""
    return save(figure, path), write_csv(path.with_suffix(".csv"), rows)


def write_csv(path: Path, rows: Iterable[dict], columns: list[str] | None = None) -> Path:
    """One line a row, under the names of `columns` or of the first row; an empty file for no rows."""
    rows = list(rows)
    columns = columns or (list(rows[0]) if rows else [])
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        if columns:
            table.writeheader()
        table.writerows(rows)
    return path


def label_table(axis, title: str) -> None:
    """Label a plan view: x to the right, y up, equal scales, the legend below."""
    axis.set(xlabel="x, away from the robot [m]", ylabel="y, to the robot's left [m]", title=title)
    axis.set_aspect("equal", adjustable="datalim")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False, ncols=3, fontsize=8)


def label_iterations(axis, label: str) -> None:
    """Whole numbers along x; says so where there is nothing to see."""
    axis.set_xlabel(label)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.margins(0.1)
    if not axis.has_data():
        axis.text(0.5, 0.5, "no results", transform=axis.transAxes, ha="center", color="0.4")
