"""The image policy's whole path, small: record both cameras, train on pictures, act by them, record again."""

from itertools import islice

import numpy as np
import pytest
import torch

from rev2fwd_il import keys
from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.data.reading import DatasetWriter, Episode, EpisodeDataset
from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset
from rev2fwd_il.learning.inference import load_policy
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.demonstration import demonstrate
from rev2fwd_il.method.rollout import run_attempts
from rev2fwd_il.method.turned import TurnedDemonstrations
from rev2fwd_il.method.views import _shown, views
from rev2fwd_il.running.provenance import made_by
from rev2fwd_il.tasks import make_task, observation

SETTINGS = [
    "policy.images=true", "policy.include_obj_pose=false", "policy.down_dims=[16,32]",
    "policy.diffusion_step_embed_dim=16", "train.batch_size=2", "train.warmup_steps=1", "rollout.images=true",
]  # fmt: skip

VIEWED = (keys.EE_POSE, keys.OBJ_POSE, keys.GRIPPER_WIDTH)


@pytest.fixture(scope="module")
def recorded(cell, config, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "B.npz"
    with DatasetWriter(path, made_by(config, task="B", seed=3, kind="demonstrations")) as writer:
        for episode in islice(demonstrate(cell, config, "B", 3, images=True), 2):
            writer.add(episode)
    return path


@pytest.fixture(scope="module")
def policy(recorded):
    config = with_changes(SETTINGS)
    write_lerobot_dataset([Source(recorded)], recorded.parent / "dataset", images=True)
    return load_policy(train(TrainingRun(recorded.parent / "dataset", recorded.parent / "run", config, 2, 1e-4)))


@pytest.fixture(scope="module")
def shown(cell, recorded):
    """The recorded episodes replayed with images, then a moved copy of each."""
    config = with_changes(
        ["views.copies=1", "policy.images=true", "policy.n_obs_steps=1", "policy.include_obj_pose=false"]
    )
    (episodes,) = views(cell, config, "B", EpisodeDataset(recorded), seed=0)
    return episodes


def test_views_are_the_demonstrations_and_copies_from_beside_their_paths(recorded, shown):
    demonstrations = list(EpisodeDataset(recorded))
    assert len(shown) == 2 * len(demonstrations)
    for episode, original, copy in zip(demonstrations, shown[:2], shown[2:], strict=True):
        np.testing.assert_allclose(original.ee_pose, episode.ee_pose, atol=2e-3)
        assert np.abs(original.images.astype(int) - episode.images).mean() < 2
        np.testing.assert_array_equal(copy.action, episode.action)
        moved = copy.ee_pose[:, :3] - original.ee_pose[:, :3]
        assert 0.001 < moved[:, :2].std() < 0.008 and not moved[:, 2].any()
        held = (original.gripper_width < 0.05) & (original.obj_pose[:, 2] > 0.05)
        assert held.sum() > 20
        carried = (copy.obj_pose - original.obj_pose)[held, :3]
        np.testing.assert_allclose(carried, moved[held], atol=1e-4)


def test_turned_demonstrations_do_the_task_where_they_lead(cell, config, recorded):
    """By the simulator's word: as many successes as demonstrations, at targets of their own."""
    seeing = with_changes(["views.turned=1", "policy.images=true", "policy.include_obj_pose=false"])
    task, original = make_task(config.task), EpisodeDataset(recorded)
    batches = views(cell, seeing, "B", TurnedDemonstrations(task, original, 1, seed=0), seed=0)
    episodes = [episode for batch in batches for episode in batch]
    assert len(episodes) == 2 * len(original) and all(episode.success for episode in episodes)
    for demonstration, same, version in zip(original, episodes[::2], episodes[1::2], strict=True):
        np.testing.assert_allclose(same.ee_pose, demonstration.ee_pose, atol=2e-3)
        assert np.linalg.norm(version.obj_pose[-1, :2] - version.target_xy) < 0.03
        assert np.linalg.norm(version.target_xy - demonstration.target_xy) > 0.01
        assert np.abs(version.images[-1].astype(int) - demonstration.images[-1]).mean() > 0.5


def test_copies_show_the_hand_where_they_say_it_is(cell, shown):
    """Rendered anew from the copy's states, from home: the arm may bend otherwise, what is near the hand is alike."""
    copy, original = shown[2], shown[0]
    frames = np.linspace(0, len(copy) - 1, cell.num_envs).astype(int)
    for episode, closest in ((copy, True), (original, False)):
        cell.show_target(np.arange(cell.num_envs), np.tile(copy.target_xy, (cell.num_envs, 1)))
        cell.reset(np.arange(cell.num_envs), *(getattr(episode, name)[frames] for name in VIEWED))
        wrist = cell.images()[1].astype(int)
        errors = [np.abs(wrist - each.wrist_images[frames]).mean() for each in (copy, original)]
        assert (errors[0] < errors[1]) == closest


def test_where_a_stretched_arm_cannot_be_moved_on_a_copys_frame_is_the_originals(cell, shown):
    whole = shown[0]
    fields = ("ee_pose", "obj_pose", "action", "gripper_width", "images", "wrist_images")
    original = whole.replace(**{name: getattr(whole, name)[:3] for name in fields})
    moved = original.ee_pose + np.float32([[0, 0.004, 0, 0, 0, 0, 0]])
    moved[1, 0] += 1
    cell.reset(
        np.arange(cell.num_envs), *(np.tile(getattr(original, name)[0], (cell.num_envs, 1)) for name in VIEWED[:2])
    )
    joints = [cell.joint_pos()] * 3
    (copy,) = _shown(cell, joints, {0: original}, {0: original.replace(ee_pose=moved.copy())})
    np.testing.assert_array_equal(copy.ee_pose[1], original.ee_pose[1])
    np.testing.assert_array_equal(copy.ee_pose[::2], moved[::2])
    assert copy.images.shape == original.images.shape


def test_it_sees_pictures_and_no_object_pose(policy, config):
    assert policy.uses_images and not policy.uses_obj_pose
    assert policy.image_size == (config.sim.image_height, config.sim.image_width)


def test_what_it_does_depends_on_what_the_cameras_show(policy, recorded):
    episode = EpisodeDataset(recorded)[0]
    history = {
        keys.OBS_STATE: torch.zeros(1, 2, 8),
        keys.OBS_TABLE_IMAGE: torch.from_numpy(episode.images[None, :2]),
        keys.OBS_WRIST_IMAGE: torch.from_numpy(episode.wrist_images[None, :2]),
    }
    seen = policy.plan(history, torch.Generator().manual_seed(0))
    dark = policy.plan(history | {keys.OBS_TABLE_IMAGE: 0 * history[keys.OBS_TABLE_IMAGE]},
                       torch.Generator().manual_seed(0))  # fmt: skip
    assert not torch.equal(seen, dark)


def scenes(cell, task, seed, batches):
    """Objects anywhere on the table, seen from one posture of the arm; the command is to go to the object."""
    above = np.tile(np.float32([0.45, 0, 0.3, 0, 1, 0, 0]), (cell.num_envs, 1))
    for index in range(batches):
        start = task.sample_initial_states("A", np.random.default_rng([seed, index]), cell.num_envs)
        seen = cell.reset(np.arange(cell.num_envs), above, start.obj_pose)
        command = np.concatenate([start.obj_pose[:, :3], above[:, 3:], np.ones((cell.num_envs, 1))], -1)
        for env, (table, wrist) in enumerate(zip(*cell.images(), strict=True)):
            rows = (seen.ee_pose[env], seen.obj_pose[env], np.float32(command[env]), seen.gripper_width[env])
            ee_pose, obj_pose, action, width, table, wrist = (row[None] for row in (*rows, table, wrist))
            target = start.target_pose[env]
            yield Episode(ee_pose, obj_pose, action, width, target[:2], True, table, wrist, target_pose=target)


def test_where_it_goes_follows_where_the_object_is_in_the_image(cell, config, tmp_path):
    """Trained on 96 images, shown 24 others: the arm is at one place in all of them, only the images differ."""
    task, path = make_task(config.task), tmp_path / "scenes.npz"
    with DatasetWriter(path, made_by(config, task="A", seed=0, kind="demonstrations")) as writer:
        for episode in scenes(cell, task, 0, 16):
            writer.add(episode)
    write_lerobot_dataset([Source(path)], tmp_path / "dataset", images=True, exact=True)  # checks want whole episodes
    settings = [
        "policy.n_obs_steps=1", "policy.crop_ratio=1.0", "policy.backbone_stages=1",
        "policy.diffusion.use_separate_rgb_encoder_per_camera=false", "train.batch_size=32", "train.ema_decay=0.9",
    ]  # fmt: skip
    run = TrainingRun(tmp_path / "dataset", tmp_path / "run", with_changes(SETTINGS + settings), 200, 2e-3)
    policy, others = load_policy(train(run)), list(scenes(cell, task, 1, 4))
    seen = {keys.OBS_TABLE_IMAGE: "images", keys.OBS_WRIST_IMAGE: "wrist_images"}
    history = {key: torch.from_numpy(np.stack([getattr(e, name)[:1] for e in others])) for key, name in seen.items()}
    state = np.stack([observation.state(episode.ee_pose[:1], episode.gripper_width[:1]) for episode in others])
    planned = policy.plan(history | {keys.OBS_STATE: torch.from_numpy(state)}, torch.Generator().manual_seed(0))
    objects = np.stack([episode.obj_pose[0, :2] for episode in others])
    errors = np.linalg.norm(planned[:, 0, :2].numpy() - objects, axis=-1)
    blind = np.linalg.norm(objects.mean(0) - objects, axis=-1)
    assert np.median(errors) < 0.3 * np.median(blind), (np.median(errors), np.median(blind))


def test_images_are_rendered_for_plans_alone(policy, cell, monkeypatch):
    """Two frames are observed, at steps 11 and 12, 23 and 24, ...; the first attempt's at step 0 twice."""
    config, rendered, steps = with_changes(SETTINGS), [], []
    render, step = cell.images, cell.step
    monkeypatch.setattr(cell, "images", lambda: rendered.append(len(steps)) or render())
    monkeypatch.setattr(cell, "step", lambda action: steps.append(action) or step(action))
    chains = Chains(config, cell.num_envs, max_cycles=1, seed=0)
    list(run_attempts(cell, config, {"A": policy, "B": policy}, chains.assign, max_episode_steps=26, seed=0))
    assert (policy.n_obs_steps, policy.n_action_steps) == (2, 12)
    assert rendered == [0, 11, 12, 23, 24]


def test_rollouts_through_the_cameras_are_data_for_the_next_training(policy, cell, recorded, tmp_path):
    config = with_changes(SETTINGS)
    chains = Chains(config, cell.num_envs, max_cycles=1, seed=0)
    results = run_attempts(
        cell,
        config,
        {"A": policy, "B": policy},
        chains.assign,
        max_episode_steps=10,
        seed=0,
        images=config.rollout.images,
    )
    with DatasetWriter(tmp_path / "rollouts.npz", made_by(config, task="A", seed=0, kind="rollouts")) as writer:
        for result in results:
            writer.add(result.episode)
    rollouts = EpisodeDataset(tmp_path / "rollouts.npz")
    assert len(rollouts) == cell.num_envs
    first = rollouts[0]
    assert first.images.shape == (10, config.sim.image_height, config.sim.image_width, 3)
    assert np.ptp(first.images[0]) > 50 and not np.array_equal(first.images[0], first.images[-1])
    sources = [Source(recorded), Source(tmp_path / "rollouts.npz", "rollout")]
    sidecar = write_lerobot_dataset(sources, tmp_path / "merged", images=True, include_failures=True)
    assert [source["episodes"] for source in sidecar["sources"]] == [2, cell.num_envs]
