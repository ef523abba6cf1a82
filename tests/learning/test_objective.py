"""The loss that makes more of each encoded observation: equal to LeRobot's where both say the same, and learnable."""

import copy

import pytest
import torch
from lerobot.policies.factory import get_policy_class
from tiny import SEES, tiny_config

from rev2fwd_il import keys
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.learning.checkpoints import last_checkpoint
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.inference import load_policy
from rev2fwd_il.learning.objective import PRIVILEGED, SharedEncodingLoss
from rev2fwd_il.learning.policy import load_bundle, observation_keys, policy_input
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.learning.windows import cut_windows

SHARED = {"noises_per_observation": 3, "auxiliary_weight": 0.3}


def test_several_noises_give_the_loss_of_the_observations_repeated_but_encode_them_once(bundle_and_batch):
    bundle, batch = bundle_and_batch
    encoded = []
    hook = bundle.policy.diffusion.rgb_encoder[0].register_forward_hook(lambda _, images, __: encoded.append(images[0]))
    torch.manual_seed(5)
    loss, _ = SharedEncodingLoss(bundle.policy, 4, 0.0, 0)(batch)
    torch.manual_seed(5)
    theirs, _ = bundle.policy({key: value.repeat_interleave(4, 0) for key, value in batch.items()})
    hook.remove()
    torch.testing.assert_close(loss, theirs)
    assert [len(images) for images in encoded] == [len(batch[keys.ACTION]), 4 * len(batch[keys.ACTION])]
    torch.manual_seed(5)
    torch.testing.assert_close(bundle.policy(batch)[0], SharedEncodingLoss(bundle.policy, 1, 0.0, 0)(_seeded(batch))[0])


def _seeded(batch):
    torch.manual_seed(5)
    return batch


def test_the_head_learns_where_things_are_through_the_encoders(bundle_and_batch):
    bundle, batch = bundle_and_batch
    policy = copy.deepcopy(bundle.policy)  # which other tests have as it was made
    model = SharedEncodingLoss(policy, 1, 100.0, batch[PRIVILEGED].shape[1])
    optimizer = torch.optim.AdamW(policy.diffusion.rgb_encoder.parameters(), 1e-3)  # the head stays as it is
    errors = []
    for _ in range(20):
        loss, parts = model(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(parts["auxiliary"]))
    assert errors[-1] < 0.8 * errors[0], errors


def test_a_resumed_training_with_a_head_ends_with_the_same_bytes_and_leaves_no_head(seen, tmp_path):
    config = tiny_config(SEES, **SHARED)
    whole = train(TrainingRun(seen, tmp_path / "whole", config, 6, 1e-3))
    train(TrainingRun(seen, tmp_path / "cut", config, 6, 1e-3, stop_after=5))
    resumed = train(TrainingRun(seen, tmp_path / "cut", config, 6, 1e-3, resume=True))
    assert (whole / "model.safetensors").read_bytes() == (resumed / "model.safetensors").read_bytes()
    assert load_policy(last_checkpoint(tmp_path / "cut")).observation_keys == [keys.OBS_STATE, *keys.CAMERAS]


def test_act_has_no_noise_to_draw(dataset, tmp_path):
    config = tiny_config({"type": "act", "n_obs_steps": 1, "act": {"dim_model": 16, "n_heads": 2}}, **SHARED)
    with pytest.raises(ConfigError, match="several noises"):
        train(TrainingRun(dataset, tmp_path, config, 1, 1e-3))


def test_an_early_stage_gives_a_finer_map_and_the_checkpoint_loads_in_lerobot(seen, tmp_path):
    """Of 40 px the last stage leaves 2 x 2 places for keypoints, the second 5 x 5, of a tenth of the weights."""
    written = {}
    for stages in (4, 2):
        config = tiny_config(SEES | {"backbone_stages": stages}, **SHARED)
        written[stages] = train(TrainingRun(seen, tmp_path / f"{stages}", config, 2, 1e-3))
    theirs = get_policy_class("rev2fwd_diffusion").from_pretrained(written[2])
    assert [len(encoder.pool.pos_grid) for encoder in theirs.diffusion.rgb_encoder] == [25, 25]
    sizes = {stages: (path / "model.safetensors").stat().st_size for stages, path in written.items()}
    assert sizes[4] / sizes[2] > 5
    config, store = tiny_config(SEES).policy, load_frames(seen, images=True)
    batch = cut_windows(store, torch.arange(0, 60, 10), 1, config.prediction_horizon, observation_keys(config))
    chunks = []
    for policy in (load_bundle(written[2]).policy, theirs):
        observed = {key: value[:, -1] for key, value in policy_input(load_bundle(written[2]), batch).items()}
        torch.manual_seed(0)
        chunks.append(policy.select_action({key: observed[key] for key in observation_keys(config)}))
    torch.testing.assert_close(*chunks)


@pytest.mark.parametrize("other", [{"relative_action": False}, {"type": "act"}])
def test_other_policies_have_no_early_stage(other):
    with pytest.raises(ConfigError, match="backbone_stages"):
        tiny_config(SEES | {"backbone_stages": 2} | other)
