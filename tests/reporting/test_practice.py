"""What a report says of chains that went on after failures."""

import json
import re

import numpy as np
import pytest
from synthetic import make_episode
from synthetic_run import write_json, write_run

from rev2fwd_il.data.video_files import write_mp4
from rev2fwd_il.method.episodes import EpisodeResult, EpisodeSpec
from rev2fwd_il.method.recovery import Next, Practice
from rev2fwd_il.method.statistics import chain_length_estimate
from rev2fwd_il.reporting.page import write_report


def practice(failures_before_each_success, interventions=0):
    counted, episode = Practice(), make_episode(0)
    spec = EpisodeSpec("A", episode.target_pose)

    def add(success, following):
        counted.add(
            0, EpisodeResult(spec, 0, success, None if success else "dropped", 0.0, episode, None, 1), following
        )

    for failures in failures_before_each_success:
        for _ in range(failures):
            add(False, Next("A"))
        add(True, Next("B"))
    for _ in range(interventions):
        add(False, Next("A", reset=True, why="max_retries"))
    return counted.metrics()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A run of two alternating tests and long chains that all went on after failures."""
    root = tmp_path_factory.mktemp("practising")
    write_run(root, iterations=2)
    numbers = {
        "alternating_circle/iter1": practice([0, 1, 3] * 30, 9),
        "alternating_circle/iter2": practice([0, 0, 1] * 40, 2),
    }
    numbers["chains_circle/iter2"] = practice([0] * 300 + [1] * 9 + [2] * 2)
    for folder, values in numbers.items():
        path = root / "runs" / folder / "metrics.json"
        metrics = json.loads(path.read_text())
        cycles, capped = zip(*((row["cycles"], row["ended_by"] == "max_cycles") for row in metrics["chains"]))
        estimate = chain_length_estimate(list(cycles), list(capped))
        write_json(path, metrics | {"practice": values, "chain_length": estimate})
    (root / "runs/chains_circle/iter2/recoveries").mkdir()
    write_mp4(root / "runs/chains_circle/iter2/recoveries/recovered1.mp4", np.zeros((4, 16, 16, 3), np.uint8), 30)
    write_report("circle", root / "data", root / "runs", root / "report")
    return root


def test_the_section_shows_counts_intervals_and_the_video(root):
    page = (root / "report/index.html").read_text()
    section = re.search(r'<section id="practice".*?</section>', page, re.S)[0]
    # 324 attempts without an intervention: at most 3.689 / 324 = 11.4 per 1,000
    assert ">324<" in section and "0 (0 to 11)" in section and "– (at least 88)" in section
    assert "11 / 11" in section and "9 / 11" in section
    assert "A:dropped: 13" in section and "recoveries/recovered1.mp4" in section


def test_numbers_stand_beside_the_figure_and_in_metrics_and_summary(root):
    rows = (root / "report/practice.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["alternating", "0"],
        ["alternating", "1"],
        ["long chains", "2"],
    ]
    assert (root / "report/practice.png").read_bytes().startswith(b"\x89PNG")
    stored = json.loads((root / "report/metrics.json").read_text())["long_chains"]["2"]["practice"]
    assert stored["runs_of_failures"]["lengths"] == {"1": 9, "2": 2}
    summary = (root / "report/summary.txt").read_text()
    assert "Interventions per 1,000 attempts: 0\n" in summary
    assert "11 of 11 runs of failures ended without intervention, 9 at the next attempt" in " ".join(summary.split())
    assert "without a cap the mean would be" in " ".join(summary.split())


def test_a_strict_run_has_no_such_section_and_drops_the_figure_of_an_earlier_one(root):
    for path in (root / "runs").glob("*_circle/iter*/metrics.json"):
        metrics = json.loads(path.read_text())
        metrics.pop("practice", None)
        write_json(path, metrics)
    write_report("circle", root / "data", root / "runs", root / "report")
    assert 'id="practice"' not in (root / "report/index.html").read_text()
    assert not (root / "report/practice.png").exists()
