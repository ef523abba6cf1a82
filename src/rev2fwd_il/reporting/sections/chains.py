"""The alternating test: how many cycles in a row, and what ended the chains."""

from rev2fwd_il.reporting import figure_data, metric_figures
from rev2fwd_il.reporting.analysis import count_chain_endings
from rev2fwd_il.reporting.formats import NOTHING, number, number_interval, percent, words
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.tables import Table

TITLE = "Alternating test"
COLUMNS = [
    "policies of", "chains", "mean cycles, 95 %", "median", "longest", "mean without a cap, 95 %", "A", "B",
    "chains ended by",
]  # fmt: skip
CAPTION = "Alternating test: A and B in turn without reset, until a chain's first failure."


def content(report: Report) -> dict | None:
    results = report.results
    figure = report.figure("chains", metric_figures.chains(results), CAPTION, figure_data.chains(results))
    tests = [(f"iteration {n - 1}", metrics) for n, metrics in results.alternating.items()]
    tests += [(f"iteration {n}, long chains", metrics) for n, metrics in results.long_chains.items()]
    if not tests:
        return None
    table = Table("Alternating tests", COLUMNS, [], text={COLUMNS[-1]})
    for name, metrics in tests:
        cycles = metrics.get("consecutive_success") or {}
        mean = f"{number(cycles.get('mean'))} ({number_interval(cycles.get('mean_95'))})"
        longest = f"{number(cycles.get('max'))} of {number(metrics.get('max_cycles'))}"
        endings = [f"{_cause(cause)}: {count}" for cause, count in count_chain_endings(metrics).most_common()]
        cells = [name, str(len(cycles.get("per_chain") or [])), mean, number(cycles.get("median")), longest]
        cells.append(uncapped(metrics.get("chain_length") or {}))
        table.rows.append(cells + [_attempts(metrics.get(task) or {}) for task in "AB"] + [endings])
    return {"table": table, "figure": figure}


def uncapped(estimate: dict) -> str:
    """Mean chain length without a cap: "50 (28 to 100)", "more than 85" where no chain has failed."""
    low, high = estimate.get("geometric_mean_95") or (None, None)
    if estimate.get("geometric_mean") is None or high is None:
        return NOTHING if low is None else f"more than {number(low)}"
    return f"{number(estimate['geometric_mean'])} ({number_interval([low, high])})"


def _attempts(rate: dict) -> str:
    return f"{rate.get('successes')} / {rate.get('attempts')} ({percent(rate.get('rate'), rate.get('wilson_95'))})"


def _cause(cause: str) -> str:
    return "last allowed cycle" if cause == "max_cycles" else words(cause)
