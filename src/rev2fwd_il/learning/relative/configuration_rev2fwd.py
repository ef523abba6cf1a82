"""Configurations of the types `rev2fwd_<type>`: those of LeRobot's <type>, and what the policy holds of its own."""

import dataclasses
from dataclasses import dataclass, field

from lerobot.configs import FeatureType, NormalizationMode, PreTrainedConfig

PREFIX = "rev2fwd_"
CLASS_PREFIX, CONFIG = "Rev2Fwd", "Config"
POSITION_DIMS = [0, 1, 2]  # x, y, z of our actions and states [m]
# What each mode needs to know of a feature.
STATISTICS = {NormalizationMode.MIN_MAX: ("min", "max"), NormalizationMode.MEAN_STD: ("mean", "std")}
BASE_TYPES: dict[str, str] = {}  # class name without its ending -> LeRobot's type
RESNET_STAGES = 4  # residual stages of LeRobot's image encoders


def _identity() -> dict[str, NormalizationMode]:
    return {kind: NormalizationMode.IDENTITY for kind in ("VISUAL", "STATE", "ENV", "ACTION")}


def _own_normalization() -> dict[str, NormalizationMode]:
    modes = dict.fromkeys(("STATE", "ENV", "ACTION"), NormalizationMode.MIN_MAX)
    return {"VISUAL": NormalizationMode.MEAN_STD} | modes


@dataclass
class RelativeActionsConfig:
    """What is added to a LeRobot policy's configuration; the processors are left with nothing to normalise.

    `relative_dims`: dimensions of the action that the network sees relative to the same ones of the newest
    observation.state. `own_statistics`: {feature: {"min": [...], "max": [...]}}, or mean and std, of what the network
    sees, which is normalised by `own_normalization`.
    """

    normalization_mapping: dict[str, NormalizationMode] = field(default_factory=_identity)
    own_normalization: dict[str, NormalizationMode] = field(default_factory=_own_normalization)
    own_statistics: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    relative_dims: list[int] = field(default_factory=lambda: list(POSITION_DIMS))

    def validate_features(self) -> None:
        """LeRobot's own checks, and those of what is added. Raises ValueError."""
        super().validate_features()
        for key, feature in (self.input_features | self.output_features).items() if self.own_statistics else ():
            names = STATISTICS.get(self.own_normalization.get(feature.type.value), ())
            found = {name: len(values) for name, values in self.own_statistics.get(key, {}).items()}
            if found != dict.fromkeys(names, feature.shape[0]):
                raise ValueError(f"own_statistics of {key}: {found} numbers, not {feature.shape[0]} each of {names}")
        if self.relative_dims and not (self.robot_state_feature and self.action_feature):
            raise ValueError("relative_dims need observation.state and action")
        if any(not 0 <= dim < min(self.robot_state_feature.shape[0], self.action_feature.shape[0])
               for dim in self.relative_dims):  # fmt: skip
            raise ValueError(f"relative_dims {self.relative_dims}: not dimensions of both state and action")

    def needed_statistics(self, statistics: dict) -> dict[str, dict[str, list[float]]]:
        """Of LeRobot's {feature: {min, max, mean, std, ...}} what `own_normalization` needs, as plain lists."""
        kept = {}
        for key, feature in (self.input_features | self.output_features).items():
            names = STATISTICS.get(self.own_normalization.get(feature.type.value), ())
            if key in statistics and names:
                kept[key] = {name: [float(x) for x in statistics[key][name].reshape(-1)] for name in names}
        return kept

    def statistics_of_absolute(self, statistics: dict) -> dict[str, dict[str, list[float]]]:
        """The same of a dataset's own statistics, where relative actions are taken to lie within half their range."""
        kept = self.needed_statistics(statistics)
        for key, feature in self.output_features.items():
            if feature.type is FeatureType.ACTION and "min" in kept.get(key, {}):
                low, high = kept[key]["min"], kept[key]["max"]
                for dim in self.relative_dims:
                    half = (high[dim] - low[dim]) / 2
                    low[dim], high[dim] = -half, half
        return kept


@dataclass
class EarlyFeaturesConfig(RelativeActionsConfig):
    """What is added to LeRobot's DiffusionConfig: `backbone_stages`, the residual stages that encode an image.

    Each stage halves the map whose keypoints the policy gets: of 64 x 48 px the last leaves 2 x 2, the second 8 x 6.
    """

    backbone_stages: int = RESNET_STAGES

    def validate_features(self) -> None:
        """Raises ValueError, as the base does."""
        super().validate_features()
        if not 1 <= self.backbone_stages <= RESNET_STAGES:
            raise ValueError(f"backbone_stages {self.backbone_stages}: not 1 to {RESNET_STAGES}")


ADDED = {"diffusion": EarlyFeaturesConfig}  # by LeRobot's type; to the others RelativeActionsConfig


def is_relative(policy_type: str) -> bool:
    """Whether a type is one of those here."""
    return policy_type.startswith(PREFIX)


def base_type(policy_type: str) -> str:
    """LeRobot's type behind a type of these, or the type itself."""
    return policy_type.removeprefix(PREFIX)


def relative_config(base: type[PreTrainedConfig]) -> type[PreTrainedConfig]:
    """The configuration class `rev2fwd_<type>` of LeRobot's class `base`, registered with LeRobot when first asked."""
    name = PREFIX + PreTrainedConfig.get_choice_name(base)
    if name not in PreTrainedConfig.get_known_choices():
        about = {"__module__": __name__, "__doc__": f"{base.__name__} of a policy with absolute actions."}
        added = ADDED.get(base_type(name), RelativeActionsConfig)
        made = dataclass(type(CLASS_PREFIX + base.__name__, (added, base), about))
        BASE_TYPES[made.__name__.removesuffix(CONFIG)] = base_type(name)
        PreTrainedConfig.register_subclass(name, made)
    return PreTrainedConfig.get_choice_class(name)


def converted(config: PreTrainedConfig, relative_dims: list[int], statistics: dict) -> PreTrainedConfig:
    """A configuration whose processors held statistics and relative actions, as one of a policy that holds them."""
    kept = {each.name: getattr(config, each.name) for each in dataclasses.fields(config) if each.init}
    kept |= {"normalization_mapping": _identity(), "own_normalization": config.normalization_mapping}
    made = relative_config(type(config))(**kept, relative_dims=relative_dims)
    made.own_statistics = made.needed_statistics(statistics)
    return made
