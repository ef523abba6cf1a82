"""Success on independent episodes: the curve, one row an iteration, and whether an iteration changed anything."""

from rev2fwd_il import keys
from rev2fwd_il.reporting import figure_data, metric_figures
from rev2fwd_il.reporting.formats import length, p_value, percent, percent_interval, words
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.selection import METHOD
from rev2fwd_il.reporting.tables import Table

TITLE = "Success rates"
COLUMNS = ["policy", "successes", "rate, 95 % interval", "within 5 cm", "against the iteration before"]
CAPTION = "Success on independent episodes. Every iteration meets the same seeded starts."


def content(report: Report) -> dict | None:
    results = report.results
    figure = report.figure(
        "success_curve", metric_figures.success_curve(results), CAPTION, figure_data.success_curve(results)
    )
    if not results.rows():
        return None
    arms = bool(results.arms)
    table = Table("Success on independent episodes", COLUMNS + [f"against {words(METHOD)}"] * arms, [])
    for (arm, task, n, _), row in zip(results.tests(), results.rows()):
        interval = None if row["wilson_lo"] is None else (row["wilson_lo"], row["wilson_hi"])
        before = results.compare(task, n) if arm == METHOD else None
        cells = [
            f"{task}, iteration {n}" + (f", {words(arm)}" if arm != METHOD else ""),
            f"{row['successes']} / {row['n']}",
            f"{percent(row['rate'], interval)} ({percent_interval(interval)})",
            percent(row["rate_at_0.05_m"], interval),
            change(before),
        ]
        table.rows.append(cells + [change(results.compare_with_method(arm, task, n), flipped=True)] * arms)
    tolerances = {row["distance_threshold_m"] for row in results.rows()} - {None}
    return {
        "table": table,
        "figure": figure,
        "tolerance": " or ".join(length(tolerance) for tolerance in sorted(tolerances)),
        "tasks": [task for task in keys.TASKS if task in results.evaluation],
    }


def change(test: dict | None, *, flipped: bool = False) -> str:
    """A paired test in words: starts gained and lost from its first to its second series, and p.

    `flipped`: from its second to its first.
    """
    if test is None:
        return "–"
    lost, gained = test["only_first"], test["only_second"]
    if flipped:
        lost, gained = gained, lost
    return f"+{gained} −{lost}, p {'' if test['p'] < 0.001 else '= '}{p_value(test['p'])}"
