"""Rates at several tolerances, from hand-made motions; no simulator."""

import numpy as np
from synthetic import make_episode

from rev2fwd_il.config.run import Config
from rev2fwd_il.method.episodes import EpisodeResult, EpisodeSpec
from rev2fwd_il.method.evaluation import summarize_evaluation
from rev2fwd_il.method.tolerances import FurtherTolerances
from rev2fwd_il.tasks import make_task

SETTINGS = Config().task
TASK = make_task(SETTINGS)
GOAL = np.float32(SETTINGS.goal_xy)
TARGET = TASK.target_poses("A", GOAL[None])


def poses(xy, z):
    return np.float32([[*xy, z, 1, 0, 0, 0]])


def carry(further, error_m, rest_steps):
    """Lift the object, put it down that far from the target, and stay clear of it for some steps."""
    down, up, clear = SETTINGS.cube_edge / 2, SETTINGS.height_threshold + 0.01, 0.3
    xy = GOAL + np.float32([error_m, 0])
    further.update(poses(xy, up), poses(xy, up), np.float32([0.04]))
    for _ in range(rest_steps + 1):  # the first shows it still moving
        further.update(poses(xy, clear), poses(xy, down), np.float32([0.08]))


def test_each_tolerance_is_judged_when_it_is_met():
    """Put down 4 cm off for long enough, it succeeds at 5 cm, though it is then taken away again; never at 3 cm."""
    further = FurtherTolerances(TASK, 1, (0.03, 0.05))
    further.start(np.array([0]), ["A"], TARGET, poses(GOAL, 0.02))
    carry(further, 0.04, SETTINGS.hold_steps)
    assert further.success_at(0) == {0.03: False, 0.05: True}
    carry(further, 0.2, 1)
    assert further.success_at(0) == {0.03: False, 0.05: True}
    further.start(np.array([0]), ["A"], TARGET, poses(GOAL, 0.02))
    assert further.success_at(0) == {0.03: False, 0.05: False}


def test_near_at_the_end_is_not_yet_success():
    """Within 5 cm at the last step, but not held for `hold_steps`: a run that asks for 5 cm would not end there."""
    further = FurtherTolerances(TASK, 1, (0.05,))
    further.start(np.array([0]), ["A"], TARGET, poses(GOAL, 0.02))
    carry(further, 0.04, SETTINGS.hold_steps - 1)
    assert further.success_at(0) == {0.05: False}


def test_rates_come_from_each_tolerances_own_judgement():
    def result(index, failure, error_m, success_at):
        pose = poses(GOAL, 0.02)[0]
        spec, episode = EpisodeSpec("A", TARGET[0], pose, pose, index), make_episode(index)
        joints = np.zeros((len(episode), 9))
        return EpisodeResult(spec, 0, failure is None, failure, error_m, episode, joints, 1, success_at)

    metrics = summarize_evaluation(
        [
            result(0, "timeout", 0.3, {0.03: False, 0.05: True}),  # met 5 cm on its way
            result(1, "placed_wide", 0.04, {0.03: False, 0.05: False}),  # met it too late
            result(2, None, 0.01, {0.03: True, 0.05: True}),
        ],
        0.03,
        TASK.failures,
    )
    assert metrics["successes"] == 1
    assert {key: row["successes"] for key, row in metrics["rates"].items()} == {"0.03": 1, "0.05": 2}
    assert metrics["episodes"][0]["success_at"] == {"0.03": False, "0.05": True}
