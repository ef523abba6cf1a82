"""Practice: how long the policies go on without intervention where a failure is followed by the next attempt."""

from rev2fwd_il.reporting import figure_data, metric_figures
from rev2fwd_il.reporting.formats import number, number_interval, percent, words
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.tables import Table

TITLE, STEM = "Practice without intervention", "practice"
COLUMNS = [
    "policies of", "attempts", "hours", "interventions", "per 1,000 attempts, 95 %", "attempts between",
    "runs of failures that end without intervention",
    "at the next attempt", "within two", "successes an hour", "failures",
]  # fmt: skip
CAPTION = "Interventions per 1,000 attempts, with exact 95 % intervals (Poisson); open: none, drawn at the upper bound."


def content(report: Report) -> dict | None:
    results = report.results
    tests = list(results.practice())
    if not tests:
        return None
    table = Table("Chains that go on after failures", COLUMNS, [], text={COLUMNS[-1]})
    for test, n, practice in tests:
        name = f"iteration {n}" + (", long chains" if test == "long chains" else "")
        table.rows.append([name, *_cells(practice)])
    figure = report.figure(STEM, metric_figures.practice(results), CAPTION, figure_data.practice(results))
    return {"table": table, "figure": figure, "videos": results.recovery_videos}


def _cells(practice: dict) -> list:
    rate, runs = practice["interventions_per_1000_attempts"], practice["runs_of_failures"]
    between = practice["attempts_between_interventions"]
    shares = [runs[name] for name in ("without_intervention", "at_the_next_attempt", "within_two_attempts")]
    return [
        str(practice["attempts"]),
        number(practice["simulated_hours"]),
        str(practice["interventions"]),
        f"{number(rate['rate'])} ({number_interval(rate['poisson_95'])})",
        f"{number(between['mean'])} (at least {number(between['poisson_95'][0])})",
        *map(_share, shares),
        number(practice["successes_per_hour"]),
        [f"{words(kind)}: {count}" for kind, count in practice["failures"].items()],
    ]


def _share(rate: dict) -> str:
    return f"{rate['successes']} / {rate['attempts']} ({percent(rate['rate'], rate['wilson_95'])})"
