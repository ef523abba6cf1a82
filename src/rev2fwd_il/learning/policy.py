"""A LeRobot policy and its processors, built from our configuration or loaded from a checkpoint.

Positions are predicted relative to the end effector at the newest observation. A policy of a type `rev2fwd_<type>`
(relative/) does so within itself: it takes and gives absolute actions, and its processors change nothing but the
device. Checkpoints of before, whose processors did it, are loaded as such policies (former_checkpoints.py).

Batches hold a history, (B, n_obs_steps, ...). Policies without one (act) are given the newest frame alone.
"""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature, PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.processor import PolicyProcessorPipeline
from lerobot.processor.converters import (
    batch_to_transition,
    policy_action_to_transition,
    transition_to_batch,
    transition_to_policy_action,
)
from lerobot.utils.constants import POLICY_POSTPROCESSOR_DEFAULT_NAME, POLICY_PREPROCESSOR_DEFAULT_NAME
from torch import Tensor

from rev2fwd_il import keys
from rev2fwd_il.config.policy import PolicyConfig
from rev2fwd_il.errors import CheckpointError, ConfigError
from rev2fwd_il.learning.former_checkpoints import with_actions_inside
from rev2fwd_il.learning.normalization import RELATIVE_MASK
from rev2fwd_il.learning.policy_class import config_class, horizon_name, make_config, make_processors, policy_class
from rev2fwd_il.learning.relative.configuration_rev2fwd import PREFIX
from rev2fwd_il.learning.windows import FrameStore, drop_n_last_frames
from rev2fwd_il.running.checkpoint_files import check_checkpoint
from rev2fwd_il.tasks import observation

NORMALIZATION = {
    "VISUAL": NormalizationMode.MEAN_STD,
    "STATE": NormalizationMode.MIN_MAX,
    "ENV": NormalizationMode.MIN_MAX,  # LeRobot's default leaves the environment state as it is
    "ACTION": NormalizationMode.MIN_MAX,
}
FEATURE_TYPES = {keys.OBS_STATE: FeatureType.STATE, keys.OBS_ENVIRONMENT_STATE: FeatureType.ENV}


@dataclass
class PolicyBundle:
    """A policy with the processors that belong to it."""

    policy: PreTrainedPolicy
    preprocessor: PolicyProcessorPipeline
    postprocessor: PolicyProcessorPipeline

    @property
    def config(self) -> PreTrainedConfig:
        return self.policy.config

    @property
    def prediction_horizon(self) -> int:
        """Action steps predicted, from the oldest observed frame on."""
        return len(self.config.action_delta_indices)

    @property
    def drop_n_last_frames(self) -> int:
        """Frames at an episode's end that training cuts no window at."""
        own = getattr(self.config, "drop_n_last_frames", None)
        steps = self.prediction_horizon, self.config.n_action_steps, self.config.n_obs_steps
        return drop_n_last_frames(*steps) if own is None else own


def observation_keys(config: PolicyConfig) -> list[str]:
    """The features a policy of this configuration observes."""
    seen = [keys.OBS_STATE]
    seen += [keys.OBS_ENVIRONMENT_STATE] if config.include_obj_pose else []
    return seen + (list(keys.CAMERAS) if config.images else [])


def input_features(store: FrameStore, observations: list[str]) -> dict[str, PolicyFeature]:
    """LeRobot's description of the observations; images are channel first for the policy."""
    described = {}
    for key in observations:
        shape = tuple(store.frames[key].shape[1:])
        if len(shape) == 3:
            shape = (shape[2], shape[0], shape[1])
        described[key] = PolicyFeature(type=FEATURE_TYPES.get(key, FeatureType.VISUAL), shape=shape)
    return described


def make_policy(config: PolicyConfig, store: FrameStore, stats: dict, device: str) -> PolicyBundle:
    """A fresh policy for this data. Raises ConfigError where LeRobot refuses the combination of settings."""
    lerobot_config = _lerobot_config(config, input_features(store, observation_keys(config)), device)
    if config.relative_action:
        lerobot_config.own_statistics, stats = lerobot_config.needed_statistics(stats), {}
    try:
        policy = policy_class(lerobot_config.type)(lerobot_config)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"policy.{config.type}: LeRobot refuses these settings", found=error) from None
    return PolicyBundle(policy.to(device), *make_processors(lerobot_config, stats))


def _lerobot_config(config: PolicyConfig, inputs: dict[str, PolicyFeature], device: str) -> PreTrainedConfig:
    crop = None
    if config.images and config.crop_ratio < 1:
        crop = tuple(int(size * config.crop_ratio) for size in inputs[keys.OBS_TABLE_IMAGE].shape[1:])
    wanted = {
        "n_obs_steps": config.n_obs_steps,
        horizon_name(config.type): config.prediction_horizon,
        "n_action_steps": config.n_action_steps,
        "input_features": inputs,
        "output_features": {
            keys.ACTION: PolicyFeature(type=FeatureType.ACTION, shape=(len(observation.ACTION_NAMES),))
        },
        "push_to_hub": False,
        "device": device,
    }
    optional = {
        "drop_n_last_frames": drop_n_last_frames(config.prediction_horizon, config.n_action_steps, config.n_obs_steps),
        "do_mask_loss_for_padding": True,
        "clip_sample": False,  # actions are not confined to [-1, 1]: learning/normalization.py
        "crop_shape": crop,
        "pretrained_backbone_weights": None,  # nothing is downloaded
        "use_group_norm": True,  # batch statistics and moving averages of the weights do not go together
    }
    kind, own = config.type, config.settings
    if config.relative_action:
        kind = PREFIX + kind
        wanted["own_normalization"] = NORMALIZATION
        wanted["relative_dims"] = [dim for dim, relative in enumerate(RELATIVE_MASK) if relative]
        optional["backbone_stages"] = config.backbone_stages
    else:
        wanted["normalization_mapping"] = NORMALIZATION
    optional = {name: value for name, value in optional.items() if name not in own}
    made = make_config(kind, wanted | own, optional)
    if made.action_delta_indices[0] != 1 - made.n_obs_steps:
        raise ConfigError(
            f"policy.type={config.type}: its actions do not begin at the oldest observed frame",
            expected=1 - made.n_obs_steps, found=made.action_delta_indices[0],
        )  # fmt: skip
    return made


def policy_input(bundle: PolicyBundle, windows: dict[str, Tensor]) -> dict[str, Tensor]:
    """`windows` as the policy's own methods take them: preprocessed, with history or, for act, the newest frame.

    uint8 images (.., H, W, 3) become float CHW.
    """
    shaped = {key: _to_chw(value) if key in keys.CAMERAS else value for key, value in windows.items()}
    batch = bundle.preprocessor(shaped)
    newest = bundle.config.input_features if bundle.config.observation_delta_indices is None else ()
    return {key: batch[key][:, -1] if key in newest else batch[key] for key in windows}


def _to_chw(images: Tensor) -> Tensor:
    return images.movedim(-1, -3).float() / 255


def load_bundle(path: str | Path, device: str = "cpu") -> PolicyBundle:
    """Load a checkpoint with its own normalisation. Raises CheckpointError where there is none, or a damaged one."""
    path = Path(path)
    check_checkpoint(path)
    try:
        policy_type = str(json.loads((path / "config.json").read_text())["type"])
        config_class(policy_type)  # registers it
        config = PreTrainedConfig.from_pretrained(path, local_files_only=True)
        config.device = device
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that it loads
            config, *processors = with_actions_inside(config, *_load_processors(path, device))
            policy = policy_class(config.type).from_pretrained(path, config=config, local_files_only=True, strict=True)
    except Exception as error:  # LeRobot, draccus and safetensors raise types of their own
        raise CheckpointError(
            f"{path}: the checkpoint cannot be loaded", found=f"{type(error).__name__}: {error}"
        ) from error
    return PolicyBundle(policy, *processors)


def _load_processors(path: Path, device: str):
    """As LeRobot's `make_pre_post_processors` does, which takes long to import (policy_class.py)."""
    before = PolicyProcessorPipeline.from_pretrained(
        str(path),
        f"{POLICY_PREPROCESSOR_DEFAULT_NAME}.json",
        overrides={"device_processor": {"device": device}},
        to_transition=batch_to_transition,
        to_output=transition_to_batch,
    )
    after = PolicyProcessorPipeline.from_pretrained(
        str(path),
        f"{POLICY_POSTPROCESSOR_DEFAULT_NAME}.json",
        to_transition=policy_action_to_transition,
        to_output=transition_to_policy_action,
    )
    return before, after


def check_fits(config: PreTrainedConfig, store: FrameStore, observations: list[str], path: Path) -> None:
    """Raise CheckpointError naming each feature in which a checkpoint and the data (or the flags) disagree."""
    wanted = {key: feature.shape for key, feature in config.input_features.items()}
    offered = {key: feature.shape for key, feature in input_features(store, observations).items()}
    differing = sorted(key for key in wanted.keys() | offered.keys() if wanted.get(key) != offered.get(key))
    if differing:
        raise CheckpointError(
            f"{path}: the policy's observations do not fit the data: {', '.join(differing)}",
            expected={key: wanted.get(key, "not observed") for key in differing},
            found={key: offered.get(key, "not offered") for key in differing},
            do="finetune with the flags (--include_obj_pose, policy.images) of the initial training",
        )  # fmt: skip
