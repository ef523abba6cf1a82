"""What the features of a LeRobot dataset mean to its reversal: a short YAML, wanted where their names do not say it.

A *dimension* is `feature/name`, a name as `meta/info.json` lists it (or its number, where it lists none); a feature
alone stands for all of its dimensions.

    commands: {action/left_jaw_target: observation.state/left_jaw}
    grippers: [{command: action/left_jaw_target, state: observation.state/left_jaw, lead_steps: 4}]
    tasks: {"put the cube into the box": "take the cube out of the box"}
"""

from typing import Any

from pydantic import Field, ValidationError

from rev2fwd_il.config.base import Count, Positive, Section
from rev2fwd_il.errors import ConfigError


class GripperFeature(Section):
    """A gripper: its command, and the opening that is measured."""

    command: str = Field(description="dimension of the command")
    state: str = Field(description="dimension of the measured opening")
    lead_steps: Count | None = Field(None, description="frames from command to opening; default: as measured")


class ReversalFeatures(Section):
    """Everything has a default that comes from the dataset's own names (exchange/lerobot_reversal/roles.py)."""

    commands: dict[str, str] = Field({}, description="command -> the state that it commands, where names differ")
    command_lead_steps: Count = Field(1, description="a command is the state that is reached so many frames later")
    relative: dict[str, Positive] = Field(
        {}, description="commands that are differences of the state -> state units of one unit of the command"
    )
    grippers: tuple[GripperFeature, ...] | None = Field(None, description="default: by name; []: there is none")
    velocities: tuple[str, ...] | None = Field(None, description="states that change sign with the direction of time")
    goals: dict[str, str] = Field(
        {}, description="where a state has to end -> that state: reversed, it has to end where it began"
    )
    heights: tuple[str, ...] = Field((), description="heights of objects [m], searched for free fall")
    drop: tuple[str, ...] | None = Field(
        None, description="features that say nothing of reversed motion; default: next.*"
    )
    tasks: dict[str, str] = Field({}, description="task text -> text of the reversed task")


def make_reversal_features(values: dict, source: str) -> ReversalFeatures:
    """Check plain values; raises ConfigError naming key, value and what is allowed."""
    try:
        return ReversalFeatures.model_validate(values)
    except ValidationError as error:
        lines = [_line(problem) for problem in error.errors()]
        raise ConfigError(
            f"{source}: does not describe a reversal\n" + "\n".join(lines), do="see docs/lerobot.md"
        ) from None


def _line(problem: Any) -> str:
    message = problem["msg"]
    if problem["type"] == "extra_forbidden":
        model = GripperFeature if "grippers" in problem["loc"] else ReversalFeatures
        message = f"unknown key; allowed here: {', '.join(sorted(model.model_fields))}"
    return f"  {'.'.join(map(str, problem['loc']))} = {problem['input']!r}: {message}"
