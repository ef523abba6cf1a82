"""Attempts and chains of policies in the real simulator."""

from dataclasses import replace

import av
import numpy as np
import pytest
import torch

from rev2fwd_il import keys
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.chain_videos import EVERY, ChainVideos
from rev2fwd_il.method.corrections import PUPIL, TEACHER, Corrections, corrected
from rev2fwd_il.method.episodes import EpisodeSpec
from rev2fwd_il.method.evaluation import REPORTED_TOLERANCES_M, FixedStarts, evaluation_starts, summarize_evaluation
from rev2fwd_il.method.hindsight import relabel
from rev2fwd_il.method.replay import replay
from rev2fwd_il.method.reversal import goal_of, reverse_episode
from rev2fwd_il.method.rollout import Controller, run_attempts
from rev2fwd_il.method.tolerances import FurtherTolerances
from rev2fwd_il.sim.cell import Observation
from rev2fwd_il.tasks import make_task


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
    specs = iter([EpisodeSpec("B", e.target_pose, e.ee_pose[0], e.obj_pose[0], i)
                        for i, e in enumerate(demonstrations[:4])])  # fmt: skip
    further = FurtherTolerances(make_task(config.task), cell.num_envs, REPORTED_TOLERANCES_M)
    results = list(run_attempts(cell, config, {"B": Recall(demonstrations)},
                                lambda env, result: next(specs, None),
                                max_episode_steps=240, seed=0, further=further))  # fmt: skip
    assert sorted(result.spec.index for result in results) == [0, 1, 2, 3]
    assert all(result.success for result in results)
    for result in results:
        assert len(result.joint_pos) == len(result.episode) <= 240
        assert result.final_error_m < 0.02
    result = summarize_evaluation(results, config.task.distance_threshold, make_task(config.task).failures)
    assert {rate["successes"] for rate in result["rates"].values()} == {4}
    assert result["successes"] == 4 and [row["success"] for row in result["episodes"]] == [True] * 4


def test_after_a_success_the_hand_may_leave_and_that_belongs_to_the_episode(cell, config, demonstrations):
    """Judged as without it; read backwards it is how Task A comes from anywhere to the object."""
    ends = np.float32([[0.4 + 0.05 * i, 0.2 - 0.1 * i, 0.25, 1, 0, 0, 0] for i in range(4)])
    specs = [EpisodeSpec("B", e.target_pose, e.ee_pose[0], e.obj_pose[0], i) for i, e in enumerate(demonstrations[:4])]
    leaving = [replace(spec, ee_end=end) for spec, end in zip(specs, ends, strict=True)]
    stay, leave = (
        sorted(
            run_attempts(
                cell, config, {"B": Recall(demonstrations)}, FixedStarts(some).assign, max_episode_steps=240, seed=0
            ),
            key=lambda result: result.spec.index,
        )
        for some in (specs, leaving)
    )
    for short, whole, end in zip(stay, leave, ends, strict=True):
        assert (
            (short.success, short.final_error_m) == (whole.success, whole.final_error_m) == (True, short.final_error_m)
        )
        until = len(short.episode)
        assert len(whole.joint_pos) == len(whole.episode) > until + 15
        np.testing.assert_array_equal(whole.episode.action[:until], short.episode.action)
        np.testing.assert_allclose(whole.episode.ee_pose[-1, :3], end[:3], atol=0.005)
        np.testing.assert_allclose(np.ptp(whole.episode.obj_pose[until:, :3], axis=0), 0, atol=0.001)
        assert (whole.episode.action[until:, 7] == keys.GRIPPER_OPEN).all()
    backwards = [reverse_episode(r.episode, goal_of(r.episode), config.reversal.gripper_lead_steps) for r in leave]
    outcomes = list(replay(cell, config, "A", backwards))
    assert all(outcome.success for outcome in outcomes)
    np.testing.assert_allclose([o.replayed.ee_pose[0, :3] for o in outcomes], ends[:, :3], atol=0.005)


class Still:
    """Never moves, hence never succeeds."""

    n_obs_steps, n_action_steps, uses_images, observation_keys = 2, 8, False, ["observation.state"]

    def plan(self, history, generator):
        hand = history["observation.state"][:, -1:, :7]
        return torch.cat([hand, torch.ones(len(hand), 1, 1)], -1).repeat(1, 8, 1)


def test_a_teacher_begins_where_the_policy_was_stopped_and_finishes_the_task(cell, config, demonstrations):
    """From the demonstrations' own starts, which is where the stand-in of a teacher knows what to do."""
    corrections = Corrections(config.with_leaves({"rollout.max_episode_steps": 20}), "B", range(4), seed=0)

    def assign(env, result):
        spec = corrections.assign(env, result)
        if spec is None or spec.policy == TEACHER:
            return spec
        known = demonstrations[spec.index]
        return replace(spec, target_pose=known.target_pose, ee_pose=known.ee_pose[0], obj_pose=known.obj_pose[0])

    policies = {PUPIL: Still(), TEACHER: Recall(demonstrations)}
    results = list(run_attempts(cell, config, policies, assign, max_episode_steps=240, seed=0))
    by_actor = {
        actor: sorted((r for r in results if r.spec.policy == actor), key=lambda r: r.spec.index) for actor in policies
    }
    assert [len(each) for each in by_actor.values()] == [4, 4]
    for before, after in zip(*by_actor.values(), strict=True):
        assert len(before.episode) == before.spec.max_steps and not before.success
        assert corrected(after) and not corrected(before)
        np.testing.assert_allclose(after.episode.obj_pose[0], before.episode.obj_pose[-1], atol=1e-3)
        np.testing.assert_allclose(after.episode.ee_pose[0], before.episode.ee_pose[-1], atol=2e-3)


def test_what_the_policy_has_lifted_the_teacher_need_not_lift_again(cell, config, demonstrations):
    lowering = [int(np.flatnonzero(e.obj_pose[:, 2] > config.task.height_threshold)[-1]) + 1 for e in demonstrations]
    stops = [-(-step // 8) * 8 for step in lowering]  # at the end of a chunk, with which the stand-in goes on
    corrections = Corrections(config, "B", range(4), seed=0)

    def assign(env, result):
        spec = corrections.assign(env, result)
        if spec is None or spec.policy == TEACHER:
            return spec
        known = demonstrations[spec.index]
        begin = {"target_pose": known.target_pose, "ee_pose": known.ee_pose[0], "obj_pose": known.obj_pose[0]}
        return replace(spec, **begin, max_steps=stops[spec.index])

    both = Recall(demonstrations)
    results = list(run_attempts(cell, config, {PUPIL: both, TEACHER: both}, assign, max_episode_steps=240, seed=0))
    taught = [result for result in results if result.spec.policy == TEACHER]
    assert len(taught) == 4 and all(corrected(result) for result in taught)
    assert all(result.episode.obj_pose[:, 2].max() < config.task.height_threshold for result in taught)


def test_chains_end_at_their_first_failure(cell, config):
    chains = Chains(config, cell.num_envs, max_cycles=3, seed=0)
    still = {"A": Still(), "B": Still()}
    results = list(run_attempts(cell, config, still, chains.assign, max_episode_steps=12, seed=0))
    assert [result.failure for result in results] == ["never_reached"] * cell.num_envs
    assert all(len(result.episode) == 12 for result in results)
    metrics = chains.metrics()
    assert metrics["A"]["attempts"] == cell.num_envs and metrics["B"]["attempts"] == 0
    assert metrics["consecutive_success"]["max"] == 0
    assert {chain["ended_by"] for chain in metrics["chains"]} == {"A:never_reached"}


def test_chains_that_are_reset_give_both_tasks_data(cell, config):
    chains = Chains(config, cell.num_envs, max_cycles=1, seed=0, after_failure="reset")
    still = {"A": Still(), "B": Still()}
    results = list(run_attempts(cell, config, still, chains.assign, max_episode_steps=8, seed=0))
    assert sorted(result.spec.task for result in results) == ["A"] * cell.num_envs + ["B"] * cell.num_envs
    assert chains.metrics()["consecutive_success"]["max"] == 0


def test_the_chain_with_most_cycles_is_shown(cell, config, tmp_path):
    chains = Chains(config, cell.num_envs, max_cycles=3, seed=0)
    videos = ChainVideos(chains)
    for result in run_attempts(cell, config, {"A": Still(), "B": Still()}, chains.assign, max_episode_steps=12, seed=0):
        for _ in range(3 if result.env == 2 else 1):
            videos.add(result)
    chains.cycles[2] = 1  # as if
    with av.open(str(videos.write_longest(cell, tmp_path / "x.mp4"))) as video:
        assert len(list(video.decode(video=0))) == 3 * 12 / EVERY


class Recite:
    """Recorded commands from the first, whatever is observed."""

    n_obs_steps, n_action_steps, uses_images, observation_keys = 2, 8, False, ["observation.state"]

    def __init__(self, action):
        self.action, self.plans = action, 0

    def plan(self, history, generator):
        rows = np.minimum(np.arange(8 * self.plans, 8 * self.plans + 8), len(self.action) - 1)
        self.plans += 1
        return torch.from_numpy(self.action[rows])[None]


def test_after_a_failure_the_same_environment_goes_on_without_a_reset(cell, config, demonstrations, tmp_path):
    """A does nothing about an object at the goal; B begins where A has left things, and brings it away."""
    shown = demonstrations[0]
    chains, counted = (
        Chains(config, 1, max_cycles=2, seed=0, after_failure="recover", max_retries=2) for _ in range(2)
    )
    goal = make_task(config.task).sample_target("A", np.random.default_rng(0))

    def assign(env, result):
        if result is None:
            return None if env else EpisodeSpec("A", goal, shown.ee_pose[0], shown.obj_pose[0])
        following = chains.assign(env, result)
        return None if result.success else replace(following, target_pose=shown.target_pose)

    policies, videos, results = {"A": Still(), "B": Recite(shown.action)}, ChainVideos(counted), []
    for result in run_attempts(cell, config, policies, assign, max_episode_steps=240, seed=0):
        counted.count(result.env, result)  # as the process does that is told the results
        videos.add(result)
        results.append(result)
    first, second = results
    assert (first.success, first.spec.task, len(first.episode)) == (False, "A", 240)
    assert second.success and second.spec.task == "B" and second.spec.ee_pose is None
    np.testing.assert_allclose(second.episode.obj_pose[0], first.episode.obj_pose[-1], atol=1e-4)
    np.testing.assert_allclose(second.episode.ee_pose[0], first.episode.ee_pose[-1], atol=1e-3)
    practice = counted.metrics()["practice"]
    assert practice["interventions"] == 0 and practice["runs_of_failures"]["lengths"] == {"1": 1}
    (path,) = videos.write_recoveries(cell, tmp_path)
    with av.open(str(path)) as video:
        assert path.name == "recovered1.mp4" and len(list(video.decode(video=0))) == sum(
            len(range(0, r.control_steps, EVERY)) for r in results
        )


class Clench(Still):
    """Stays where it is and closes the fingers; counts its plans."""

    def __init__(self):
        self.plans = 0

    def plan(self, history, generator):
        self.plans += 1
        return super().plan(history, generator) * torch.tensor([1.0] * 7 + [-1])


def test_fingers_that_have_closed_on_nothing_are_opened_above_the_table_before_the_policy_plans(cell, config):
    chains = Chains(config, 1, max_cycles=1, seed=0, after_failure="recover", max_retries=1)
    low = EpisodeSpec(
        "A", *(np.float32([*place, 1, 0, 0, 0]) for place in ((0.5, 0, 0.02), (0.4, 0.2, 0.03), (0.4, 0.1, 0.02)))
    )
    clench = Clench()

    def assign(env, result):
        return (low if result is None else chains.assign(env, result)) if env == 0 else None

    first, second = run_attempts(cell, config, {"A": clench, "B": Still()}, assign, max_episode_steps=32, seed=0)
    assert first.episode.gripper_width[-1] < 0.01 and first.spec.free_at_z is None
    assert second.spec.free_at_z == pytest.approx(first.episode.ee_pose[-1, 2], abs=1e-6)
    assert len(second.freeing_obj_pose) == 1 + 6 + 12 and len(second.episode) == 30  # its steps are its own
    assert len(second.joint_pos) == second.control_steps == 19 + 30
    fingers = second.joint_pos[:, -2:].sum(1)
    assert fingers[0] < 0.01 and fingers[7] > 0.06
    assert second.episode.ee_pose[0, 2] > 0.13 and second.episode.gripper_width[0] > 0.07
    assert (second.episode.action[:, 7] == -1).all()  # what freed the hand is nothing to learn from
    assert clench.plans == 4 + 5  # at steps 0, 8, 16 and 24, then when it has risen, and at each common step
    np.testing.assert_allclose(second.episode.obj_pose[-1], first.episode.obj_pose[0], atol=1e-3)


def test_after_a_failure_the_hand_may_begin_elsewhere(cell, config):
    chains = Chains(config, cell.num_envs, max_cycles=1, seed=0, after_failure="recover", max_retries=1, move_away=True)
    still = {"A": Still(), "B": Still()}
    results = list(run_attempts(cell, config, still, chains.assign, max_episode_steps=12, seed=0))
    firsts, seconds = ({r.env: r for r in results if (r.spec.ee_pose is None) is again} for again in (False, True))
    assert len(firsts) == len(seconds) == cell.num_envs
    for env, second in seconds.items():
        assert second.spec.task == "A" and len(second.episode) == 12 and len(second.freeing_obj_pose) > 8
        np.testing.assert_allclose(second.episode.ee_pose[0, :3], second.spec.ee_begin[:3], atol=0.005)
        np.testing.assert_allclose(second.episode.obj_pose[0], firsts[env].episode.obj_pose[-1], atol=1e-3)
    assert len({tuple(second.spec.ee_begin) for second in seconds.values()}) == cell.num_envs


def test_an_attempt_whose_fingers_stay_closed_on_nothing_may_end_early(cell, config):
    poses = [np.float32([*at, 1, 0, 0, 0]) for at in ((0.5, 0, 0.02), (0.4, 0.2, 0.2), (0.4, 0.1, 0.02))]
    specs = [EpisodeSpec("A", *poses, max_closed_on_nothing=steps) for steps in (None, 10)]
    results = run_attempts(cell, config, {"A": Clench()}, FixedStarts(specs).assign, max_episode_steps=24, seed=0)
    assert sorted(len(result.episode) for result in results) == [10, 24]


@pytest.mark.parametrize("while_it", ["lifts", "carries"])
def test_what_a_failed_attempt_holds_is_put_down_where_it_is_before_the_next(cell, config, demonstrations, while_it):
    """To put it down is nobody's success, not even at A's goal, and not the lift that a success asks for."""
    shown = demonstrations[0]
    high = np.flatnonzero(shown.obj_pose[:, 2] > 0.18)
    cut = int(high[0 if while_it == "lifts" else -1]) + 1  # B is stopped above the goal, or on its way
    chains = Chains(config, 1, max_cycles=2, seed=0, after_failure="recover", max_retries=2)
    begin = EpisodeSpec("B", shown.target_pose, shown.ee_pose[0], shown.obj_pose[0])

    def assign(env, result):
        return None if env else begin if result is None else chains.assign(env, result)

    attempts = run_attempts(
        cell, config, {"A": Still(), "B": Recite(shown.action)}, assign, max_episode_steps=cut, seed=0
    )
    first, second = next(attempts), next(attempts)
    held_at, put_down = first.episode.obj_pose[-1], second.episode.obj_pose[0]
    assert held_at[2] > 0.15 and first.episode.gripper_width[-1] < 0.06
    at_goal = np.linalg.norm(held_at[:2] - config.task.goal_xy) < 0.03
    assert second.spec.task == "A" and at_goal == (while_it == "lifts")
    assert second.freeing_obj_pose[0, 2] == pytest.approx(held_at[2], abs=0.02)
    assert put_down[2] == pytest.approx(0.02, abs=0.002) and np.linalg.norm(put_down[:2] - held_at[:2]) < 0.03
    assert second.episode.gripper_width[0] > 0.07 and second.episode.ee_pose[0, 2] > 0.13
    assert (second.success, second.failure, len(second.episode)) == (False, "never_reached", cut)


def test_where_a_stuck_attempt_puts_the_object_down_is_a_target_reached(cell, config, demonstrations):
    """B stops on its way and stays there: the attempt ends, and shows Task B that place, and Task A the way back."""
    task, shown = make_task(config.task), demonstrations[0]
    away = np.linalg.norm(shown.obj_pose[:, :2] - config.task.goal_xy, axis=1)
    cut = int(np.flatnonzero((shown.obj_pose[:, 2] > 0.18) & (away > config.task.min_goal_distance))[0]) + 1
    ends = np.float32([0.45, 0.1, 0.25, 1, 0, 0, 0])
    spec = EpisodeSpec("B", shown.target_pose, shown.ee_pose[0], shown.obj_pose[0], max_still=20, ee_end=ends)
    policy = {"B": Recite(shown.action[:cut])}
    (result,) = run_attempts(cell, config, policy, FixedStarts([spec]).assign, max_episode_steps=240, seed=0)
    assert not result.success and cut < len(result.episode) < 240 and not result.episode.success
    lies_at = result.episode.obj_pose[-1]
    assert lies_at[2] == pytest.approx(0.02, abs=0.002)
    np.testing.assert_allclose(result.episode.ee_pose[-1, :3], ends[:3], atol=0.005)
    reached = relabel(task, result.episode)
    np.testing.assert_allclose(reached.target_xy, lies_at[:2], atol=0.002)
    assert np.linalg.norm(reached.target_xy - shown.target_xy) > 0.01
    still = [np.ptp(reached.ee_pose[i : i + 20, :3], axis=0).max() < 0.005 for i in range(len(reached) - 20)]
    assert not any(still) and len(reached) < cut + 80  # nobody is shown how to wait
    backwards = reverse_episode(reached, goal_of(reached), config.reversal.gripper_lead_steps)
    (outcome,) = replay(cell, config, "A", [backwards])
    assert outcome.success


class Looks:
    """A policy that sees; says at which steps it has planned. An image's value is the step it was taken at."""

    n_obs_steps, n_action_steps, uses_images = 1, 8, True

    def __init__(self):
        self.observation_keys, self.planned_at = [keys.OBS_STATE, *keys.CAMERAS], []

    def plan(self, history, generator):
        self.planned_at.append(int(history[next(iter(keys.CAMERAS))].max()))
        return torch.from_numpy(Still().plan(history, generator).numpy())


@pytest.mark.parametrize("lowered_by_m", [0.0, 0.015, 0.05, 0.1])
def test_a_policy_that_sees_begins_at_a_step_that_is_rendered_also_where_the_hand_is_freed_first(config, lowered_by_m):
    task, policy = make_task(config.task), Looks()
    controller = Controller({"A": policy}, task, 1, seed=0)
    seen = Observation(np.float32([[0.5, 0, 0.2, 1, 0, 0, 0]]), np.float32([[0.4, 0, 0.02, 1, 0, 0, 0]]), np.zeros(1))
    target, begun, rendered = np.float32([0.5, 0, 0.02, 1, 0, 0, 0]), [], []
    for step in range(80):
        if step == 0 or (step == 16 and controller.may_begin(EpisodeSpec("A", target))):
            height = None if step == 0 else 0.2 - lowered_by_m
            controller.start(0, EpisodeSpec("A", target, free_at_z=height))
        begun += [step] if controller.begins(0) else []
        rendered += [step] if controller.looks() else []
        images = [np.full((1, 4, 4, 3), step, np.uint8)] * 2 if controller.looks() else None
        controller.act(seen, images)
    assert begun[0] == 0 and begun[1] > 16 + 18 and begun[1] % 8 == 0 and len(begun) == 2
    assert policy.planned_at == [0, 8, *range(begun[1], 80, 8)] and set(policy.planned_at) <= set(rendered)


def test_an_intervention_resets_the_environment_and_is_shown(cell, config, tmp_path):
    chains = Chains(config, cell.num_envs, max_cycles=1, seed=0, after_failure="recover", max_retries=0)
    counted, results = Chains(config, cell.num_envs, 1, 0, 0, "recover", 0), []
    videos = ChainVideos(counted)
    for result in run_attempts(cell, config, {"A": Still(), "B": Still()}, chains.assign, max_episode_steps=8, seed=0):
        counted.count(result.env, result)
        results.append(result)
        videos.add(result)
    assert all(result.spec.ee_pose is not None and result.spec.task == "A" for result in results)
    assert counted.metrics() == chains.metrics() and counted.metrics()["practice"]["interventions"] == len(results)
    names = [path.name for path in videos.write_recoveries(cell, tmp_path)]
    assert names == ["intervention1.mp4", "intervention2.mp4"]


def test_evaluation_starts_are_shared_and_prefixes(config):
    few, many = (evaluation_starts(config.task, "A", 3, count) for count in (4, 9))
    for a, b in zip(few, many):
        np.testing.assert_array_equal(a.obj_pose, b.obj_pose)
        np.testing.assert_array_equal(a.ee_pose, b.ee_pose)
    assert not np.array_equal(evaluation_starts(config.task, "A", 4, 1)[0].obj_pose, few[0].obj_pose)
