"""A study: tasks x policies x numbers of demonstrations, each with every arm and every seed of the configuration.

    study:
      tasks: {pick-place: {}, stack: {task: {kind: stack}, train: {steps: 5000}}}
      policies: {diffusion: {}, act: {policy: {type: act, n_obs_steps: 1}}}
      demonstrations: [8, 120]

A level is a name, which becomes part of the names of its runs, and settings that are laid over the configuration for
it. What is not named is not part of the names either.
"""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from rev2fwd_il.config.base import Count, Section
from rev2fwd_il.errors import ConfigError

LevelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
Level = dict[str, dict[str, Any]]  # section -> key -> value
SECTIONS = {"task", "sim", "plant", "demos", "reversal", "policy", "train", "rollout", "evaluation"}
SAME_TEST = {"task", "plant", "evaluation"}  # what runs of one task have to share, or their rates could not be compared
WHOLE_STUDY = ("train.save_every", "train.memory_gb", "train.num_processes")  # rules read them once for all runs


class StudyConfig(Section):
    """Which runs a study has, beside its arms and seeds; a factor without levels is not varied."""

    tasks: dict[LevelName, Level] = Field({}, description="name of a task -> settings laid over for it")
    policies: dict[LevelName, Level] = Field({}, description="name of a policy -> settings laid over, not its test's")
    demonstrations: tuple[Count, ...] = Field((), description="values of demos.num_episodes")

    @property
    def is_asked_for(self) -> bool:
        """Whether any factor has levels."""
        return bool(self.tasks or self.policies or self.demonstrations)

    @model_validator(mode="after")
    def _levels_set_what_they_may(self):
        if len(set(self.demonstrations)) != len(self.demonstrations):
            raise ValueError("demonstrations: each number once, since the same number gives the same run")
        for factor, levels, allowed in (
            ("tasks", self.tasks, SECTIONS),
            ("policies", self.policies, SECTIONS - SAME_TEST),
        ):
            for name, level in levels.items():
                if unknown := sorted(level.keys() - allowed):
                    why = "; its runs have to be tested alike" if SAME_TEST & {*unknown} else ""
                    raise ValueError(f"{factor}.{name} sets {', '.join(unknown)}; it may set {sorted(allowed)}{why}")
                if whole := sorted(leaves(level).keys() & {*WHOLE_STUDY}):
                    raise ValueError(f"{factor}.{name} sets {', '.join(whole)}, which all runs of a study share")
        return self


def leaves(values: dict, path: str = "") -> dict[str, Any]:
    """`section.key` -> value of every leaf."""
    out = {}
    for key, value in values.items():
        out |= leaves(value, f"{path}{key}.") if isinstance(value, dict) and value else {path + key: value}
    return out


def refuse_contradictions(levels: dict[str, Level]) -> None:
    """Raises ConfigError where two levels of one run, by name, want different values of one setting."""
    wanted: dict[str, tuple[str, Any]] = {}
    for name, level in levels.items():
        for key, value in leaves(level).items():
            before = wanted.setdefault(key, (name, value))
            if before[1] != value:
                raise ConfigError(
                    f"study: {before[0]} and {name} contradict each other", expected=f"{key} named by one of them",
                    found=f"{key} = {before[1]} and {value}", do="vary a setting in one factor only",
                )  # fmt: skip
