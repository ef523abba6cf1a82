"""Checkpoints from before policies held relative actions within themselves: their processors held them.

They are loaded as what they would be today. Network, statistics and results are the same to the bit, and where such a
policy is saved again, by a finetune or by migrate_checkpoint.py, it is one of today.
"""

from lerobot.configs import PreTrainedConfig
from lerobot.processor import NormalizerProcessorStep, PolicyProcessorPipeline
from lerobot.processor.relative_action_processor import RelativeActionsProcessorStep

from rev2fwd_il.learning.policy_class import make_processors
from rev2fwd_il.learning.relative.configuration_rev2fwd import converted


def with_actions_inside(
    config: PreTrainedConfig, before: PolicyProcessorPipeline, after: PolicyProcessorPipeline
) -> tuple[PreTrainedConfig, PolicyProcessorPipeline, PolicyProcessorPipeline]:
    """Configuration and processors as they are, or where the processors make actions relative, those of today."""
    steps = [step for step in before.steps if isinstance(step, RelativeActionsProcessorStep) and step.enabled]
    if not steps:
        return config, before, after
    mask = steps[0]._build_mask(config.action_feature.shape[0])
    (normalizer,) = (step for step in before.steps if isinstance(step, NormalizerProcessorStep))
    statistics: dict[str, dict] = {}
    for name, values in normalizer.state_dict().items():
        feature, _, statistic = name.rpartition(".")
        statistics.setdefault(feature, {})[statistic] = values
    made = converted(config, [dim for dim, relative in enumerate(mask) if relative], statistics)
    return made, *make_processors(made, {})
