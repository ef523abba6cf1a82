import csv
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.image import imread
from synthetic_run import fail_everything, write_run

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.method.reversibility import MEANING, refused_record, why_not_reversible
from rev2fwd_il.method.statistics import chain_summary, rate
from rev2fwd_il.reporting.formats import percent
from rev2fwd_il.reporting.gathering import gather
from rev2fwd_il.reporting.inspection import inspect
from rev2fwd_il.reporting.metric_figures import failures
from rev2fwd_il.reporting.page import write_report
from rev2fwd_il.reporting.results import Results

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "8_report.py"


class Sources(HTMLParser):
    """Collects what a page refers to, and checks that its tags are balanced."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, page):
        super().__init__()
        self.sources, self.open = [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    write_run(root)
    inspect(EpisodeDataset(root / "data" / "B_circle.npz"), root / "runs" / "inspect_circle" / "B", rrd=True)
    write_report("circle", root / "data", root / "runs", root / "runs" / "report_circle")
    return root


@pytest.fixture
def root(finished, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(finished, tmp_path / "run")


def report(root):
    out = root / "runs" / "report_circle"
    return write_report("circle", root / "data", root / "runs", out).results, (out / "index.html").read_text()


def test_files(finished):
    out = finished / "runs" / "report_circle"
    names = {file.name for file in out.iterdir()}
    figures = ("success_curve", "chains", "failures", "reversal", "replays", "worst_replay", "rollouts_A", "rollouts_B")
    assert names == {"metrics.json", "metrics.csv", "index.html", "summary.txt", "starts_A.csv", "starts_B.csv"} | {
        f"{figure}.{suffix}" for figure in figures for suffix in ("png", "csv")
    }
    with open(out / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    expected = [("with_rollouts", task, str(n)) for task in "AB" for n in range(4)]
    expected += [("no_rollouts", task, str(n)) for task in "AB" for n in range(1, 4)]
    assert [(row["arm"], row["task"], row["iteration"]) for row in rows] == expected
    metrics = json.loads((out / "metrics.json").read_text())
    for row in rows[8:]:
        stored = metrics["arms"]["no_rollouts"][row["task"]][row["iteration"]]
        assert float(row["rate"]) == stored["rate"]
        assert float(row["mcnemar_p_vs_with_rollouts"]) == stored["mcnemar_vs_with_rollouts"]["p"]
    for row in rows[:8]:
        stored = metrics["evaluation"][row["task"]][row["iteration"]]
        assert float(row["rate"]) == stored["rate"] and int(row["n"]) == 200
        assert float(row["wilson_lo"]) == stored["wilson_95"][0]
        assert (row["mcnemar_p_vs_previous"] == "") == (row["iteration"] == "0")
        tested = metrics["alternating"].get(str(int(row["iteration"]) + 1))
        expected = "" if tested is None else str(tested["consecutive_success"]["mean"])
        assert row["mean_consecutive"] == expected


def test_page_needs_nothing_from_outside(finished):
    out = finished / "runs" / "report_circle"
    sources = Sources((out / "index.html").read_text()).sources
    assert sum(source.startswith("data:image/png;base64,") for source in sources) == 3 + 5 + 4
    files = {source for source in sources if not source.startswith(("data:", "#"))}
    assert sum(file.endswith(".mp4") for file in files) == 8 + 3
    assert all((out / file).is_file() and not Path(file).is_absolute() for file in files)
    linked = {file.removesuffix(".csv") for file in files if file.endswith(".csv")}
    assert {file.removesuffix(".png") for file in files if file.endswith(".png") and "_images" not in file} <= linked


def test_page_tells_the_numbers(finished):
    page = (finished / "runs" / "report_circle" / "index.html").read_text()
    results = gather("circle", finished / "data", finished / "runs")
    for row in results.rows():
        assert f"{row['successes']} / 200" in page
        assert f"{percent(row['rate'], (row['wilson_lo'], row['wilson_hi']))} (" in page
    text = re.sub(r"\s+", " ", page)
    assert "6 of 7 attempts" in text and "117 of 120 succeeded" in text and "last allowed cycle" in text


def test_page_says_how_to_play_a_recording_and_where_there_is_none_says_nothing(root):
    recording = root / "runs/inspect_circle/B/episode_000.rrd"
    assert f"rerun --web-viewer {recording}</code>" in report(root)[1]
    recording.unlink()
    assert "rerun" not in report(root)[1]


def test_mcnemar_needs_the_same_starts(root):
    path = root / "runs" / "evaluation_A_circle" / "iter2" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["episodes"][0]["object_xy"][0] += 0.01
    path.write_text(json.dumps(metrics))
    results, _ = report(root)
    assert results.compare("A", 1)["pairs"] == 200
    assert results.compare("A", 2) is None and results.compare("A", 3) is None


def test_iterations_sort_as_numbers(root):
    runs = root / "runs"
    shutil.copytree(runs / "evaluation_A_circle" / "iter3", runs / "evaluation_A_circle" / "iter10")
    results, _ = report(root)
    assert list(results.evaluation["A"]) == [0, 1, 2, 3, 10] and results.compare("A", 10) is None


def test_a_failed_run_still_gets_its_report(root):
    shutil.rmtree(root / "runs" / "evaluation_B_circle")
    shutil.rmtree(root / "runs" / "alternating_circle")
    (root / "data" / "A_circle_replay.json").write_text('{"attempted": 12')
    (root / "data" / "B_circle.npz").write_bytes(b"PK")
    results, page = report(root)
    assert len(results.problems) == 2 and "A_circle_replay.json: cannot be read" in page
    rows = [(row["arm"], row["task"], row["mcnemar_p_vs_with_rollouts"] is None) for row in results.rows()]
    others = [("no_rollouts", "A", False)] * 3 + [("no_rollouts", "B", True)] * 3
    assert rows == [("with_rollouts", "A", True)] * 4 + others
    Sources(page)


def test_no_results_at_all(tmp_path):
    results = write_report("nothing", tmp_path / "data", tmp_path / "runs", tmp_path / "out").results
    assert results.rows() == [] and "no results yet" in (tmp_path / "out" / "index.html").read_text()


def test_a_run_in_which_nothing_succeeds_gets_its_report(root):
    fail_everything(root)
    (root / "data" / "A_circle_replay.json").rename(root / "replay.json")
    for replay in ("replay.json", "no replay"):
        if replay == "replay.json":
            shutil.copy(root / replay, root / "data" / "A_circle_replay.json")
        else:
            (root / "data" / "A_circle_replay.json").unlink()
        results, page = report(root)
        assert results.problems == [] and {row["successes"] for row in results.rows()} == {0}
        assert {row["rate"] for row in results.rows()} == {0.0} and 0 < results.rows()[0]["wilson_hi"] < 0.2
        assert "0 / 32 (0 %)" in page and "0 / 0 (–)" in page
        assert ("0 of 120" in re.sub(r"\s+", " ", page)) == (replay == "replay.json")
        Sources(page)
    metrics = json.loads((root / "runs" / "report_circle" / "metrics.json").read_text())
    assert metrics["alternating"]["1"]["B_success_rate"] is None and metrics["evaluation"]["A"]["0"]["rate"] == 0
    out = root / "runs" / "report_circle"
    assert imread(out / "success_curve.png").std() > 0.01 and imread(out / "chains.png").std() > 0.01


def test_a_task_that_does_not_reverse_is_said_first(root):
    """Its replays lie beside where the report of others lies, which is then of an earlier run."""
    record = {"attempted": 40, "succeeded": 1, "rate": rate(1, 40), "episodes": []}
    record["refused"] = why_not_reversible(record, min_yield=0.1)
    refused_record(root / "data" / "A_circle_replay.json").write_text(json.dumps(record))
    results, page = report(root)
    assert results.replay["succeeded"] == 1 and record["refused"] in page
    shown = re.sub(r"\s+", " ", page)
    assert shown.index("This task does not reverse") < shown.index("<nav") and "1 of 40 replay" in shown
    assert MEANING in (root / "runs" / "report_circle" / "summary.txt").read_text().replace("\n  ", " ")


def test_evaluations_and_tests_without_any_attempt(root):
    """No rate is known, no chain has a length; nothing was replayed."""
    nothing = {"successes": 0, "rate": None, "wilson_95": None, "clopper_pearson_95": None}
    path = root / "runs" / "evaluation_A_circle" / "iter0" / "metrics.json"
    metrics = json.loads(path.read_text()) | nothing | {"num_episodes": 0, "rates": {}, "episodes": [], "failures": {}}
    path.write_text(json.dumps(metrics | {"median_final_error_m": None, "steps_mean": None}))
    test = {"A": rate(0, 0), "B": rate(0, 0), "consecutive_success": chain_summary([]), "chains": []}
    (root / "runs" / "alternating_circle" / "iter1" / "metrics.json").write_text(json.dumps(test))
    replay = {"attempted": 0, "succeeded": 0, "rate": rate(0, 0), "episodes": []}
    (root / "data" / "A_circle_replay.json").write_text(json.dumps(replay))
    results, page = report(root)
    assert results.problems == [] and results.rows()[0]["rate"] is None
    assert results.compare("A", 1) is None and "0 of 0 succeeded (–" in re.sub(r"\s+", " ", page)
    Sources(page)


def test_text_from_files_is_escaped(root):
    path = root / "runs" / "alternating_circle" / "iter1" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["chains"][0]["ended_by"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(metrics))
    page = report(root)[1]
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_script(finished, tmp_path):
    folders = ["--data_dir", finished / "data", "--runs_dir", finished / "runs", "--out_dir", tmp_path / "out"]
    done = subprocess.run([sys.executable, SCRIPT, "--name", "circle", *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        "task A, iteration 3: 194 of 200, 97 % (94 to 99 %)" in done.stdout
        and (tmp_path / "out" / "index.html").is_file()
    )


def test_a_run_of_one_iteration_has_one_tick():
    results = Results("x", evaluation={"A": {0: {"failures": {"dropped": 2, "bent": 1, "torn": 1}}}})
    figure = failures(results)
    ticks = [tick for tick in figure.axes[0].get_xticks() if -0.4 < tick < 0.4]
    plt.close(figure)
    assert ticks == [0]
    hatches = {bars[0].get_hatch() for bars in figure.axes[0].containers}
    assert len(hatches) == len(figure.axes[0].containers) == 3
