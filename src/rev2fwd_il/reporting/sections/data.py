"""What the policies were trained on: demonstrations, reversals, replays, and the inspection of both datasets."""

from pathlib import Path

from rev2fwd_il.reporting.data_highlights import data_highlights
from rev2fwd_il.reporting.formats import words
from rev2fwd_il.reporting.report import FigureFile, Report

TITLE = "Data"


def content(report: Report) -> dict | None:
    results = report.results
    figures = [report.figure(*highlight) for highlight in data_highlights(results)]
    inspections = [
        {
            "task": task,
            "stats": stats,
            "figures": [_found(path) for path in results.inspection_figures.get(task, [])],
            "recording": results.recordings.get(task),
        }
        for task, stats in results.inspection.items()
    ]
    if not (results.demos or results.replay or figures or inspections):
        return None
    return {"demos": results.demos, "replay": results.replay, "figures": figures, "inspections": inspections}


def _found(path: Path) -> FigureFile:
    """A figure that the inspection wrote."""
    numbers = path.with_suffix(".csv")
    return FigureFile(path, numbers if numbers.is_file() else None, words(path.stem).capitalize())
