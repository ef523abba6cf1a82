"""The expert, reversal and replay in the real simulator."""

from itertools import islice

import numpy as np
import pytest

from rev2fwd_il import keys
from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.method.demonstration import demonstrate
from rev2fwd_il.method.expert import command_sequence
from rev2fwd_il.method.replay import replay, summarize_replays
from rev2fwd_il.method.reversal import goal_of, reverse_episode
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.task import Waypoint


def test_the_expert_succeeds_and_its_actions_are_tracked(demonstrations):
    assert all(episode.success for episode in demonstrations)
    for episode in demonstrations:
        error = np.linalg.norm(episode.action[:-1, :3] - episode.ee_pose[1:, :3], axis=1)
        assert np.percentile(error, 99) < 0.012


def succeeds(task, episode):
    """What an episode's own frames say."""
    detector = make_task(task).success_detector(1)
    detector.start(np.array([0]), ["B"], episode.target_pose[None], episode.obj_pose[:1])
    frames = zip(episode.ee_pose[1:], episode.obj_pose[1:], episode.gripper_width[1:], strict=True)
    return any([detector.update(ee[None], obj[None], width[None])[0] for ee, obj, width in frames])


def test_a_demonstration_succeeds_by_its_own_frames_whatever_runs_beside_it(cell):
    """Asked to rest for a second, short ones come to it only while longer ones beside them still run."""
    config = with_changes(["task.hold_steps=30"])
    episodes = list(islice(demonstrate(cell, config, "B", 7, images=False), cell.num_envs))
    assert not all(episode.success for episode in episodes)
    for episode in episodes:
        if episode.success:  # the last step's observation is no frame
            assert succeeds(config.task.model_copy(update={"hold_steps": 29}), episode)


@pytest.mark.parametrize(("setting", "wrong_at"), [("pose_noise", 0), ("target_noise", 1)])
def test_what_an_expert_is_told_wrongly_moves_its_way_and_no_start(cell, demonstrations, setting, wrong_at):
    """The object, or the target, is told up to 2 cm off in x and y, each attempt by an error of its own."""
    config = with_changes([f"demos.{setting}=0.02"])
    misled = list(islice(demonstrate(cell, config, "B", 7, images=False), cell.num_envs))
    errors = []
    for right, wrong in zip(demonstrations, misled, strict=True):
        for name in ("obj_pose", "ee_pose"):
            np.testing.assert_array_equal(getattr(wrong, name)[0], getattr(right, name)[0])
        np.testing.assert_array_equal(wrong.target_pose, right.target_pose)
        grasps = [e.action[np.flatnonzero(np.diff(e.action[:, 7])), :2] for e in (right, wrong)]  # (2, 2): pick, place
        off = grasps[1] - grasps[0]
        errors.append(off[wrong_at])
        np.testing.assert_allclose(off[1 - wrong_at], 0, atol=1e-5)
    errors = np.abs(errors)
    assert errors.max() <= 0.02 + 1e-6 and errors.max() > 0.01 and len(np.unique(errors.round(5))) == errors.size


def test_noise_on_commands_reaches_the_arm_and_not_the_record(cell, demonstrations):
    config = with_changes(["demos.command_noise=0.003"])
    disturbed = list(islice(demonstrate(cell, config, "B", 7, images=False), cell.num_envs))
    off = []
    for right, noisy in zip(demonstrations, disturbed, strict=True):
        np.testing.assert_array_equal(noisy.action, right.action)
        off.append(noisy.ee_pose[1:, :3] - noisy.action[:-1, :3])
    assert 0.001 < np.concatenate(off).std() < 0.005


def test_the_final_error_of_a_replay_is_that_of_the_episode(cell, config, demonstrations):
    """Cut short while the object is in the air, alone and beside longer ones."""
    first = demonstrations[0]
    until = int(first.obj_pose[:, 2].argmax())
    states = ("ee_pose", "obj_pose", "action", "gripper_width")
    short = first.replace(**{name: getattr(first, name)[:until] for name in states})
    short.action[-1, 7] = 1.0  # opened in mid-air at last: the object still tumbles when the episode is over
    (alone,) = replay(cell, config, "B", [short])
    beside, *_ = replay(cell, config, "B", [short, *demonstrations[1:]])
    assert alone.final_error_m == beside.final_error_m and alone.failure == beside.failure


def test_reversed_demonstrations_replay(cell, config, demonstrations):
    backwards = [reverse_episode(e, goal_of(e), config.reversal.gripper_lead_steps) for e in demonstrations]
    outcomes = list(replay(cell, config, "A", backwards))
    result = summarize_replays(outcomes)
    assert result["succeeded"] == len(backwards)
    assert result["tracking_error_mean_m"] < 0.002
    assert all(outcome.replayed.obj_pose[0, 2] < 0.03 for outcome in outcomes)


def test_replay_refuses_trajectories_that_never_close_the_gripper(cell, config, demonstrations):
    """The replay judges what happens, not what was recorded: with the gripper always open nothing is lifted."""
    wrong = []
    for episode in demonstrations:
        backwards = reverse_episode(episode, goal_of(episode), config.reversal.gripper_lead_steps)
        action = backwards.action.copy()
        action[:, 7] = 1.0
        wrong.append(backwards.replace(action=action))
    outcomes = list(replay(cell, config, "A", wrong))
    assert not any(outcome.success for outcome in outcomes)
    assert {outcome.failure for outcome in outcomes} <= {"missed_grasp", "never_reached"}
    assert all(outcome.departure_step is not None for outcome in outcomes)


def test_an_object_that_is_pushed_away_after_its_success_is_none(cell, config, demonstrations):
    """The same demonstration, and then the hand comes back and sweeps over the table."""
    shown = demonstrations[0]
    x, y = shown.target_xy
    corners = ((x, y + 0.1, 0.2), (x, y + 0.1, 0.02), (x, y - 0.1, 0.02))
    way = [Waypoint(np.array([*corner, 1, 0, 0, 0]), keys.GRIPPER_OPEN, 0.25) for corner in corners]
    action = np.concatenate([shown.action, command_sequence(shown.action[-1, :7], way)])
    more = len(action) - len(shown)
    stay = {
        name: np.concatenate([values := getattr(shown, name), np.repeat(values[-1:], more, 0)])
        for name in ("ee_pose", "obj_pose", "gripper_width")
    }
    kept, swept = replay(cell, config, "B", [shown, shown.replace(action=action, **stay)])
    assert kept.success and not swept.success and swept.final_error_m > 0.05
