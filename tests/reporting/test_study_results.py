"""A study's tables and figures, against hand counts; outcomes are invented, files are as a report writes them."""

import csv
import re
from pathlib import Path

import pytest
from synthetic_study import SECONDS, write_report

from rev2fwd_il.method.statistics import over_runs
from rev2fwd_il.reporting.runs import CHOSEN, FAILURES, INTERVENTIONS, MINUTES, YIELD, long_rows
from rev2fwd_il.reporting.study.figures import replay_yield
from rev2fwd_il.reporting.study.measures import jobs_behind, minutes_behind
from rev2fwd_il.reporting.study.reading import Asked, read_study_run
from rev2fwd_il.reporting.study.tables import latex, markdown
from rev2fwd_il.reporting.study.writing import write_study
from rev2fwd_il.reporting.tables import Table
from rev2fwd_il.running.benchmarks import Benchmark

ASKED = Asked(1, ("with_rollouts", "no_rollouts"), chains=True)
KINDS = ("plain", "insert-1mm", "insert-2mm")
COMMAND = "python 8c_summarize_study.py --run a a"


NAMES = {(kind, seed): f"s-{kind}-demos8-seed{seed}" for kind in KINDS for seed in range(3)}


def write_reports(runs_dir) -> None:
    """Three tasks, three seeds; the last run has not been finished."""
    for (kind, seed), name in NAMES.items():
        if (kind, seed) != ("insert-2mm", 2):
            write_report(runs_dir, name, seed, kind)


def read_runs(runs_dir):
    return [
        read_study_run(
            runs_dir, name, name, {"task_kind": kind, "demonstrations": "8", "seed": str(seed)}, ASKED
        )
        for (kind, seed), name in NAMES.items()
    ]  # fmt: skip


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    write_reports(folder := tmp_path_factory.mktemp("runs"))
    return folder


@pytest.fixture(scope="module")
def out(runs_dir, tmp_path_factory):
    """The study as it is written."""
    write_study("s", read_runs(runs_dir), ASKED, folder := tmp_path_factory.mktemp("out") / "one", COMMAND)
    return folder


def rows_of(path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def find(rows, **where):
    (row,) = [row for row in rows if where.items() <= row.items()]
    return row


def test_every_number_stands_in_long_form_with_its_run(out):
    rows = rows_of(out / "results.csv")
    where = {"run": "s-insert-1mm-demos8-seed1", "task_kind": "insert-1mm", "seed": "1", "arm": "with_rollouts"}
    assert find(rows, **where, task="A", iteration="1", measure="success rate")["value"] == "0.75"
    assert find(rows, **where, task="A", iteration="1", measure=FAILURES + "dropped")["value"] == "0.25"
    assert find(rows, **where, task="B", iteration="1", measure=FAILURES + "dropped")["value"] == "0.0"
    assert find(rows, **where, measure=YIELD)["value"] == "0.55"
    assert find(rows, **where, measure=INTERVENTIONS)["value"] == "20.0"
    minutes = {
        row["iteration"]: float(row["value"])
        for row in rows
        if row["measure"] == MINUTES and where.items() <= row.items()
    }
    assert minutes == {"0": 7 * SECONDS / 60, "1": 12 * SECONDS / 60}  # and a test, two mergers, two finetunes


def test_means_are_over_seeds_with_the_interval_over_runs(out):
    text, summary = (out / "table.md").read_text(), rows_of(out / "summary.csv")
    row = find(
        summary, task_kind="plain", arm="with_rollouts", task="A", iteration=CHOSEN, measure="success rate", against=""
    )
    expected = over_runs([0.7, 0.75, 0.8], 0, 1)
    assert [float(row[key]) for key in ("mean", "lo_95", "hi_95")] == pytest.approx(
        [expected["mean"], *expected["interval_95"]]
    )
    assert "| plain | 8 | with rollouts | 1 | 75 % (63 to 87 %) | 100.0 % | 3.5 | 3 of 3 |" in text
    assert "| plain | 8 | A | 1 | no rollouts | +20.0 points | 3 of 3 | 3 of 3 |" in text  # no spread, no interval


def test_what_is_missing_is_named_and_counted(runs_dir, out):
    text = (out / "table.md").read_text()
    assert "8 of 9 runs finished" in text and "- s-insert-2mm-demos8-seed2: no report" in text
    assert re.search(r"\| insert-2mm \| 8 \| with rollouts \| 1 \| .* \| 2 of 3 \|", text)
    assert "% unfinished: s-insert-2mm-demos8-seed2" in (out / "table.tex").read_text()
    name = NAMES["plain", 0]
    assert read_study_run(runs_dir, name, name, {"seed": "0"}, Asked(2, ASKED.arms, chains=True)).missing == [
        *(f"no evaluation of task {task}, {arm}, iteration 2" for arm in ASKED.arms for task in "AB"),
        "no alternating test 2", "no long chains of iteration 2",
    ]  # fmt: skip


def test_a_study_of_which_nothing_is_finished_is_written(tmp_path):
    runs = [read_study_run(tmp_path, "s-seed0", "s-seed0", {"seed": "0"}, ASKED)]
    assert "0 of 1 runs finished" in write_study("s", runs, ASKED, tmp_path / "out", "command")
    assert (tmp_path / "out/table.tex").exists() and not [*(tmp_path / "out/figures").iterdir()]


def test_the_same_contents_give_the_same_bytes(runs_dir, out, tmp_path):
    write_study("s", read_runs(runs_dir), ASKED, tmp_path, COMMAND)
    files = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*") if path.name != "summary.txt"}
    again = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.*")}
    again.pop(Path("summary.txt"))  # names the folder
    assert files == again and len(files) == 6 + 3 * 5  # five figures: one number of demonstrations is no axis


def test_tables_and_figures_say_what_they_were_made_from(runs_dir, out):
    (source,) = (line for line in read_runs(runs_dir)[0].sources.items() if line[0].endswith("metrics.json"))
    for name in ("table.tex", "table.md", "differences.tex", "figures/failures.svg", "made_from.json"):
        text = (out / name).read_text()
        assert "python 8c_summarize_study.py" in text and source[0] in text and source[1] in text, name
    pdf = (out / "figures/failures.pdf").read_bytes()
    assert b"8c_summarize_study" in pdf and b"CreationDate" not in pdf


def test_a_job_that_was_not_measured_leaves_no_minutes():
    known = {job: Benchmark(60.0) for job in jobs_behind("with_rollouts", 1)}
    assert minutes_behind(known, "with_rollouts", 1) == 12
    assert minutes_behind(known | {"replay_rollouts_A_iter1": Benchmark(60.0)}, "with_rollouts", 1) == 13
    assert minutes_behind(known, "no_rollouts", 1) is None and minutes_behind(known, "no_rollouts", 0) == 7
    assert minutes_behind(known | {"render_views_B": Benchmark(120.0)}, "no_rollouts", 0) == 9
    stages = ("collect_corrections_{}", "merge_{}_teacher", "finetune_{}_teacher")
    taught = {f"{stage.format(task)}_iter1" for stage in stages for task in "AB"}
    assert set(jobs_behind("teacher", 1)) == set(jobs_behind("teacher", 0)) | taught
    assert minutes_behind(known | {"render_rollout_B_iter1": Benchmark(60.0)}, "with_rollouts", 1) == 13
    assert minutes_behind(known | {"relabel_rollouts_B_iter1": Benchmark(60.0)}, "with_rollouts", 1) == 13


def test_a_run_that_failed_on_the_way_does_not_end_with_the_iteration_that_it_reached(tmp_path):
    write_report(tmp_path, "s-seed0", 0, "plain")
    asked_for_more = Asked(2, ASKED.arms, chains=True)
    run = read_study_run(tmp_path, "s-seed0", "s-seed0", {"seed": "0"}, asked_for_more).run
    assert run.chosen_iteration == 2 and not any(row["chosen"] for row in long_rows([run]))


def test_any_number_of_demonstrations_has_a_line():
    row = {"measure": YIELD, "clearance_m": 0.001, "iteration": 0, "mean": 0.5, "interval_95": [0.4, 0.6]}
    assert replay_yield([row | {"demonstrations": str(number)} for number in range(9)])


def test_shared_demonstrations_count_as_if_made(tmp_path):
    write_reports(tmp_path)
    for job in ("collect", "reverse", "replay"):
        (tmp_path / f"benchmark_s-plain-demos8-seed1/{job}.tsv").unlink()
    alone = read_study_run(tmp_path, "s-plain-demos8-seed1", "s-plain-demos8-seed1", {"seed": "1"}, ASKED)
    shared = read_study_run(tmp_path, "s-plain-demos8-seed1", "s-plain-demos8-seed0", {"seed": "1"}, ASKED)
    assert minutes_behind(alone.benchmarks, "with_rollouts", 0) is None
    assert minutes_behind(shared.benchmarks, "with_rollouts", 0) == 7 * SECONDS / 60


def test_what_markup_would_take_for_its_own_is_escaped():
    table = Table("a caption", ["a_b", "c|d"], [["50 %", "–"]])
    assert r"a\_b & c|d \\" in latex(table) and r"50 \% & -- \\" in latex(table)
    assert r"| a_b | c\|d |" in markdown(table)
