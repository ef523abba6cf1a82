"""What several training seeds amount to: summary.csv, summary.json, runs.csv, a figure and a page.

`write_summary(name, runs, out_dir)`; every interval here is over training runs, none over episodes.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rev2fwd_il import keys
from rev2fwd_il.errors import DataError
from rev2fwd_il.method.statistics import MIN_BOOTSTRAP_RUNS
from rev2fwd_il.reporting import formats
from rev2fwd_il.reporting.figure_style import label_iterations, save_with_numbers, write_csv
from rev2fwd_il.reporting.metric_figures import ARM_LABEL, ARM_STYLE, TASK_STYLE
from rev2fwd_il.reporting.page import make_environment
from rev2fwd_il.reporting.report import FigureFile
from rev2fwd_il.reporting.runs import CHOSEN, RATE, Run, long_rows, paired, summarize
from rev2fwd_il.reporting.tables import Table

COLUMNS = [
    "arm", "task", "iteration", "measure", "against", "runs", "mean", "sd", "lo_95", "hi_95", "method",
    "bootstrap_lo_95", "bootstrap_hi_95", "lowest", "highest", "higher_in", "values", "seeds",
]  # fmt: skip


def write_summary(name: str, runs: list[Run], reports: list[Path], out_dir: Path) -> dict:
    """Write the summary of `runs`, whose pages lie beside `reports`, to `out_dir`; returns what is in summary.json."""
    rows = long_rows(runs)
    rates, differences = summarize(rows), paired(rows)
    summary = {"name": name, "runs": [run.name for run in runs], "over_seeds": rates, "differences": differences}
    summary["says"] = explain(len(runs))
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        table = [flat(row) for row in (*rates, *differences)]
        write_csv(out_dir / "runs.csv", rows, None if rows else ["run"])
        write_csv(out_dir / "summary.csv", [{key: row.get(key) for key in COLUMNS} for row in table], COLUMNS)
        (out_dir / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        shown = [row for row in table if row["measure"] == RATE and row.get("against") is None]
        files = save_with_numbers(success_over_seeds(rows, rates), out_dir / "success_over_seeds.png", shown)
        curve = FigureFile(*files, "Success against iteration: mean and 95 % interval over runs; thin: single runs.")
        pages = {run.name: report.parent / "index.html" for run, report in zip(runs, reports)}
        template = make_environment(out_dir).get_template("seeds.html")
        page = template.render(
            summary=summary, curve=curve, pages=pages, means=_means(rates), differences=_differences(differences)
        )
        (out_dir / "index.html").write_text(page)
    except OSError as error:
        raise DataError(f"{out_dir}: the summary could not be written", found=error, do="free space") from None
    return summary


def explain(count: int) -> list[str]:
    """What may be claimed of `count` runs, in sentences."""
    out = [
        "What is claimed of the method rests on training runs: each run counts once, and intervals are over runs.",
        "What is claimed of one checkpoint rests on its episodes: see the run's own report, whose intervals are over "
        "episodes and say nothing of another seed.",
    ]
    if count < 2:
        return [*out, "One run says nothing of the spread between runs: no interval is given."]
    if count < MIN_BOOTSTRAP_RUNS:
        out.append(
            f"{count} runs are few: intervals are Student's t, which supposes that runs scatter normally. A bootstrap "
            f"of {count} values is too narrow, and stands in the tables for comparison only."
        )
    return out


def flat(row: dict) -> dict:
    """A row of a summary with single numbers only."""
    intervals = {"": "interval_95", "bootstrap_": "bootstrap_95"}
    out = {key: value for key, value in row.items() if not isinstance(value, list) and key not in intervals.values()}
    for name, key in intervals.items():
        out[f"{name}lo_95"], out[f"{name}hi_95"] = row[key] or (None, None)
    values = row["values"]
    joined = {"values": " ".join(f"{value:.6g}" for value in values), "seeds": " ".join(map(str, row["seeds"]))}
    return out | {"lowest": min(values, default=None), "highest": max(values, default=None)} | joined


def success_over_seeds(rows: list[dict], summary: list[dict]) -> Figure:
    """Success rate against iteration, a panel a task: mean with its interval over runs, and each run as a thin line."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
    for axis, task in zip(axes, keys.TASKS):
        for place, (arm, style) in enumerate(ARM_STYLE.items()):
            known = [row for row in summary if _is(row, arm, task) and row["iteration"] != CHOSEN]
            if not known:
                continue
            x = np.array([row["iteration"] for row in known]) + 0.06 * (place - 1)
            mean = np.array([row["mean"] for row in known])
            bounds = np.array([row["interval_95"] or [row["mean"]] * 2 for row in known])
            line = axis.errorbar(
                x, mean, np.abs(bounds.T - mean), capsize=4, lw=1.8, ms=7, **(TASK_STYLE[task] | style),
                label=f"{ARM_LABEL[arm] or 'with rollouts, '}mean of {max(row['runs'] for row in known)} runs",
            )  # fmt: skip
            for run in dict.fromkeys(row["run"] for row in rows):
                points = [(row["iteration"], row["value"]) for row in rows if row["run"] == run and _is(row, arm, task)]
                axis.plot(*zip(*points), color=line[0].get_color(), lw=0.6, alpha=0.5, marker=".", ms=3)
        axis.set_title(f"task {task}")
        label_iterations(axis, "iteration of the policy (thin: single runs)")
        axis.yaxis.set_major_formatter(PercentFormatter(1))
        if axis.has_data():
            axis.legend(loc="lower right", frameon=False, fontsize=8)
    axes[0].set(ylabel="success rate, 95 % interval over runs", ylim=(-0.02, 1.02))
    return figure


def _is(row: dict, arm: str, task: str) -> bool:
    return (row["arm"], row["task"], row["measure"]) == (arm, task, RATE)


def _means(rows: list[dict]) -> Table:
    columns = ["arm, task, iteration", "runs", "mean", "95 % over runs", "by", "bootstrap 95 %", "each run"]
    cells = []
    for row in rows:
        what = f"{formats.words(row['arm'])}, {row['task']}, {row['iteration']}"
        rate = row["measure"] == RATE
        value, interval = (
            (formats.percent, formats.percent_interval) if rate else (formats.number, formats.number_interval)
        )
        cells.append([
            what if rate else f"{what}: {row['measure']}", str(row["runs"]), value(row["mean"]),
            interval(row["interval_95"]), row["method"], interval(row["bootstrap_95"]),
            ", ".join(map(value, row["values"])),
        ])  # fmt: skip
    return Table("Means over training runs", columns, cells, {"by", "each run"})


def _differences(rows: list[dict]) -> Table:
    columns = ["task, iteration", "against", "runs", "mean", "95 % over runs", "by", "higher in", "each run"]
    cells = [
        [
            f"{row['task']}, {row['iteration']}", formats.words(row["against"]), str(row["runs"]),
            formats.points(row["mean"], row["interval_95"]), formats.points_interval(row["interval_95"]), row["method"],
            f"{row['higher_in']} of {row['runs']}", ", ".join(f"{100 * value:+.1f}" for value in row["values"]),
        ]
        for row in rows
    ]  # fmt: skip
    return Table("Differences of success rates", columns, cells, {"against", "by", "each run"})
