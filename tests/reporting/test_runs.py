"""Numbers over training runs, against hand counts."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import sem, t

from rev2fwd_il.errors import DataError
from rev2fwd_il.method.statistics import MIN_BOOTSTRAP_RUNS, over_runs
from rev2fwd_il.reporting.runs import CHOSEN, Run, long_rows, paired, read_run, summarize
from rev2fwd_il.reporting.seeds_page import write_summary

#           seed: iteration -> rate of task A
METHOD = {"0": {0: 0.4, 1: 0.7, 2: 0.8}, "1": {0: 0.5, 1: 0.6, 2: 0.9}, "2": {0: 0.3, 1: 0.8}}
CONTROL = {"0": {1: 0.5, 2: 0.4}, "1": {1: 0.7, 2: 0.5}, "2": {1: 0.6}}


def evaluations(rates):
    return {str(n): {"rate": value, "num_episodes": 200} for n, value in rates.items()}


@pytest.fixture
def runs():
    """Three seeds; the last ended one iteration earlier."""
    return [
        Run(f"circle-seed{seed}", {"seed": seed}, {
            "evaluation": {"A": evaluations(METHOD[seed])}, "arms": {"no_rollouts": {"A": evaluations(CONTROL[seed])}},
            "long_chains": {}, "chosen_iteration": max(METHOD[seed]),
        }) for seed in METHOD
    ]  # fmt: skip


def find(rows, **where):
    (row,) = [row for row in rows if where.items() <= row.items()]
    return row


def test_few_runs_get_students_t():
    values = [0.91, 0.95, 0.9]
    low, high = t.interval(0.95, 2, np.mean(values), sem(values))
    out = over_runs(values, 0, 1)
    assert (out["method"], out["mean"]) == ("t", pytest.approx(0.92))
    assert out["interval_95"] == pytest.approx([low, 1.0 if high > 1 else high])
    assert out["bootstrap_95"] == pytest.approx([0.9, 0.95])  # no resample of three can leave their range


def test_many_runs_are_resampled():
    out = over_runs(np.random.default_rng(0).normal(0.5, 0.1, MIN_BOOTSTRAP_RUNS))
    assert out["method"] == "bootstrap" and out["interval_95"] == out["bootstrap_95"]


@pytest.mark.parametrize("values", [[], [0.9], [0.9, 0.9, 0.9], [0.7 - 0.5, 0.75 - 0.55, 0.8 - 0.6]])
def test_no_interval_where_the_spread_is_unknown(values):
    assert over_runs(values)["interval_95"] is None


def test_each_run_counts_once_whatever_its_episodes(runs):
    row = find(summarize(long_rows(runs)), arm="with_rollouts", iteration=1)
    assert row["values"] == [0.7, 0.6, 0.8] and row["mean"] == pytest.approx(0.7) and row["seeds"] == ["0", "1", "2"]


def test_the_chosen_iteration_is_each_runs_own(runs):
    assert find(summarize(long_rows(runs)), arm="with_rollouts", iteration=CHOSEN)["values"] == [0.8, 0.9, 0.8]
    assert find(summarize(long_rows(runs)), arm="with_rollouts", iteration=2)["seeds"] == ["0", "1"]


def test_differences_are_taken_within_a_seed(runs):
    rows = paired(long_rows(runs))
    control = find(rows, iteration=1, against="no_rollouts")
    assert control["values"] == pytest.approx([0.2, -0.1, 0.2]) and control["higher_in"] == 2
    gain = find(rows, iteration=CHOSEN, against="iteration 0")
    assert gain["values"] == pytest.approx([0.4, 0.4, 0.5]) and gain["higher_in"] == 3
    at_the_end = find(rows, iteration=CHOSEN, against="no_rollouts")
    assert at_the_end["values"] == pytest.approx([0.4, 0.4, 0.2])


def test_runs_of_other_factors_are_not_mixed(runs):
    mixed = [Run(run.name, run.factors | {"policy": policy}, run.metrics) for run in runs for policy in ("a", "b")]
    row = find(summarize(long_rows(mixed)), policy="a", arm="with_rollouts", iteration=1)
    assert row["runs"] == 3
    assert len(paired(long_rows(mixed))) == 2 * len(paired(long_rows(runs)))


def test_the_summary_is_written_and_says_what_it_rests_on(runs, tmp_path):
    reports = [tmp_path / f"report_{run.name}/metrics.json" for run in runs]
    write_summary("circle", runs, reports, tmp_path / "seeds_circle")
    with open(tmp_path / "seeds_circle/summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert find(rows, arm="with_rollouts", iteration="1", against="")["values"] == "0.7 0.6 0.8"
    summary = json.loads((tmp_path / "seeds_circle/summary.json").read_text())
    assert any("3 runs are few" in sentence for sentence in summary["says"])
    page = (tmp_path / "seeds_circle/index.html").read_text()
    assert 'href="../report_circle-seed1/index.html"' in page and "70.0 %" in page and "3 runs are few" in page


def test_another_json_is_refused(tmp_path):
    (tmp_path / "metrics.json").write_text('{"rate": 1}')
    with pytest.raises(DataError, match="not the metrics"):
        read_run(tmp_path / "metrics.json", {})
