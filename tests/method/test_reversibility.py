"""When a task counts as one that does not reverse, and what is said then."""

from pathlib import Path

import pytest

from rev2fwd_il.config.run import Config
from rev2fwd_il.method.reversibility import irreversible, refused_record, why_not_reversible
from rev2fwd_il.method.statistics import rate


def replays(successes, attempts):
    """The part of a summary of replays that decides."""
    episodes = [{"success": i < successes, "failure": None if i < successes else "not_pushed"} for i in range(attempts)]
    return {"rate": rate(successes, attempts), "episodes": episodes}


@pytest.mark.parametrize(
    ("successes", "attempts", "min_yield", "reverses"),
    [
        (0, 40, 0.1, False), (3, 40, 0.1, False), (4, 40, 0.1, True), (40, 40, 0.1, True), (40, 40, 1.0, True),
        (0, 40, 0.0, False), (1, 40, 0.0, True), (0, 0, 0.1, True),
    ],
)  # fmt: skip
def test_it_is_decided_on_the_yield(successes, attempts, min_yield, reverses):
    assert (why_not_reversible(replays(successes, attempts), min_yield) is None) == reverses


def test_it_says_how_many_how_sure_and_what_to_do():
    error = irreversible("data/reversed_A_push.npz", replays(2, 200), 0.1, Path("data/A_push_replay_refused.json"))
    text = str(error)
    assert "this task does not reverse: 2 of 200 reversed demonstrations succeed on replay" in text
    assert "1.0 %, exact 95 % interval 0.1 to 3.6 %" in text  # Clopper and Pearson
    assert "no policy is trained" in text and "not_pushed 198" in text and "A_push_replay_refused.json" in text
    assert "more demonstrations would tell" not in text and error.exit_status == 3


def test_it_says_when_too_few_were_replayed_to_be_sure():
    assert "more demonstrations would tell" in str(irreversible("x", replays(0, 8), 0.1, Path("y.json")))


def test_the_default_bound_is_far_below_what_tasks_that_reverse_reach():
    assert Config().reversal.min_yield == 0.1


def test_the_record_is_no_output_of_the_rule():
    assert refused_record(Path("data/A_push_replay.json")) == Path("data/A_push_replay_refused.json")
