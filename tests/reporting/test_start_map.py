"""The same starts before and after: counts by hand, videos at their starts, and only starts that are the same."""

from pathlib import Path

from rev2fwd_il.reporting.results import Results
from rev2fwd_il.reporting.sections import starts
from rev2fwd_il.reporting.start_map import StartMap

PLACES = [(0.4, 0.2), (0.5, 0.1), (0.6, -0.1), (0.4, -0.2)]


def evaluation(*failures, seed=0):
    """An evaluation of task A from PLACES with these outcomes."""
    rows = [
        {"object_pose": [*xy, 0.02], "ee_pose": [0.4, 0.0, 0.3], "object_xy": list(xy), "target_xy": [0.5, 0.0],
         "success": failure is None, "failure": failure} for xy, failure in zip(PLACES, failures)
    ]  # fmt: skip
    return {"task": "A", "seed": seed, "num_episodes": len(rows), "episodes": rows}


def test_kept_gained_lost_and_failing():
    tests = {0: evaluation(None, "dropped", None, "timeout"), 1: evaluation(None, None, "dropped", "timeout")}
    found = StartMap.of(Results("x", evaluation={"A": tests}), "A")
    assert found.count(0, 1) == {"kept": 1, "gained": 1, "lost": 1, "failing": 1}
    assert found.count(0, 0) == {"kept": 2, "gained": 0, "lost": 0, "failing": 2}
    assert found.place == "object's start" and (found.starts[2].x, found.starts[2].y) == PLACES[2]


def test_an_iteration_with_other_starts_is_left_out():
    tests = {0: evaluation(None, "dropped", None, None, seed=1), 1: evaluation(None, None, None, None)}
    assert StartMap.of(Results("x", evaluation={"A": tests}), "A").iterations == [1]


def test_videos_stand_at_their_starts():
    video = Path("runs/evaluation_A_x/iter1/videos/dropped_start002.mp4")
    tests = {0: evaluation(None, None, None, None), 1: evaluation(None, None, "dropped", None)}
    found = StartMap.of(Results("x", evaluation={"A": tests}, videos={"A": {1: [video]}}), "A")
    assert [start.videos for start in found.starts] == [{}, {}, {1: video}, {}]
    (row,) = starts._failing(found).rows
    assert row[0] == "2" and row[2][1].path == video and row[2][0] == "iteration 0: success"


def test_without_episodes_there_is_no_map():
    assert StartMap.of(Results("x", evaluation={"A": {0: {"episodes": []}}}), "A") is None
