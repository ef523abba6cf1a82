"""What a run amounts to: its metrics, the table made of them, and the paired tests. `gathering.gather` reads them.

Where metrics stand, by arm, task and iteration n:

    evaluation[task][n], arms[arm][task][n]   metrics of the policies of iteration n, of the method and of other arms
    alternating[n]                            an alternating test of the policies of iteration n - 1
    long_chains[n]                            a longer one of the policies of iteration n
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rev2fwd_il.reporting.analysis import paired_test
from rev2fwd_il.reporting.selection import METHOD
from rev2fwd_il.running.benchmarks import Benchmark


@dataclass
class Results:
    """Everything a report shows, as it was read."""

    name: str
    evaluation: dict[str, dict[int, dict]] = field(default_factory=dict)
    arms: dict[str, dict[str, dict[int, dict]]] = field(default_factory=dict)
    alternating: dict[int, dict] = field(default_factory=dict)
    long_chains: dict[int, dict] = field(default_factory=dict)
    replay: dict | None = None
    demos: dict | None = None
    inspection: dict[str, dict] = field(default_factory=dict)
    inspection_figures: dict[str, list[Path]] = field(default_factory=dict)  # by task
    recordings: dict[str, Path] = field(default_factory=dict)  # of an episode for the Rerun viewer, by task
    videos: dict[str, dict[int, list[Path]]] = field(default_factory=dict)  # of the evaluations, by task and iteration
    chain_videos: dict[str, Path] = field(default_factory=dict)  # of the alternating tests, by name of the test
    recovery_videos: dict[str, Path] = field(default_factory=dict)  # of runs of failures in the long chains, by title
    datasets: dict[str, Path] = field(default_factory=dict)  # "demos", "reversals", "replayed"
    rollouts: dict[str, tuple[int, Path]] = field(default_factory=dict)  # by task: last iteration and its dataset
    benchmarks: dict[str, Benchmark] = field(default_factory=dict)  # by job
    decision: dict | None = None  # the last one of `iterations: auto`
    shows: str = ""  # which artifacts were asked for
    left_out: list[str] = field(default_factory=list)  # on disk under this name, but not part of what was asked for
    problems: list[str] = field(default_factory=list)

    def rows(self) -> list[dict]:
        """One row per arm, task and iteration, the content of metrics.csv."""
        return [self._row(*where) for where in self.tests()]

    @property
    def chosen_iteration(self) -> int | None:
        """The iteration that the run is judged by: the one decided on, or the last."""
        known = [n for tests in self.evaluation.values() for n in tests]
        return self.decision["chosen"] if self.decision else max(known, default=None)

    def tests(self) -> Iterator[tuple[str, str, int, dict]]:
        """(arm, task, iteration, metrics) of every evaluation, the method's own first."""
        for arm, tasks in ({METHOD: self.evaluation} | self.arms).items():
            for task, tests in tasks.items():
                for iteration, metrics in tests.items():
                    yield arm, task, iteration, metrics

    def practice(self) -> Iterator[tuple[str, int, dict]]:
        """(test, iteration of the policies, numbers of practice) of the tests whose chains went on after failures."""
        tests = [("alternating", n - 1, metrics) for n, metrics in self.alternating.items()]
        tests += [("long chains", n, metrics) for n, metrics in self.long_chains.items()]
        yield from ((test, n, metrics["practice"]) for test, n, metrics in tests if metrics.get("practice"))

    def _row(self, arm: str, task: str, iteration: int, metrics: dict) -> dict:
        wilson, exact = (metrics.get(key) or [None, None] for key in ("wilson_95", "clopper_pearson_95"))
        chains = self.alternating.get(iteration + 1, {}) if arm == METHOD else {}
        before = self.compare(task, iteration) if arm == METHOD else None
        method = self.compare_with_method(arm, task, iteration)
        return {
            "arm": arm,
            "task": task,
            "iteration": iteration,
            "n": metrics.get("num_episodes"),
            "successes": metrics.get("successes"),
            "distance_threshold_m": metrics.get("distance_threshold"),
            "rate": metrics.get("rate"),
            "wilson_lo": wilson[0],
            "wilson_hi": wilson[1],
            "clopper_pearson_lo": exact[0],
            "clopper_pearson_hi": exact[1],
            "rate_at_0.05_m": (metrics.get("rates", {}).get("0.05") or {}).get("rate"),
            "mcnemar_p_vs_previous": before and before["p"],
            "mcnemar_p_vs_with_rollouts": method and method["p"],
            "mean_consecutive": (chains.get("consecutive_success") or {}).get("mean"),
        }

    def compare(self, task: str, iteration: int) -> dict | None:
        """McNemar test of an iteration against the one before; None where their episodes did not start alike."""
        tests = self.evaluation[task]
        return paired_test(tests.get(iteration - 1), tests[iteration])

    def compare_with_method(self, arm: str, task: str, iteration: int) -> dict | None:
        """McNemar test of an arm (first) against the method (second) at the same iteration; None as above."""
        if arm == METHOD:
            return None
        return paired_test(self.arms[arm][task][iteration], self.evaluation.get(task, {}).get(iteration))

    def to_dict(self) -> dict:
        """The content of metrics.json: numbers only, without the single episodes and without meta."""
        short, arms = {}, {}
        for arm, task, n, metrics in self.tests():
            numbers = _without(metrics, "episodes")
            if arm == METHOD:
                short.setdefault(task, {})[n] = numbers | {"mcnemar_vs_previous": self.compare(task, n)}
            else:
                numbers["mcnemar_vs_with_rollouts"] = self.compare_with_method(arm, task, n)
                arms.setdefault(arm, {}).setdefault(task, {})[n] = numbers
        return {
            "name": self.name, "shows": self.shows, "chosen_iteration": self.chosen_iteration,
            "decision": self.decision, "left_out": self.left_out,
            "evaluation": short, "arms": arms, "alternating": self.alternating,
            "long_chains": self.long_chains,
            "replay": self.replay and _without(self.replay, "episodes"), "demos": self.demos, "problems": self.problems,
            "inspection": {task: _without(stats, "meta") for task, stats in self.inspection.items()},
        }  # fmt: skip


def _without(values: dict, *names: str) -> dict:
    return {name: value for name, value in values.items() if name not in names}
