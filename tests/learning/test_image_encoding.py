"""Image encoders in another precision and another layout: faster, and the same but for rounding."""

import pytest
import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from tiny import SEES, tiny_config

from rev2fwd_il.errors import ConfigError
from rev2fwd_il.learning import image_encoding
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.image_encoding import choose_precision, encode_in
from rev2fwd_il.learning.inference import ChunkPolicy, load_policy
from rev2fwd_il.learning.policy import load_bundle
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.learning.windows import cut_windows


@pytest.mark.parametrize("has", [False, True])
def test_bfloat16_is_for_processors_that_multiply_it(monkeypatch, has):
    monkeypatch.setattr(image_encoding, "multiplies_bfloat16", lambda device: has)
    cpu = torch.device("cpu")
    assert choose_precision("float32", cpu) == "float32"
    assert choose_precision("auto", cpu) == ("bfloat16" if has else "float32")
    if has:
        assert choose_precision("bfloat16", cpu) == "bfloat16"
    else:
        with pytest.raises(ConfigError, match="cannot multiply it"):
            choose_precision("bfloat16", cpu)


def test_encoders_get_images_channels_last_and_give_the_same_loss(bundle_and_batch):
    bundle, batch = bundle_and_batch
    layouts, hook = _layouts_of(bundle.policy)
    losses = [_loss(bundle, batch)]
    encode_in("float32", bundle.policy)
    losses.append(_loss(bundle, batch))
    hook.remove()
    assert not any(layouts[: len(layouts) // 2]) and all(layouts[len(layouts) // 2 :])
    torch.testing.assert_close(*losses, rtol=1e-4, atol=0)


def test_encoders_in_bfloat16_give_nearly_the_same_loss_in_float32(bundle_and_batch):
    bundle, batch = bundle_and_batch
    losses = []
    for precision in ("float32", "bfloat16"):
        encode_in(precision, bundle.policy)
        losses.append(_loss(bundle, batch))
    assert losses[1].dtype == torch.float32 and not torch.equal(*losses)
    torch.testing.assert_close(*losses, rtol=0.05, atol=0)


def test_a_policy_plans_so_and_plans_the_same(seen, tmp_path):
    path = train(TrainingRun(seen, tmp_path, tiny_config(SEES), 2, 1e-3))
    faster, as_loaded = load_policy(path), ChunkPolicy(load_bundle(path))
    history = cut_windows(load_frames(seen, images=True), torch.arange(0, 60, 10), 1, 1, faster.observation_keys)
    layouts, _ = _layouts_of(faster._bundle.policy)
    plans = [policy.plan(history, torch.Generator().manual_seed(0)) for policy in (faster, as_loaded)]
    assert layouts and all(layouts)
    torch.testing.assert_close(*plans, rtol=0, atol=1e-5)


def _layouts_of(policy: PreTrainedPolicy) -> tuple[list[bool], torch.utils.hooks.RemovableHandle]:
    """For each encoding from now on, whether it began with images channels last."""
    encoders, layouts = policy.diffusion.rgb_encoder, []
    first = (encoders[0] if isinstance(encoders, torch.nn.ModuleList) else encoders).backbone[0]
    return layouts, first.register_forward_pre_hook(
        lambda _, given: layouts.append(given[0].is_contiguous(memory_format=torch.channels_last))
    )


def _loss(bundle, batch) -> torch.Tensor:
    torch.manual_seed(5)
    return bundle.policy(batch)[0]
