"""Policies of the types `rev2fwd_<type>`: LeRobot's <type> around a network that sees relative, normalised actions."""

import functools

from lerobot.lerobot_types import TransitionKey
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.processor import NormalizerProcessorStep, UnnormalizerProcessorStep
from lerobot.processor.relative_action_processor import to_absolute_actions, to_relative_actions
from lerobot.utils.constants import ACTION, OBS_STATE
from torch import Tensor, nn

from rev2fwd_il.learning.relative.configuration_rev2fwd import (
    BASE_TYPES,
    CLASS_PREFIX,
    PREFIX,
    RESNET_STAGES,
    relative_config,
)

POLICY = "Policy"


class RelativeActionsPolicy:
    """What comes before a LeRobot policy that predicts chunks, in the order of its bases.

    Observations (B, [T,] D) and actions (B, T, 8) come as they are in a dataset, and absolute actions are given back.
    Of a history the last state is the newest.
    """

    def __init__(self, config, **kwargs):
        if not config.own_statistics and kwargs.get("dataset_stats"):  # a training of LeRobot's begins
            config.own_statistics = config.statistics_of_absolute(kwargs["dataset_stats"])
        super().__init__(config, **kwargs)
        if getattr(config, "backbone_stages", RESNET_STAGES) < RESNET_STAGES and config.image_features:
            _shorten_encoders(self.diffusion.rgb_encoder, config)
        self._relative = [dim in config.relative_dims for dim in range(config.action_feature.shape[0])]
        features = {**config.input_features, **config.output_features}
        described = features, config.own_normalization, config.own_statistics
        self._normalize = NormalizerProcessorStep(*described)
        self._unnormalize = UnnormalizerProcessorStep(*described)
        self._anchor: Tensor | None = None  # the newest state (B, D), while an action is selected

    def forward(self, batch: dict[str, Tensor]):
        """The loss of a batch with absolute actions."""
        relative = to_relative_actions(batch[ACTION], _newest(batch), self._relative)
        return super().forward(self._normalized(batch | {ACTION: relative}))

    def select_action(self, batch: dict[str, Tensor], *args, **kwargs) -> Tensor:
        """(B, 8): the command of this step, of a plan that was made at this step or before."""
        observed = {key: value for key, value in batch.items() if key != ACTION}
        self._anchor = _newest(observed)
        try:
            return super().select_action(self._normalized(observed), *args, **kwargs)
        finally:
            self._anchor = None

    def predict_action_chunk(self, batch: dict[str, Tensor], *args, **kwargs) -> Tensor:
        """(B, T, 8): absolute actions, by the newest state. `select_action` has normalised what it hands over."""
        anchor = self._anchor
        if anchor is None:
            anchor = _newest(batch)
            batch = self._normalized({key: value for key, value in batch.items() if key != ACTION})
        chunk = super().predict_action_chunk(batch, *args, **kwargs)
        relative = self._unnormalize({TransitionKey.ACTION: chunk})[TransitionKey.ACTION]
        return to_absolute_actions(relative, anchor, self._relative)

    def _normalized(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        observed = {key: batch[key] for key in self.config.input_features if key in batch}
        transition = {TransitionKey.OBSERVATION: observed}
        if ACTION in batch:
            transition[TransitionKey.ACTION] = batch[ACTION]
        done = self._normalize(transition)
        action = {ACTION: done[TransitionKey.ACTION]} if ACTION in batch else {}
        return {**batch, **done[TransitionKey.OBSERVATION], **action}


def _shorten_encoders(encoders: nn.Module, config) -> None:
    """Leave out the last residual stages of each image encoder, and take keypoints from the larger map before them."""
    from lerobot.policies.diffusion.modeling_diffusion import SpatialSoftmax
    from lerobot.policies.utils import get_output_shape

    images_shape = next(iter(config.image_features.values())).shape
    height_width = config.crop_shape or config.resize_shape or images_shape[1:]
    for encoder in encoders if isinstance(encoders, nn.ModuleList) else [encoders]:
        encoder.backbone = encoder.backbone[: config.backbone_stages - RESNET_STAGES]
        shape = get_output_shape(encoder.backbone, (1, images_shape[0], *height_width))[1:]
        encoder.pool = SpatialSoftmax(shape, num_kp=config.spatial_softmax_num_keypoints)


def _newest(batch: dict[str, Tensor]) -> Tensor:
    state = batch[OBS_STATE]
    return state if state.ndim == 2 else state[:, -1]


@functools.cache
def relative_policy(base: type[PreTrainedPolicy]) -> type[PreTrainedPolicy]:
    """The policy class `rev2fwd_<type>` of LeRobot's class `base`."""
    config_class = relative_config(base.config_class)
    name = CLASS_PREFIX + base.config_class.__name__.removesuffix("Config") + POLICY
    about = {"__module__": __name__, "config_class": config_class, "name": PREFIX + base.name}
    return type(name, (RelativeActionsPolicy, base), about)


def __getattr__(name: str):
    """Rev2Fwd<Base>Policy, as LeRobot's factory asks for it."""
    stem = name.removesuffix(POLICY)
    if stem == name or stem not in BASE_TYPES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from rev2fwd_il.learning.policy_class import policy_class

    return policy_class(PREFIX + BASE_TYPES[stem])
