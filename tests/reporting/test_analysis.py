"""Small cases by hand."""

import copy

import numpy as np
import pytest
from synthetic import make_episode, write_dataset
from synthetic_run import evaluation

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.method.reversal import goal_of, reverse_episode
from rev2fwd_il.reporting.analysis import (
    count_chain_endings,
    count_chain_lengths,
    final_errors_m,
    gripper_events,
    paired_test,
    reversal_of,
    worst_replay,
)


def test_a_reversal_is_found_by_where_it_starts_and_ends(tmp_path):
    episodes = [make_episode(seed) for seed in range(3)]
    backwards = [reverse_episode(episode, goal_of(episode), 4) for episode in (episodes[2], episodes[0])]
    candidates = EpisodeDataset(write_dataset(tmp_path / "reversed.npz", backwards, task="A"))
    assert [reversal_of(episode, candidates) for episode in episodes] == [1, None, 0]


def test_the_worst_replay_is_a_failure_before_any_success():
    outcomes = [(True, 0.04), (False, 0.06), (False, 0.09), (True, 0.2)]
    assert worst_replay([{"success": success, "final_error_m": error} for success, error in outcomes]) == 2
    assert worst_replay([{"success": True, "final_error_m": error} for error in (0.01, 0.03, 0.02)]) == 1


def test_gripper_events():
    episode = make_episode(0)
    (close, first), (release, second) = gripper_events(episode)
    assert (first, second) == ("close", "open") and close < release
    assert episode.action[close - 1 : close + 1, 7].tolist() == [1, -1]


def test_final_errors(tmp_path):
    episode = make_episode(0)
    moved = episode.replace(target_xy=np.float32(episode.obj_pose[-1, :2] + [0.03, -0.04]))
    dataset = EpisodeDataset(write_dataset(tmp_path / "x.npz", [episode, moved]))
    assert final_errors_m(dataset)[1] == pytest.approx(0.05)


def test_chains_are_counted():
    metrics = {"consecutive_success": {"per_chain": [4, 0, 4, 2]}, "chains": [{"ended_by": "A:timeout"}, {}]}
    assert count_chain_lengths(metrics) == {0: 1, 2: 1, 4: 2}
    assert count_chain_endings(metrics) == {"A:timeout": 1, "unknown": 1}
    assert count_chain_lengths({}) == {} and not count_chain_endings({})


@pytest.fixture
def pair():
    """Two evaluations of 20 episodes that started alike."""
    return [evaluation("A", chance, np.random.default_rng(seed), n=20) for chance, seed in ((0.5, 0), (0.9, 1))]


def test_evaluations_that_started_alike_are_paired(pair):
    assert paired_test(*pair)["pairs"] == 20
    other_policy = copy.deepcopy(pair[1])
    other_policy["made_by"]["settings"] |= {"policy.n_action_steps": 7, "evaluation.num_envs": 3}
    assert paired_test(pair[0], other_policy) == paired_test(*pair)


def change(metrics: dict, *path, value) -> dict:
    """The metrics with one value at `path` replaced."""
    changed = node = copy.deepcopy(metrics)
    for key in path[:-1]:
        node = node[key]
    assert node[path[-1]] != value
    node[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("episodes", 3, "object_pose", 6), 0.2),
        (("episodes", 3, "ee_pose", 2), 0.3),
        (("episodes", 3, "target_xy"), [0.4, 0.1]),
        (("task",), "B"),
        (("seed",), 1),
        (("horizon",), 400),
        (("distance_threshold",), 0.05),
        (("made_by", "kind"), "demonstrations"),
        (("made_by", "settings", "task.cube_edge"), 0.05),
        (("made_by", "settings", "task.height_threshold"), 0.1),
        (("made_by", "settings", "plant.friction"), 0.5),
        (("made_by", "settings", "evaluation.max_episode_steps"), 400),
    ],
)
def test_evaluations_that_differ_in_one_respect_are_not_paired(pair, path, value):
    assert paired_test(pair[0], change(pair[1], *path, value=value)) is None


def test_evaluations_of_former_versions_are_paired_by_their_record(pair):
    for metrics in pair:
        for row in metrics["episodes"]:
            del row["object_pose"], row["ee_pose"]
    assert paired_test(*pair)["pairs"] == 20
    for metrics in pair:
        del metrics["made_by"]
    assert paired_test(*pair) is None


def test_unequal_numbers_of_episodes_are_not_paired(pair):
    pair[1]["episodes"].pop()
    assert paired_test(*pair) is None and paired_test(None, pair[0]) is None
