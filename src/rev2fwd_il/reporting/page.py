"""The report of a run: metrics as JSON and CSV, figures, and one HTML page that opens offline.

`write_report` shows whatever a run has left, so that a run that failed is reported as well. Figures are embedded in
the page; videos stay where the evaluation put them and are linked by relative paths.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from rev2fwd_il.errors import DataError
from rev2fwd_il.reporting import formats
from rev2fwd_il.reporting.data_highlights import NAMES as HIGHLIGHTS
from rev2fwd_il.reporting.figure_style import write_csv
from rev2fwd_il.reporting.gathering import gather
from rev2fwd_il.reporting.headline import headline
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.sections import SECTIONS, practice
from rev2fwd_il.reporting.selection import EVERYTHING, Selection
from rev2fwd_il.reporting.summary import summary_text

COLUMNS = [
    "arm", "task", "iteration", "n", "successes", "distance_threshold_m", "rate", "wilson_lo", "wilson_hi",
    "clopper_pearson_lo", "clopper_pearson_hi", "rate_at_0.05_m", "mcnemar_p_vs_previous",
    "mcnemar_p_vs_with_rollouts", "mean_consecutive",
]  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A section as the page shows it: anchor, title, HTML."""

    key: str
    title: str
    body: Markup


def write_report(
    name: str, data_dir: str | Path, runs_dir: str | Path, out_dir: str | Path, selection: Selection = EVERYTHING
) -> Report:
    """Write metrics.json, metrics.csv, the figures, each with its numbers, index.html and summary.txt to `out_dir`."""
    report = Report(gather(name, data_dir, runs_dir, selection), Path(out_dir))
    try:
        write_csv(report.out_dir / "metrics.csv", report.results.rows(), COLUMNS)
        page = render(report)
        _remove_figures_of_earlier_reports(report)
        (report.out_dir / "metrics.json").write_text(json.dumps(report.results.to_dict(), indent=1) + "\n")
        (report.out_dir / "index.html").write_text(page)
        (report.out_dir / "summary.txt").write_text(summary_text(report))
    except OSError as error:
        raise DataError(f"{out_dir}: the report could not be written", found=error, do="free space") from None
    return report


def render(report: Report) -> str:
    """The HTML page; draws the figures on the way."""
    environment = make_environment(report.out_dir)
    environment.globals["results"] = report.results
    sections = []
    for key, section in SECTIONS.items():
        if (content := section.content(report)) is not None:
            body = environment.get_template(f"sections/{key}.html").render(shown=content)
            sections.append(Shown(key, section.TITLE, Markup(body)))
    return environment.get_template("report.html").render(
        head=headline(report.results), sections=sections, empty=not sections
    )


def make_environment(out_dir: Path) -> jinja2.Environment:
    """Templates with the filters that they use, for a page in `out_dir`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rev2fwd_il.reporting"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,
    )  # fmt: skip
    environment.filters |= {
        "percent": formats.percent, "percent_interval": formats.percent_interval, "number": formats.number,
        "length_m": formats.length, "embed": embed,
    }  # fmt: skip
    environment.globals["relative"] = lambda path: Path(os.path.relpath(path, out_dir)).as_posix()
    return environment


def _remove_figures_of_earlier_reports(report: Report) -> None:
    drawn = {figure.png.stem for figure in report.figures}
    for stem in {*HIGHLIGHTS, practice.STEM} - drawn:
        for suffix in (".png", ".csv"):
            (report.out_dir / f"{stem}{suffix}").unlink(missing_ok=True)


def embed(path: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
