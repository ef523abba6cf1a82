"""Several training runs together: one number a run, their mean, and intervals over runs.

    runs = [read_run(Path("runs/report_circle-seed0/metrics.json"), {"seed": "0"}), ...]
    rows = long_rows(runs)                 one row a run, arm, task, iteration and measure
    summary = summarize(rows)              one row an arm, task, iteration and measure, over seeds
    differences = paired(rows)             the same for differences within a seed

What a run is besides its seed (task, policy, number of demonstrations in a study) are its factors; runs are summarized
over seeds within equal factors only.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rev2fwd_il.errors import DataError
from rev2fwd_il.method.statistics import over_runs
from rev2fwd_il.reporting.selection import METHOD
from rev2fwd_il.running.json_files import read_json

SEED = "seed"
RATE, CYCLES = "success rate", "mean consecutive cycles of the long chains"
YIELD, INTERVENTIONS = "yield of the replay", "interventions in 1000 attempts"
MINUTES, FAILURES = "minutes of computing", "failures: "  # of a kind
SHARES = (RATE, YIELD, FAILURES)  # between 0 and 1
CHOSEN = "chosen"  # in place of an iteration: the one that a run ends with
ITERATION, ARM = "iteration", "arm"


@dataclass(frozen=True)
class Run:
    """One run's metrics.json, as its report wrote it, and what it differs in from the others."""

    name: str
    factors: dict[str, str]  # with the seed
    metrics: dict
    asked_iterations: int | None = None

    @property
    def chosen_iteration(self) -> int | None:
        """The iteration whose policies the run ends with, which one that failed may lack; None if none is known."""
        if self.asked_iterations is not None:
            return self.asked_iterations
        known = [int(n) for tests in self.metrics["evaluation"].values() for n in tests]
        chosen = self.metrics.get("chosen_iteration")
        return max(known, default=None) if chosen is None else chosen


def read_run(path: Path, factors: dict[str, str], asked_iterations: int | None = None) -> Run:
    """Read a report's metrics.json; raises DataError if it is none."""
    metrics = read_json(path)
    if not {"name", "evaluation", "arms", "long_chains"} <= metrics.keys():
        raise DataError(f"{path}: not the metrics.json of a report", expected="runs/report_<name>/metrics.json")
    return Run(metrics["name"], factors, metrics, asked_iterations)


def long_rows(runs: Iterable[Run]) -> list[dict]:
    """A row for each number: run, factors, arm, task, iteration, chosen, measure, value, n (episodes or chains)."""
    rows = []
    for run in runs:
        head = {"run": run.name} | run.factors
        arms = {METHOD: run.metrics["evaluation"]} | run.metrics["arms"]
        for arm, task, n, test in _tests(arms):
            if test.get("rate") is not None:
                where = {ARM: arm, "task": task, ITERATION: n, "chosen": n == run.chosen_iteration}
                rows.append(head | where | {"measure": RATE, "value": test["rate"], "n": test.get("num_episodes")})
        for n, test in sorted((int(n), test) for n, test in run.metrics["long_chains"].items()):
            cycles = test.get("consecutive_success") or {}
            if cycles.get("mean") is not None:
                where = {ARM: METHOD, "task": "A and B", ITERATION: n, "chosen": n == run.chosen_iteration}
                count = len(cycles.get("per_chain") or [])
                rows.append(head | where | {"measure": CYCLES, "value": cycles["mean"], "n": count})
    return rows


def _tests(arms: dict) -> Iterable[tuple[str, str, int, dict]]:
    for arm, tasks in arms.items():
        for task, tests in tasks.items():
            yield from ((arm, task, n, test) for n, test in sorted((int(n), test) for n, test in tests.items()))


def summarize(rows: list[dict]) -> list[dict]:
    """Mean and interval over seeds of each measure, at each iteration and at the chosen one of each run."""
    groups = defaultdict(dict)
    for row in _with_chosen(rows):
        groups[_place(row)][row[SEED]] = row["value"]
    return [
        dict(place) | over_runs([*values.values()], *_bounds(dict(place))) | {"seeds": [*values]}
        for place, values in groups.items()
    ]


def paired(rows: list[dict]) -> list[dict]:
    """Differences within each seed, over seeds: the method less each other arm, and each iteration less iteration 0.

    `against` names what is taken away, `higher_in` counts the seeds in which the first is higher.
    """
    values = {(_place(row), row[SEED]): row["value"] for row in _with_chosen(rows)}
    groups = defaultdict(dict)
    for (place, seed), value in values.items():
        where = dict(place)
        if where["measure"] != RATE:
            continue
        if where[ARM] == METHOD:
            pairs = {"iteration 0": where | {ITERATION: 0}} if where[ITERATION] != 0 else {}
            others = {arm: where | {ARM: arm} for arm in {dict(other)[ARM] for other, _ in values} - {METHOD}}
            for against, other in sorted((pairs | others).items()):
                if (key := (tuple(other.items()), seed)) in values:
                    groups[place, against][seed] = value - values[key]
    return [
        dict(place) | {"against": against} | over_runs([*found.values()], -1, 1)
        | {"higher_in": sum(value > 0 for value in found.values()), "seeds": [*found]}
        for (place, against), found in groups.items()
    ]  # fmt: skip


def _with_chosen(rows: list[dict]) -> list[dict]:
    """Rows of the chosen iterations stand a second time, under CHOSEN, whatever their number in each run."""
    return rows + [row | {ITERATION: CHOSEN} for row in rows if row["chosen"]]


def _place(row: dict) -> tuple:
    """What a row is about, apart from the run: its factors, arm, task, iteration and measure."""
    return tuple((name, value) for name, value in row.items() if name not in ("run", SEED, "value", "n", "chosen"))


def _bounds(place: dict) -> tuple[float, float]:
    return (0, 1) if place["measure"].startswith(SHARES) else (0, float("inf"))
