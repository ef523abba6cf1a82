"""Expert, reversal, replay, attempts and chains in the real simulator."""

from collections import defaultdict
from itertools import islice

import av
import numpy as np
import pytest
import torch

from rev2fwd_il.alternating import Chains, film_longest
from rev2fwd_il.config import with_changes
from rev2fwd_il.demonstration import demonstrate
from rev2fwd_il.evaluation import evaluation_starts, summary
from rev2fwd_il.replay import replay
from rev2fwd_il.replay import summary as replay_summary
from rev2fwd_il.reversal import goal_of, reverse_episode
from rev2fwd_il.rollout import run_attempts


@pytest.fixture(scope="module")
def demonstrations(cell, config):
    return list(islice(demonstrate(cell, config, "B", 7, images=False), cell.num_envs))


def test_the_expert_succeeds_and_its_actions_are_tracked(demonstrations):
    assert all(episode.success for episode in demonstrations)
    for episode in demonstrations:
        error = np.linalg.norm(episode.action[:-1, :3] - episode.ee_pose[1:, :3], axis=1)
        assert np.percentile(error, 99) < 0.012


def test_reversed_demonstrations_replay(cell, config, demonstrations):
    backwards = [reverse_episode(e, goal_of(e), config.reversal.gripper_lead_steps) for e in demonstrations]
    verdicts = list(replay(cell, config, backwards))
    result = replay_summary(verdicts)
    assert result["succeeded"] == len(backwards)
    assert result["tracking_error_mean_m"] < 0.002
    assert all(verdict.replayed.obj_pose[0, 2] < 0.03 for verdict in verdicts)


def test_replay_refuses_trajectories_that_never_close_the_gripper(cell, config, demonstrations):
    """The replay judges what happens, not what was recorded: with the gripper always open nothing is lifted."""
    wrong = []
    for episode in demonstrations:
        backwards = reverse_episode(episode, goal_of(episode), config.reversal.gripper_lead_steps)
        action = backwards.action.copy()
        action[:, 7] = 1.0
        wrong.append(backwards.replace(action=action))
    verdicts = list(replay(cell, config, wrong))
    assert not any(verdict.success for verdict in verdicts)
    assert {verdict.failure for verdict in verdicts} <= {"missed_grasp", "never_reached"}
    assert all(verdict.departure_step is not None for verdict in verdicts)


class Recall:
    """A stand-in for a learned policy that recalls recorded commands: the loop is under test, not the learning."""

    n_obs_steps, n_action_steps, uses_images, observation_keys = 2, 8, False, ["observation.state"]

    def __init__(self, episodes):
        self.starts = np.stack([episode.ee_pose[0] for episode in episodes])
        self.actions = [episode.action for episode in episodes]
        self.playing = {}

    def plan(self, history, generator):
        chunks = []
        for hand in history["observation.state"][:, -1, :7].numpy():
            nearest = int(np.linalg.norm(self.starts[:, :3] - hand[:3], axis=1).argmin())
            if np.linalg.norm(self.starts[nearest, :3] - hand[:3]) < 1e-3:
                self.playing[nearest] = 0
            else:
                ends = {i: self.actions[i][k - 1] for i, k in self.playing.items() if k}
                nearest = min(ends, key=lambda i: np.linalg.norm(ends[i][:3] - hand[:3]))
            first = self.playing[nearest]
            chunk = self.actions[nearest][first : first + 8]
            self.playing[nearest] = first + len(chunk)
            chunks.append(np.concatenate([chunk, np.repeat(chunk[-1:], 8 - len(chunk), 0)]) if len(chunk) else
                          np.repeat(self.actions[nearest][-1:], 8, 0))  # fmt: skip
        return torch.from_numpy(np.stack(chunks))


def test_attempts_reuse_environments_and_judge_like_the_replay(cell, config, demonstrations):
    from rev2fwd_il.rollout import Assignment

    assignments = iter([Assignment("B", e.target_xy, e.ee_pose[0], e.obj_pose[0], i)
                        for i, e in enumerate(demonstrations[:4])])  # fmt: skip
    outcomes = list(run_attempts(cell, config, {"B": Recall(demonstrations)},
                                 lambda env, outcome: next(assignments, None), horizon=240, seed=0))  # fmt: skip
    assert sorted(outcome.assignment.index for outcome in outcomes) == [0, 1, 2, 3]
    assert all(outcome.success for outcome in outcomes)
    for outcome in outcomes:
        assert len(outcome.joint_pos) == len(outcome.episode) <= 240
        assert outcome.final_error_m < 0.02
    result = summary(outcomes, config.task.distance_threshold)
    assert result["successes"] == 4 and [row["success"] for row in result["episodes"]] == [True] * 4


class Still:
    """Never moves, hence never succeeds."""

    n_obs_steps, n_action_steps, uses_images, observation_keys = 2, 8, False, ["observation.state"]

    def plan(self, history, generator):
        hand = history["observation.state"][:, -1:, :7]
        return torch.cat([hand, torch.ones(len(hand), 1, 1)], -1).repeat(1, 8, 1)


def test_chains_end_at_their_first_failure(cell, config):
    chains = Chains(config, cell.num_envs, max_cycles=3, seed=0)
    still = {"A": Still(), "B": Still()}
    outcomes = list(run_attempts(cell, config, still, chains.assign, horizon=12, seed=0))
    assert [outcome.failure for outcome in outcomes] == ["never_reached"] * cell.num_envs
    assert all(len(outcome.episode) == 12 for outcome in outcomes)
    metrics = chains.metrics()
    assert metrics["A"]["attempts"] == cell.num_envs and metrics["B"]["attempts"] == 0
    assert metrics["consecutive_success"]["max"] == 0
    assert {chain["ended_by"] for chain in metrics["chains"]} == {"A:never_reached"}


def test_chains_that_continue_give_both_tasks_data(cell):
    config = with_changes(["rollout.continue_after_failure=true"])
    chains = Chains(config, cell.num_envs, max_cycles=1, seed=0)
    still = {"A": Still(), "B": Still()}
    outcomes = list(run_attempts(cell, config, still, chains.assign, horizon=8, seed=0))
    assert sorted(outcome.assignment.task for outcome in outcomes) == ["A"] * cell.num_envs + ["B"] * cell.num_envs
    assert chains.metrics()["consecutive_success"]["max"] == 0


def test_the_chain_with_most_cycles_is_filmed(cell, config, tmp_path):
    chains, shots = Chains(config, cell.num_envs, max_cycles=3, seed=0), defaultdict(list)
    for outcome in run_attempts(cell, config, {"A": Still(), "B": Still()}, chains.assign, horizon=12, seed=0):
        shots[outcome.env].append((outcome.joint_pos, outcome.episode.obj_pose, outcome.episode.target_xy))
    chains.cycles[2] = 1  # as if
    shots[2] *= 3
    with av.open(str(film_longest(cell, chains, shots, tmp_path / "x.mp4"))) as film:
        assert len(list(film.decode(video=0))) == 3 * 12


def test_evaluation_starts_are_shared_and_prefixes(config):
    few, many = (evaluation_starts(config.task, "A", 3, count) for count in (4, 9))
    for a, b in zip(few, many):
        np.testing.assert_array_equal(a.obj_pose, b.obj_pose)
        np.testing.assert_array_equal(a.ee_pose, b.ee_pose)
    assert not np.array_equal(evaluation_starts(config.task, "A", 4, 1)[0].obj_pose, few[0].obj_pose)
