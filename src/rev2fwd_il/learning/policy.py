"""LeRobot's diffusion policy and its processors, built from our configuration or loaded from a checkpoint.

Positions are predicted relative to the hand at the newest observation with LeRobot's own pair of steps
(`relative_actions_processor`, `absolute_actions_processor`), so LeRobot alone can load a checkpoint. Those steps know
no history: they expect a state (B, 8), where a diffusion policy's batch holds (B, n_obs_steps, 8). `preprocess`
therefore hands that one step the newest state, and runs all others on the whole batch.
"""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.lerobot_types import TransitionKey
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from lerobot.processor import PolicyProcessorPipeline
from lerobot.processor.converters import (
    batch_to_transition,
    policy_action_to_transition,
    transition_to_batch,
    transition_to_policy_action,
)
from lerobot.processor.factory import make_default_policy_processor_steps, make_policy_processor_pipelines
from lerobot.processor.relative_action_processor import AbsoluteActionsProcessorStep, RelativeActionsProcessorStep
from lerobot.utils.constants import POLICY_POSTPROCESSOR_DEFAULT_NAME, POLICY_PREPROCESSOR_DEFAULT_NAME
from torch import Tensor

from rev2fwd_il import features, keys
from rev2fwd_il.checkpoint_files import check_checkpoint
from rev2fwd_il.config import PolicyConfig
from rev2fwd_il.errors import CheckpointError, ConfigError
from rev2fwd_il.learning.normalization import ABSOLUTE_NAMES
from rev2fwd_il.learning.windows import FrameStore, drop_n_last_frames

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

    policy: DiffusionPolicy
    preprocessor: PolicyProcessorPipeline
    postprocessor: PolicyProcessorPipeline

    @property
    def config(self) -> DiffusionConfig:
        return self.policy.config


def observation_keys(config: PolicyConfig) -> list[str]:
    """The features a policy of this configuration observes."""
    seen = [keys.OBS_STATE]
    seen += [keys.OBS_ENVIRONMENT_STATE] if config.include_obj_pose else []
    return seen + (list(features.IMAGE_FIELDS) if config.images else [])


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
    inputs = input_features(store, observation_keys(config))
    crop = None
    if config.images and config.crop_ratio < 1:
        crop = tuple(int(size * config.crop_ratio) for size in inputs[keys.OBS_TABLE_IMAGE].shape[1:])
    try:
        lerobot_config = DiffusionConfig(
            n_obs_steps=config.n_obs_steps,
            horizon=config.horizon,
            n_action_steps=config.n_action_steps,
            drop_n_last_frames=drop_n_last_frames(config.horizon, config.n_action_steps, config.n_obs_steps),
            do_mask_loss_for_padding=True,
            normalization_mapping=NORMALIZATION,
            input_features=inputs,
            output_features={keys.ACTION: PolicyFeature(type=FeatureType.ACTION, shape=(len(features.ACTION_NAMES),))},
            down_dims=config.down_dims,
            kernel_size=config.kernel_size,
            diffusion_step_embed_dim=config.diffusion_step_embed_dim,
            noise_scheduler_type=config.noise_scheduler_type,
            num_train_timesteps=config.num_train_timesteps,
            prediction_type=config.prediction_type,
            clip_sample=False,  # actions are not confined to [-1, 1]: learning/normalization.py
            num_inference_steps=config.num_inference_steps,
            crop_shape=crop,
            pretrained_backbone_weights=None,  # nothing is downloaded
            use_group_norm=True,  # batch statistics and moving averages of the weights do not go together
            push_to_hub=False,
            device=device,
        )
        policy = DiffusionPolicy(lerobot_config)
    except ValueError as error:
        raise ConfigError("policy: LeRobot refuses these settings", found=error) from None
    return PolicyBundle(policy.to(device), *_make_processors(lerobot_config, stats, config.relative_action))


def _make_processors(config: DiffusionConfig, stats: dict, relative: bool):
    steps = make_default_policy_processor_steps(config, stats)
    before = [steps.rename_observations, steps.add_batch_dim, steps.to_device, steps.normalize]
    after = [steps.unnormalize, steps.to_cpu]
    if relative:
        to_relative = RelativeActionsProcessorStep(True, list(ABSOLUTE_NAMES), list(features.ACTION_NAMES))
        before.insert(3, to_relative)
        after.insert(1, AbsoluteActionsProcessorStep(True, to_relative))
    return make_policy_processor_pipelines(before, after)


def preprocess(preprocessor: PolicyProcessorPipeline, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Run the processor on a batch with history, (B, n_obs_steps, ...); uint8 images (.., H, W, 3) become float CHW.

    The newest state is remembered for the postprocessor, also where the batch holds no action.
    """
    batch = {key: _to_chw(value) if key in features.IMAGE_FIELDS else value for key, value in batch.items()}
    transition = batch_to_transition(batch)
    for step in preprocessor.steps:
        if isinstance(step, RelativeActionsProcessorStep):
            newest = {keys.OBS_STATE: transition[TransitionKey.OBSERVATION][keys.OBS_STATE][:, -1]}
            converted = step(transition | {TransitionKey.OBSERVATION: newest})
            transition[TransitionKey.ACTION] = converted[TransitionKey.ACTION]
        else:
            transition = step(transition)
    return transition_to_batch(transition)


def _to_chw(images: Tensor) -> Tensor:
    return images.movedim(-1, -3).float() / 255


def load_bundle(path: str | Path, device: str = "cpu") -> PolicyBundle:
    """Load a checkpoint with its own normalisation. Raises CheckpointError where there is none, or a damaged one."""
    path = Path(path)
    check_checkpoint(path)
    try:
        config = DiffusionConfig.from_pretrained(path, local_files_only=True)
        config.device = device
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that it loads
            policy = DiffusionPolicy.from_pretrained(path, config=config, local_files_only=True, strict=True)
        processors = _load_processors(path, device)
    except Exception as error:  # LeRobot, draccus and safetensors raise types of their own
        raise CheckpointError(
            f"{path}: the checkpoint cannot be loaded", found=f"{type(error).__name__}: {error}"
        ) from error
    return PolicyBundle(policy, *processors)


def _load_processors(path: Path, device: str):
    """As LeRobot's `make_pre_post_processors` does; its module imports all policies (lean_import.py)."""
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
    to_relative = [step for step in before.steps if isinstance(step, RelativeActionsProcessorStep)]
    for step in after.steps:
        if isinstance(step, AbsoluteActionsProcessorStep):  # knows the newest state from the step before the policy
            (step.relative_step,) = to_relative
    return before, after


def check_fits(config: DiffusionConfig, store: FrameStore, observations: list[str], path: Path) -> None:
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
