"""Normalisation and relative actions: undone exactly, frozen in the checkpoint, loadable by LeRobot alone."""

import subprocess
import sys

import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from lerobot.policies.factory import make_pre_post_processors
from tiny import tiny_config

from rev2fwd_il import keys
from rev2fwd_il.errors import CheckpointError, ConfigError
from rev2fwd_il.learning.checkpoint import last_checkpoint
from rev2fwd_il.learning.inference import ChunkPolicy, load_policy
from rev2fwd_il.learning.loading import load_frames
from rev2fwd_il.learning.normalization import ACTION_UNIT, MIN_HALF_RANGE, MIN_HALF_RANGE_QUATERNION, make_stats
from rev2fwd_il.learning.policy import check_fits, load_bundle, make_policy, observation_keys, preprocess
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


@pytest.mark.parametrize("relative", [True, False])
def test_observations_are_normalised_into_the_unit_range_and_actions_into_their_units(store, relative):
    bundle, _ = build(store, relative_action=relative)
    batch = preprocess(bundle.preprocessor, windows(store, bundle, range(len(store))))
    inside = batch[keys.ACTION][~batch[ACTION_IS_PAD]]
    for key in bundle.config.input_features:
        assert batch[key].abs().max() <= 1 + 1e-5, key
    raw = windows(store, bundle, range(len(store)))
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
def test_postprocessing_undoes_preprocessing(store, relative):
    bundle, _ = build(store, relative_action=relative)
    batch = windows(store, bundle)
    normalised = preprocess(bundle.preprocessor, batch)[keys.ACTION]
    preprocess(bundle.preprocessor, {key: batch[key] for key in bundle.config.input_features})  # as in a rollout
    torch.testing.assert_close(bundle.postprocessor(normalised), batch[keys.ACTION], atol=1e-5, rtol=0)


def test_plan_turns_the_networks_output_into_absolute_commands(store):
    """A network that predicted the demonstrated chunk exactly would command the demonstrated poses."""
    bundle, _ = build(store)
    batch = windows(store, bundle)
    perfect = preprocess(bundle.preprocessor, batch)[keys.ACTION][:, 1:9]
    bundle.policy.predict_action_chunk = lambda observations, noise: perfect
    plan = ChunkPolicy(bundle).plan(batch)
    demonstrated = batch[keys.ACTION][:, 1:9].clone()
    demonstrated[..., 3:7] *= torch.where(demonstrated[..., 3:4] < 0, -1.0, 1.0)
    torch.testing.assert_close(plan[..., :3], demonstrated[..., :3], atol=1e-5, rtol=0)
    assert torch.equal(plan[..., 7], demonstrated[..., 7])


def test_lerobot_alone_loads_a_checkpoint_and_predicts_the_same(trained, store):
    path = last_checkpoint(trained)
    config = PreTrainedConfig.from_pretrained(path)
    theirs = DiffusionPolicy.from_pretrained(path, config=config)
    preprocessor, postprocessor = make_pre_post_processors(config, pretrained_path=str(path))
    ours = load_policy(path)
    batch = cut_windows(store, torch.tensor([10, 200]), 2, 16, ours.observation_keys)
    noise = torch.randn((2, 16, 8), generator=torch.Generator().manual_seed(3))
    chunk = postprocessor(
        theirs.predict_action_chunk(preprocess(preprocessor, {k: batch[k] for k in ours.observation_keys}), noise)
    )
    plan = ours.plan(batch, torch.Generator().manual_seed(3))
    torch.testing.assert_close(plan[..., :3], chunk[..., :3])
    assert sorted(p.name for p in (path / "preprocessors").iterdir())[0] == "policy_postprocessor.json"


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
    with pytest.raises(ConfigError, match="horizon should be an integer multiple"):
        build(store, horizon=18)


def test_lerobot_train_takes_a_step_on_the_dataset_offline(dataset, tmp_path):
    command = [
        sys.executable, "-m", "lerobot.scripts.lerobot_train", "--dataset.repo_id=local/x", f"--dataset.root={dataset}",
        "--policy.type=diffusion", "--policy.device=cpu", "--policy.push_to_hub=false", "--policy.down_dims=[16,32]",
        "--policy.horizon=16", "--policy.n_action_steps=8", "--steps=1", "--batch_size=4", "--num_workers=0",
        "--save_checkpoint=false", f"--output_dir={tmp_path / 'out'}", "--wandb.enable=false",
    ]  # fmt: skip
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
