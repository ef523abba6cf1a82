"""What LeRobot's command lines import to know the cell and our policies.

    lerobot-eval --env.discover_packages_path=rev2fwd_il.learning.plugin ...
    lerobot-train --policy.discover_packages_path=rev2fwd_il.learning.plugin ...

Registers `--env.type=rev2fwd` (environment.py) and, for each of LeRobot's policies that predicts chunks of actions, the
type `rev2fwd_<type>` (learning/relative).
"""

from lerobot.configs import PreTrainedConfig

from rev2fwd_il.learning.policy_class import config_class, predicts_chunks
from rev2fwd_il.learning.relative.configuration_rev2fwd import is_relative, relative_config


def _register() -> None:
    for name in ("diffusion", "act"):  # known even where LeRobot's package has not been imported as a whole
        config_class(name)
    for name, known in list(PreTrainedConfig.get_known_choices().items()):
        if not is_relative(name) and predicts_chunks(known):
            relative_config(known)


_register()
