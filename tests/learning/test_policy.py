"""Normalisation and relative actions: undone exactly, frozen in the checkpoint, right in LeRobot's own loop."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors
from lerobot.processor import RelativeActionsProcessorStep
from tiny import tiny_config

from rev2fwd_il import keys
from rev2fwd_il.errors import CheckpointError, ConfigError
from rev2fwd_il.learning.checkpoints import last_checkpoint
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.inference import ChunkPolicy, load_policy
from rev2fwd_il.learning.normalization import ACTION_UNIT, MIN_HALF_RANGE, MIN_HALF_RANGE_QUATERNION, make_stats
from rev2fwd_il.learning.policy import check_fits, load_bundle, make_policy, observation_keys, policy_input
from rev2fwd_il.learning.windows import ACTION_IS_PAD, cut_windows


@pytest.fixture(scope="module")
def store(dataset):
    return load_frames(dataset)


def build(store, **policy):
    config = tiny_config(policy).policy
    stats = make_stats(store, observation_keys(config), 2, 16, config.relative_action)
    return make_policy(config, store, stats, "cpu"), stats


def windows(store, bundle, anchors=range(0, 600, 50)):
    return cut_windows(store, torch.tensor(list(anchors)), 2, 16, list(bundle.config.input_features))


def network_input(bundle, batch):
    """What the network is given of `batch`."""
    given = policy_input(bundle, batch)
    seen = {}
    inner = bundle.policy.diffusion

    def compute_loss(batch):
        seen.update(batch)
        return torch.zeros(())

    inner.compute_loss, former = compute_loss, inner.compute_loss
    bundle.policy(given)
    inner.compute_loss = former
    return seen


@pytest.mark.parametrize("relative", [True, False])
def test_observations_are_normalised_into_the_unit_range_and_actions_into_their_units(store, relative):
    bundle, _ = build(store, relative_action=relative)
    raw = windows(store, bundle, range(len(store)))
    batch = network_input(bundle, raw)
    inside = batch[keys.ACTION][~batch[ACTION_IS_PAD]]
    for key in bundle.config.input_features:
        assert batch[key].abs().max() <= 1 + 1e-5, key
    moves = raw[keys.ACTION][..., :3] - relative * raw[keys.OBS_STATE][:, -1:, :3]
    half_range = (moves[~raw[ACTION_IS_PAD]].amax(0) - moves[~raw[ACTION_IS_PAD]].amin(0)) / 2
    torch.testing.assert_close(inside[:, :3].amax(0), half_range / ACTION_UNIT["x"], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(inside[:, :3].amin(0), -half_range / ACTION_UNIT["x"], atol=1e-3, rtol=1e-3)
    assert inside[:, 7].abs().max() == pytest.approx(1 / ACTION_UNIT["gripper"])


def test_a_dimension_that_hardly_varies_is_not_blown_up(store):
    _, stats = build(store)
    half = (stats[keys.OBS_STATE]["max"] - stats[keys.OBS_STATE]["min"]) / 2
    assert (half >= MIN_HALF_RANGE - 1e-6).all() and half[3:7] == pytest.approx(MIN_HALF_RANGE_QUATERNION, abs=1e-6)


@pytest.mark.parametrize("relative", [True, False])
def test_plan_undoes_what_the_network_sees(store, relative):
    """A network that predicted the demonstrated chunk exactly would command the demonstrated poses."""
    bundle, _ = build(store, relative_action=relative)
    batch = windows(store, bundle)
    perfect = network_input(bundle, batch)[keys.ACTION][:, 1:9]
    bundle.policy.diffusion.generate_actions = lambda observations, noise: perfect
    plan = ChunkPolicy(bundle).plan(batch)
    demonstrated = batch[keys.ACTION][:, 1:9].clone()
    demonstrated[..., 3:7] *= torch.where(demonstrated[..., 3:4] < 0, -1.0, 1.0)
    torch.testing.assert_close(plan[..., :3], demonstrated[..., :3], atol=1e-5, rtol=0)
    assert torch.equal(plan[..., 7], demonstrated[..., 7])


def load_with_lerobot(path):
    """(policy, preprocessor, postprocessor) of a checkpoint, by LeRobot's factories and nothing of this project."""
    config = PreTrainedConfig.from_pretrained(path)
    policy = get_policy_class(config.type).from_pretrained(path, config=config)
    return policy, *make_pre_post_processors(config, pretrained_path=str(path))


def test_lerobots_own_loop_commands_what_was_planned(trained, store):
    """Each queued command is the plan's, although the arm has moved on since: it is anchored once.

    LeRobot's loop: one frame an arm, preprocessor, `select_action`, postprocessor.
    """
    path = last_checkpoint(trained)
    ours = load_policy(path)
    steps = [{key: store.frames[key][[10 + t, 200 + t]] for key in ours.observation_keys} for t in range(6)]
    assert (steps[5][keys.OBS_STATE] - steps[0][keys.OBS_STATE])[:, :3].norm(dim=-1).min() > 0.01
    noise = torch.randn((2, 16, 8), generator=torch.Generator().manual_seed(3))
    policy, preprocessor, postprocessor = load_with_lerobot(path)
    commands = [postprocessor(policy.select_action(preprocessor(dict(now)), noise)) for now in steps]
    history = {key: torch.stack([value, value], dim=1) for key, value in steps[0].items()}
    plan = ours.plan(history, torch.Generator().manual_seed(3))
    assert torch.equal(torch.stack(commands, 1)[..., :3], plan[:, :6, :3])


def test_lerobot_makes_nothing_relative_itself(trained):
    """`lerobot-rollout` refuses policies with a step that does, and its postprocessor would change the command."""
    _, preprocessor, postprocessor = load_with_lerobot(last_checkpoint(trained))
    assert not any(isinstance(step, RelativeActionsProcessorStep) for step in preprocessor.steps)
    command = torch.rand(3, 8)
    assert torch.equal(postprocessor(command), command)


def test_plan_is_seeded_batched_and_canonical(trained, store):
    policy = load_policy(last_checkpoint(trained), num_inference_steps=4, n_action_steps=3)
    history = cut_windows(store, torch.arange(0, 300, 60), 2, 16, policy.observation_keys)
    plan = policy.plan(history, torch.Generator().manual_seed(0))
    assert plan.shape == (5, 3, 8) and plan.dtype == torch.float32
    assert torch.equal(plan, policy.plan(history, torch.Generator().manual_seed(0)))
    assert not torch.equal(plan, policy.plan(history, torch.Generator().manual_seed(1)))
    torch.testing.assert_close(plan[..., 3:7].norm(dim=-1), torch.ones(5, 3))
    assert (plan[..., 3] >= 0).all() and set(plan[..., 7].unique().tolist()) <= {-1.0, 1.0}
    assert (policy.n_obs_steps, policy.uses_images, policy.uses_obj_pose, policy.image_size) == (2, False, True, None)


def test_ddpm_plans_are_seeded_too(store):
    bundle, _ = build(store, noise_scheduler_type="DDPM", num_inference_steps=5)
    policy = ChunkPolicy(bundle)
    history = windows(store, bundle)
    first, again = (policy.plan(history, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(first, again)


def test_wrong_history_and_chunk_lengths_are_refused(trained, store):
    policy = load_policy(last_checkpoint(trained))
    with pytest.raises(CheckpointError, match=r"observation.environment_state"):
        policy.plan({keys.OBS_STATE: torch.zeros(1, 2, 8)})
    with pytest.raises(CheckpointError, match="n_action_steps=40"):
        load_policy(last_checkpoint(trained), n_action_steps=40)


def test_errors_name_the_checkpoint_and_the_features(trained, store, tmp_path):
    with pytest.raises(CheckpointError, match=r"Policy checkpoint not found: .*nowhere(.|\n)*initial training"):
        load_bundle(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"no config.json, model.safetensors"):
        load_bundle(tmp_path / "empty")
    with pytest.raises(CheckpointError, match=r"do not fit the data: observation.environment_state"):
        check_fits(load_bundle(last_checkpoint(trained)).config, store, [keys.OBS_STATE], trained)
    with pytest.raises(ConfigError, match=r"n_groups(.|\n)*|refuses these settings"):
        build(store, down_dims=[12, 20])


@pytest.mark.parametrize("kind", ["diffusion", "rev2fwd_diffusion"])
def test_what_lerobot_train_saves_plans_here_without_a_flag(dataset, store, tmp_path, kind):
    """LeRobot's own type with its own normalisation, and ours by way of the plug-in."""
    command = [
        sys.executable, "-m", "lerobot.scripts.lerobot_train", "--dataset.repo_id=local/x", f"--dataset.root={dataset}",
        "--policy.discover_packages_path=rev2fwd_il.learning.plugin", f"--policy.type={kind}", "--policy.device=cpu",
        "--policy.push_to_hub=false", "--policy.down_dims=[16,32]", "--policy.num_inference_steps=2",
        "--policy.noise_scheduler_type=DDIM", "--policy.horizon=16", "--policy.n_action_steps=8", "--steps=1",
        "--batch_size=4", "--num_workers=0", f"--output_dir={tmp_path / 'out'}", "--wandb.enable=false",
    ]  # fmt: skip
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    path = tmp_path / "out/checkpoints/last/pretrained_model"
    ours = load_policy(path)
    history = cut_windows(store, torch.tensor([10, 200]), 2, 16, ours.observation_keys)
    history = {key: history[key] for key in ours.observation_keys}
    plan = ours.plan(history, torch.Generator().manual_seed(3))
    noise = torch.randn((2, 16, 8), generator=torch.Generator().manual_seed(3))
    policy, preprocessor, postprocessor = load_with_lerobot(path)
    assert policy.config.type == kind
    torch.testing.assert_close(postprocessor(policy.predict_action_chunk(preprocessor(history), noise))[..., :3],
                               plan[..., :3])  # fmt: skip
    near = store.frames[keys.ACTION][:, :3].aminmax(dim=0)
    assert (plan[..., :3] > near.min - 1).all() and (plan[..., :3] < near.max + 1).all()  # metres


def test_a_setting_that_a_type_does_not_have_is_named(store):
    with pytest.raises(ConfigError, match=r"policy.smolvla: bogus: no setting of LeRobot's SmolVLAConfig"):
        build(store, type="smolvla", smolvla={"bogus": 1})
    with pytest.raises(ConfigError, match=r"policy.type=nothing: LeRobot has no such policy"):
        build(store, type="nothing")
    with pytest.raises(ConfigError, match="does not predict a chunk"):
        build(store, type="vqbet")


def test_a_checkpoint_of_a_type_that_lerobot_does_not_have_is_refused(trained, tmp_path):
    path = shutil.copytree(last_checkpoint(trained), tmp_path / "foreign", symlinks=True)
    settings = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(settings | {"type": "nothing"}))
    with pytest.raises(CheckpointError, match="LeRobot has no such policy"):
        load_bundle(path)
