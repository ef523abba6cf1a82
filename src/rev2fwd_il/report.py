"""The report of a run: metrics as JSON and CSV, pictures, and one HTML page that opens offline.

`write_report` shows whatever a run has left, so that a run that failed is reported as well. Pictures are embedded in
the page; films stay where the evaluation put them and are linked by relative paths.
"""

import base64
import csv
import json
import os
from collections import Counter
from pathlib import Path

import jinja2

from rev2fwd_il import report_plots
from rev2fwd_il.errors import DataError
from rev2fwd_il.plots import save
from rev2fwd_il.report_data import data_figures
from rev2fwd_il.results import Results, gather

COLUMNS = [
    "arm", "task", "iteration", "n", "successes", "distance_threshold_m", "rate", "wilson_lo", "wilson_hi",
    "clopper_pearson_lo", "clopper_pearson_hi", "rate_at_0.05_m", "mcnemar_p_vs_previous",
    "mcnemar_p_vs_dagger", "mean_consecutive",
]  # fmt: skip
FIGURES = {
    "success_curve": (
        report_plots.success_curve,
        "Success on independent episodes. Every iteration meets the same seeded starts.",
    ),
    "chains": (
        report_plots.chains,
        "Alternating test: A and B in turn without reset, until a chain's first failure.",
    ),
    "failures": (report_plots.failures, "What went wrong in the failed evaluation episodes."),
}


def write_report(name: str, data_dir: str | Path, runs_dir: str | Path, out_dir: str | Path) -> Results:
    """Write metrics.json, metrics.csv, the pictures and index.html to `out_dir`; returns what was gathered."""
    results, out_dir = gather(name, data_dir, runs_dir), Path(out_dir)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with open(out_dir / "metrics.csv", "w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(results.rows())
        figures = [(save(draw(results), out_dir / f"{stem}.png"), caption) for stem, (draw, caption) in FIGURES.items()]
        pictures = [
            (save(figure, out_dir / f"{stem}.png"), caption)
            for stem, figure, caption in data_figures(results, Path(data_dir))
        ]
        (out_dir / "metrics.json").write_text(json.dumps(results.to_dict(), indent=1) + "\n")
        (out_dir / "index.html").write_text(render(results, out_dir, figures, pictures))
    except OSError as error:
        raise DataError(f"{out_dir}: the report could not be written", found=error, do="free space") from None
    return results


def render(results: Results, out_dir: Path, figures: list[tuple], pictures: list[tuple]) -> str:
    """The HTML page, for `out_dir`; `figures` of results and `pictures` of data are (PNG file, caption)."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rev2fwd_il"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,
    )  # fmt: skip
    environment.filters |= {"percent": percent, "number": number, "embed": embed}
    environment.globals["relative"] = lambda path: Path(os.path.relpath(path, out_dir)).as_posix()
    tests = [("policies of iteration", n - 1, metrics) for n, metrics in results.alternating.items()]
    tests += [("the last policies, iteration", n, metrics) for n, metrics in results.long_chains.items()]
    tests = [
        (f"{label} {n}", metrics, Counter(chain.get("ended_by", "unknown") for chain in metrics.get("chains") or []))
        for label, n, metrics in tests
    ]
    kinds = sorted({kind for *_, metrics in results.tests() for kind in metrics.get("failures") or {}})
    page = environment.get_template("report.html")
    return page.render(
        results=results, rows=results.rows(), figures=figures, pictures=pictures, tests=tests, kinds=kinds
    )


def embed(path: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def percent(value: float | None) -> str:
    """0.123 -> "12.3 %"; a dash for None."""
    return f"{100 * value:.1f} %" if isinstance(value, int | float) else "–"


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits; a dash for None."""
    return f"{value:.{digits}g}" if isinstance(value, int | float) else "–"
