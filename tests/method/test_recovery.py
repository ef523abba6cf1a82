"""What follows failures when nothing is reset, and what is counted, against a count by hand; no simulator."""

import json

import numpy as np
import pytest
from synthetic import make_episode

from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.config.run import Config
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.episodes import EpisodeResult

GOAL, WIDE, GONE = (0.5, 0.01), (0.4, 0.2), (0.9, 0.2)  # at the goal, elsewhere in reach, out of reach [m]


def attempts(chains, env, outcomes):
    """Let one chain's attempts end like this, (success, where the object lies); the tasks, + after a reset."""
    spec, made = chains.assign(env, None), []
    for success, xy in outcomes:
        made.append(spec.task + "+" * (spec.ee_pose is not None))
        episode = make_episode(0)
        episode.obj_pose[-1, :2] = xy
        failure = None if success else "dropped"
        result = EpisodeResult(spec, env, success, failure, 0.0, episode, np.zeros((len(episode), 9)), 1)
        spec = chains.assign(env, result)
    assert spec is None or len(outcomes) < chains.max_attempts
    return made


def recovering(num_envs=1, max_cycles=50, max_retries=2):
    return Chains(Config(), num_envs, max_cycles, seed=0, after_failure="recover", max_retries=max_retries)


def test_a_is_tried_again_from_where_the_object_lies_and_then_the_chain_goes_on():
    outcomes = [(False, WIDE), (False, WIDE), (True, GOAL), (True, WIDE), (True, GOAL)]
    assert attempts(recovering(), 0, outcomes) == ["A+", "A", "A", "B", "A"]


def test_a_follows_where_b_has_put_it_wide():
    outcomes = [(True, GOAL), (False, WIDE), (True, GOAL), (True, WIDE)]
    assert attempts(recovering(), 0, outcomes) == ["A+", "B", "A", "B"]


def test_a_failed_that_left_the_object_at_the_goal_is_followed_by_b():
    assert attempts(recovering(), 0, [(False, GOAL), (True, WIDE), (True, GOAL)]) == ["A+", "B", "A"]


def test_after_so_many_failures_it_takes_a_hand():
    chains = recovering(max_retries=2)
    assert attempts(chains, 0, [(False, WIDE)] * 3 + [(True, GOAL)]) == ["A+", "A", "A", "A+"]
    practice = chains.metrics()["practice"]
    assert practice["interventions_after"] == [{"failure": "A:dropped", "reason": "max_retries", "count": 1}]


def test_where_both_can_begin_they_take_turns_before_a_hand_is_called():
    made = attempts(recovering(max_retries=1), 0, [(True, GOAL)] + [(False, GOAL)] * 4 + [(True, GOAL)])
    assert made == ["A+", "B", "A", "B", "A", "A+"]


def test_no_task_may_begin_out_of_reach_and_a_success_clears_the_count():
    chains = recovering(max_retries=1)
    outcomes = [(False, WIDE), (True, GOAL), (True, WIDE), (False, WIDE), (False, GONE), (True, GOAL)]
    assert attempts(chains, 0, outcomes) == ["A+", "A", "B", "A", "A", "A+"]
    practice = chains.metrics()["practice"]
    assert practice["interventions_after"] == [{"failure": "A:dropped", "reason": "neither_can_begin", "count": 1}]


def test_practice_is_counted_apart_from_the_strict_test():
    chains = recovering(num_envs=2, max_cycles=4, max_retries=1)
    first = [(True, GOAL), (True, WIDE), (False, WIDE), (True, GOAL), (False, GOAL), (False, WIDE), (True, GOAL)]
    attempts(chains, 0, [*first, (True, WIDE)])  # runs of failures: 1 and 2
    attempts(chains, 1, [(False, GONE), (True, GOAL), (True, WIDE), (False, WIDE), (False, WIDE), (True, GOAL),
                         (True, WIDE), (False, WIDE)])  # by hand, by hand, cut off by the end  # fmt: skip
    metrics = chains.metrics()
    assert metrics["consecutive_success"]["per_chain"] == [1, 0]
    assert {task: (metrics[task]["successes"], metrics[task]["attempts"]) for task in "AB"} == {
        "A": (1, 3),
        "B": (1, 1),
    }
    practice = metrics["practice"]
    assert (practice["attempts"], practice["successes"], practice["interventions"]) == (16, 9, 2)
    hours = 16 * len(make_episode(0)) / 30 / 3600
    assert practice["simulated_hours"] == pytest.approx(hours)
    assert practice["successes_per_hour"] == pytest.approx(9 / hours)
    assert practice["interventions_per_1000_attempts"]["rate"] == 125
    assert practice["attempts_between_interventions"]["mean"] == 8
    assert practice["hours_between_interventions"]["mean"] == pytest.approx(hours / 2)
    low, high = practice["interventions_per_1000_attempts"]["poisson_95"]
    assert practice["attempts_between_interventions"]["poisson_95"] == pytest.approx([1000 / high, 1000 / low])
    runs = practice["runs_of_failures"]
    assert (runs["ended"], runs["open"], runs["lengths"]) == (4, 1, {"1": 1, "2": 1})
    assert runs["without_intervention"]["rate"] == 0.5 and runs["at_the_next_attempt"]["rate"] == 0.25
    assert runs["within_two_attempts"]["rate"] == 0.5
    assert practice["failures"] == {"A:dropped": 6, "B:dropped": 1}
    json.dumps(metrics)


def test_a_strict_test_has_no_numbers_of_practice_and_a_reset_is_always_by_hand():
    assert "practice" not in Chains(Config(), 1, 2, seed=0).metrics()
    chains = Chains(Config(), 1, 2, seed=0, after_failure="reset")
    assert attempts(chains, 0, [(False, WIDE), (True, WIDE), (True, GOAL), (False, GOAL)]) == ["A+", "B+", "A", "B"]
    assert chains.metrics()["practice"]["interventions"] == 2


def following(chains, *, ee_z, obj_z, width, command, xy=WIDE):
    """What follows a failure of A that ends like this, [m]; the hand above the object."""
    spec, episode = chains.assign(0, None), make_episode(0)
    episode.obj_pose[-1, :3], episode.ee_pose[-1, :3] = (*xy, obj_z), (*xy, ee_z)
    episode.action[-1, 7], episode.gripper_width[-1] = command, width
    return chains.assign(0, EpisodeResult(spec, 0, False, "not_released", 0.0, episode, np.zeros((1, 9)), 1))


def test_fingers_that_have_closed_on_nothing_open_where_they_are():
    nothing = {"ee_z": 0.08, "obj_z": 0.02, "width": 0.0}
    assert following(recovering(), **nothing, command=-1).free_at_z == pytest.approx(0.08)
    assert following(recovering(), **nothing | {"width": 0.08}, command=1).free_at_z is None


@pytest.mark.parametrize(("xy", "task"), [(WIDE, "A"), (GOAL, "B")])
def test_what_the_hand_holds_is_put_down_and_what_can_begin_there_follows(xy, task):
    """The cube lies askew in the hand, 1 cm below its middle: the hand stops 1 cm above the cube's resting height."""
    after = following(recovering(), ee_z=0.31, obj_z=0.30, width=0.04, command=-1, xy=xy)
    assert (after.task, after.free_at_z) == (task, pytest.approx(0.03))


def test_an_object_in_the_air_is_put_down_however_far_from_the_fingers_its_centre_is():
    askew = {"ee_z": 0.34, "obj_z": 0.30, "width": 0.05, "command": -1}  # 4 cm away: no longer held, by the features
    assert following(recovering(), **askew).free_at_z == pytest.approx(0.06)


def test_attempts_that_may_go_on_end_when_they_are_closed_on_nothing_and_those_of_a_strict_test_do_not():
    begun = {mode: Chains(Config(), 1, 2, 0, after_failure=mode) for mode in ("recover", "reset", "stop")}
    limits = {mode: chains.assign(0, None).max_closed_on_nothing for mode, chains in begun.items()}
    assert limits == {"recover": 30, "reset": None, "stop": None}
    assert following(recovering(), ee_z=0.2, obj_z=0.02, width=0.08, command=1).max_closed_on_nothing == 30
    pushing = with_changes(["task.kind=push"])  # with closed fingers
    assert Chains(pushing, 1, 2, 0, after_failure="recover").assign(0, None).max_closed_on_nothing is None


def test_a_task_that_has_failed_twice_in_a_row_begins_higher():
    chains = recovering()
    assert following(chains, ee_z=0.2, obj_z=0.02, width=0.08, command=1).free_at_z is None
    spec = chains.assign(0, None)
    episode = make_episode(0)
    episode.obj_pose[-1, :3], episode.ee_pose[-1, :3] = (*WIDE, 0.02), (*WIDE, 0.2)
    episode.action[-1, 7], episode.gripper_width[-1] = 1, 0.08
    again = chains.assign(0, EpisodeResult(spec, 0, False, "never_reached", 0.0, episode, np.zeros((1, 9)), 1))
    assert again.free_at_z == pytest.approx(0.2)


def test_attempts_that_begin_where_a_failure_has_left_things_are_known():
    chains = recovering()
    spec, begins = chains.assign(0, None), []
    for success in (True, False, False, True, True):
        episode = make_episode(0)
        episode.obj_pose[-1, :2] = WIDE
        begins.append(chains.recovers(0))
        spec = chains.assign(0, EpisodeResult(spec, 0, success, "dropped", 0.0, episode, np.zeros((1, 9)), 1))
    assert begins == [False, False, True, True, False]


def test_each_share_of_the_chains_recovers_as_the_whole_does():
    outcomes = [(False, WIDE), (False, WIDE), (False, WIDE), (True, GOAL)]
    whole = recovering(num_envs=3, max_retries=1)
    expected = attempts(whole, 2, outcomes)
    _, share = recovering(num_envs=3, max_retries=1).split([1, 2])
    assert attempts(share, 1, outcomes) == expected == ["A+", "A", "A+", "A"]
