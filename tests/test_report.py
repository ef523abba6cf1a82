import csv
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_run import write_run

from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.inspection import inspect
from rev2fwd_il.report import write_report
from rev2fwd_il.results import gather

SCRIPT = Path(__file__).parents[1] / "workflow" / "scripts" / "8_report.py"


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
    inspect(EpisodeDataset(root / "data" / "B_circle.npz"), root / "runs" / "inspect_circle" / "B")
    write_report("circle", root / "data", root / "runs", root / "runs" / "report_circle")
    return root


@pytest.fixture
def root(finished, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(finished, tmp_path / "run")


def report(root):
    out = root / "runs" / "report_circle"
    return write_report("circle", root / "data", root / "runs", out), (out / "index.html").read_text()


def test_files(finished):
    out = finished / "runs" / "report_circle"
    names = {file.name for file in out.iterdir()}
    assert names == {
        "metrics.json", "metrics.csv", "index.html", "success_curve.png", "chains.png", "failures.png", "reversal.png",
        "replays.png", "worst_replay.png", "rollouts_A.png", "rollouts_B.png",
    }  # fmt: skip
    with open(out / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    expected = [("dagger", task, str(n)) for task in "AB" for n in range(4)]
    expected += [("no_rollouts", task, str(n)) for task in "AB" for n in range(1, 4)]
    assert [(row["arm"], row["task"], row["iteration"]) for row in rows] == expected
    metrics = json.loads((out / "metrics.json").read_text())
    for row in rows[8:]:
        stored = metrics["arms"]["no_rollouts"][row["task"]][row["iteration"]]
        assert float(row["rate"]) == stored["rate"]
        assert float(row["mcnemar_p_vs_dagger"]) == stored["mcnemar_vs_dagger"]["p"]
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
    films = {source for source in sources if source.endswith(".mp4")}
    assert len(films) == 8 + 3 and all((out / film).is_file() and not Path(film).is_absolute() for film in films)
    assert all(source.startswith("data:") or source in films for source in sources)


def test_page_tells_the_numbers(finished):
    page = (finished / "runs" / "report_circle" / "index.html").read_text()
    results = gather("circle", finished / "data", finished / "runs")
    for row in results.rows():
        assert f"{row['successes']} / 200" in page and f"{100 * row['rate']:.1f} %" in page
    text = re.sub(r"\s+", " ", page)
    assert "6 of 7 attempts" in text and "117 of 120 succeeded" in text and "max_cycles" in text


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
    rows = [(row["arm"], row["task"], row["mcnemar_p_vs_dagger"] is None) for row in results.rows()]
    others = [("no_rollouts", "A", False)] * 3 + [("no_rollouts", "B", True)] * 3
    assert rows == [("dagger", "A", True)] * 4 + others
    Sources(page)


def test_no_results_at_all(tmp_path):
    results = write_report("nothing", tmp_path / "data", tmp_path / "runs", tmp_path / "out")
    assert results.rows() == [] and "no results yet" in (tmp_path / "out" / "index.html").read_text()


def test_text_from_files_is_escaped(root):
    path = root / "runs" / "alternating_circle" / "iter1" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["chains"][0]["ended_by"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(metrics))
    assert "<script" not in report(root)[1]


def test_script(finished, tmp_path):
    folders = ["--data_dir", finished / "data", "--runs_dir", finished / "runs", "--out_dir", tmp_path / "out"]
    done = subprocess.run([sys.executable, SCRIPT, "--name", "circle", *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "task A, iteration 3: 97.0 %" in done.stdout and (tmp_path / "out" / "index.html").is_file()
