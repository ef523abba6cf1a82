"""What went wrong, by kind; a count leads to a video of that kind where there is one."""

from pathlib import Path

from rev2fwd_il.reporting import figure_data, metric_figures
from rev2fwd_il.reporting.formats import length, words
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.selection import METHOD
from rev2fwd_il.reporting.tables import Cell, Link, Table

TITLE = "Failures"
CAPTION = "What went wrong in the failed evaluation episodes."


def content(report: Report) -> dict | None:
    results = report.results
    counts = [(arm, task, n, metrics.get("failures") or {}) for arm, task, n, metrics in results.tests()]
    kinds = sorted({kind for *_, failures in counts for kind, count in failures.items() if count})
    figure = report.figure("failures", metric_figures.failures(results), CAPTION, figure_data.failures(results))
    if not counts:
        return None
    columns = ["policy", *map(words, kinds), "median error of successes"]
    table = Table("Failed episodes by kind", columns, [])
    for (arm, task, n, failures), (*_, metrics) in zip(counts, results.tests()):
        videos = results.videos.get(task, {}).get(n, []) if arm == METHOD else []
        cells = [_count(failures.get(kind, 0), kind, videos) for kind in kinds]
        name = f"{task}, iteration {n}" + (f", {words(arm)}" if arm != METHOD else "")
        table.rows.append([name, *cells, length(metrics.get("median_final_error_m"))])
    return {"table": table if kinds else None, "figure": figure}


def _count(count: int, kind: str, videos: list[Path]) -> Cell:
    video = next((path for path in videos if path.name.startswith(f"{kind}_start")), None)
    return Link(f"{count} (video)", video) if count and video else str(count)
