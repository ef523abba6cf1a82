"""Policy classes, their configurations and processors, by the type under which LeRobot registers them.

LeRobot's factory finds all three by naming convention, but takes 4.6 s to import. The diffusion policy is imported
already (lean_import.py) and comes from its own modules; every other type comes from the factory. Of each there is one
with absolute actions, `rev2fwd_<type>` (relative/).
"""

import dataclasses
import importlib
import importlib.util

from lerobot.configs import PreTrainedConfig
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.processor import PolicyProcessorPipeline

from rev2fwd_il.config.policy import DIFFUSION
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.learning.relative.configuration_rev2fwd import base_type, is_relative, relative_config
from rev2fwd_il.learning.relative.modeling_rev2fwd import relative_policy

HORIZON_NAMES = ("horizon", "chunk_size")  # of the predicted action steps, one of which a type's configuration has


def config_class(policy_type: str) -> type[PreTrainedConfig]:
    """Configuration class of a type. Raises ConfigError where LeRobot has none, or lacks a package for it."""
    if policy_type == DIFFUSION:
        return DiffusionConfig
    if is_relative(policy_type):
        return relative_config(config_class(base_type(policy_type)))
    module = f"lerobot.policies.{policy_type}.configuration_{policy_type}"
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise ConfigError(
                f"policy.type={policy_type}: LeRobot has no such policy", expected="diffusion, act, or another of its",
                do="list them: ls .venv/lib/python3.12/site-packages/lerobot/policies",
            ) from None  # fmt: skip
        raise ConfigError(f"policy.type={policy_type}: a package is missing", found=error) from None
    return PreTrainedConfig.get_choice_class(policy_type)


def policy_class(policy_type: str) -> type[PreTrainedPolicy]:
    """Policy class of a type. Raises ConfigError as `config_class` does."""
    if policy_type == DIFFUSION:
        return DiffusionPolicy
    if is_relative(policy_type):
        return relative_policy(policy_class(base_type(policy_type)))
    config_class(policy_type)
    from lerobot.policies.factory import get_policy_class

    try:
        return get_policy_class(policy_type)
    except ImportError as error:
        raise ConfigError(f"policy.type={policy_type}: a package is missing", found=error) from None


def make_config(policy_type: str, wanted: dict, optional: dict) -> PreTrainedConfig:
    """LeRobot's configuration from `wanted` settings and those of the `optional` ones that the type has.

    Raises ConfigError naming a setting that the type does not have, or what LeRobot says against the values.
    """
    chosen, theirs = config_class(policy_type), config_class(base_type(policy_type))
    names = _names(chosen)
    unknown = sorted(wanted.keys() - names)
    if unknown:
        raise ConfigError(
            f"policy.{base_type(policy_type)}: {', '.join(unknown)}: no setting of LeRobot's {theirs.__name__}",
            expected=f"some of {', '.join(sorted(names))}", do="correct the names in the configuration",
        )  # fmt: skip
    try:
        return chosen(**wanted, **{name: value for name, value in optional.items() if name in names})
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConfigError(f"policy.{base_type(policy_type)}: LeRobot refuses these settings", found=error) from None


def _names(chosen: type[PreTrainedConfig]) -> set[str]:
    return {field.name for field in dataclasses.fields(chosen) if field.init}


def predicts_chunks(chosen: type[PreTrainedConfig]) -> bool:
    """Whether the policies of this configuration class predict chunks of actions."""
    return not _names(chosen).isdisjoint(HORIZON_NAMES)


def horizon_name(policy_type: str) -> str:
    """What a type's configuration calls the number of predicted action steps. Raises ConfigError where it has none."""
    chosen = config_class(policy_type)
    if predicts_chunks(chosen):
        return next(name for name in HORIZON_NAMES if name in _names(chosen))
    raise ConfigError(
        f"policy.type={policy_type}: does not predict a chunk of actions", expected=f"a setting {HORIZON_NAMES}"
    )


def make_processors(config: PreTrainedConfig, stats: dict) -> tuple[PolicyProcessorPipeline, PolicyProcessorPipeline]:
    """Pre- and postprocessor as LeRobot makes them for this type."""
    theirs = base_type(config.type)
    if theirs == DIFFUSION:
        return make_diffusion_pre_post_processors(config, stats)
    if is_relative(config.type):
        module = importlib.import_module(config_class(theirs).__module__.replace("configuration_", "processor_"))
        return getattr(module, f"make_{theirs}_pre_post_processors")(config, dataset_stats=stats)
    from lerobot.policies.factory import make_pre_post_processors

    return make_pre_post_processors(config, dataset_stats=stats)
