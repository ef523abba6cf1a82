"""Whom an environment is given to: the policy up to a step of its own, the teacher for the rest."""

from dataclasses import replace

import numpy as np
import pytest

from rev2fwd_il.config.run import make_config
from rev2fwd_il.method.corrections import PUPIL, TEACHER, Corrections, corrected
from rev2fwd_il.method.episodes import EpisodeResult

CONFIG = make_config({"rollout": {"max_episode_steps": 50}})


def outcome(spec, success):
    return EpisodeResult(spec, 0, success, None if success else "timeout", 0.0, None, np.zeros((1, 9)), 1)


@pytest.mark.parametrize("task", ["A", "B"])
def test_the_teacher_goes_on_where_the_policy_was_stopped(task):
    corrections = Corrections(CONFIG, task, range(3), seed=4)
    first = corrections.assign(0, None)
    assert first.policy == PUPIL and first.task == task and 1 <= first.max_steps < 50 and first.ee_pose is not None
    taken_over = corrections.assign(0, outcome(first, success=False))
    assert (taken_over.policy, taken_over.index, taken_over.max_steps) == (TEACHER, first.index, None)
    assert taken_over.ee_pose is taken_over.obj_pose is None  # no reset
    np.testing.assert_array_equal(taken_over.target_pose, first.target_pose)
    second = corrections.assign(0, outcome(taken_over, success=False))
    assert second.policy == PUPIL and second.index == 1
    third = corrections.assign(0, outcome(second, success=True))
    assert third.policy == PUPIL and third.index == 2
    assert corrections.assign(0, outcome(third, success=True)) is None


def test_what_is_kept_are_the_teachers_successes():
    spec = Corrections(CONFIG, "A", range(1), seed=0).assign(0, None)
    teaching = replace(spec, policy=TEACHER)
    kept = [corrected(outcome(each, success)) for each in (spec, teaching) for success in (False, True)]
    assert kept == [False, False, False, True]


def test_attempts_are_the_same_however_they_are_shared():
    whole, shared = (Corrections(CONFIG, "B", range(7), seed=1) for _ in range(2))
    everything = sorted(_drain(whole), key=lambda spec: spec.index)
    parts = [_drain(part) for part in shared.split([2, 2])]
    assert [len(part) for part in parts] == [4, 3]
    merged = sorted((spec for part in parts for spec in part), key=lambda spec: spec.index)
    for one, other in zip(everything, merged, strict=True):
        assert one.max_steps == other.max_steps
        np.testing.assert_array_equal(one.obj_pose, other.obj_pose)
    assert len({spec.max_steps for spec in everything}) > 3
    assert not np.array_equal(everything[0].obj_pose, _drain(Corrections(CONFIG, "B", range(1), seed=2))[0].obj_pose)


def _drain(corrections):
    return list(iter(lambda: corrections.assign(0, None), None))
