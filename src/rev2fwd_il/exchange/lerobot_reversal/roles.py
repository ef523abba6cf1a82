"""What each dimension of a dataset is to its reversal: from the dataset's own names, or from a ReversalFeatures.

By name: `action` commands those dimensions of `observation.state` that are called like its own; a command with
"gripper" in its name is a gripper's; "velocity" or "vel" names a velocity; an action that is named without a state of
its own, or no gripper at all, is an error that says what the YAML has to name. Everything else is a state.
"""

import re
from dataclasses import dataclass

from rev2fwd_il import keys
from rev2fwd_il.config.lerobot_reversal import ReversalFeatures
from rev2fwd_il.errors import ConfigError

BOOKKEEPING = ("timestamp", "frame_index", "episode_index", "index", "task_index")  # LeRobot's own columns
IMAGE_DTYPES = ("image", "video")
GRIPPER, VELOCITY = re.compile(r"gripper", re.I), re.compile(r"(^|[^a-z])(vel|velocity|velocities)([^a-z]|$)", re.I)
OUTCOME = re.compile(r"^(next\..*|success|rollout)$")  # says how the forward episode went


@dataclass(frozen=True)
class Dimension:
    """One number of a feature."""

    feature: str
    index: int
    name: str

    def __str__(self) -> str:
        return f"{self.feature}/{self.name}"


@dataclass(frozen=True)
class Command:
    """A number that is commanded, and the one that is measured of it."""

    command: Dimension
    state: Dimension
    scale: float | None = None  # state units of one unit, where the command is a difference of the state


@dataclass(frozen=True)
class Gripper:
    """A gripper's command, and its measured opening."""

    command: Dimension
    state: Dimension
    lead_steps: int | None = None  # None: as measured


@dataclass(frozen=True)
class Roles:
    """Dimensions by what they are; what is in none of these is a state, and read backward."""

    commands: tuple[Command, ...]
    grippers: tuple[Gripper, ...]
    velocities: tuple[Dimension, ...]
    goals: tuple[tuple[Dimension, Dimension], ...]
    heights: tuple[Dimension, ...]
    dropped: tuple[str, ...]
    command_lead_steps: int = 1

    def to_dict(self) -> dict:
        """For a report."""
        return {
            "commands": {str(pair.command): str(pair.state) for pair in self.commands},
            "grippers": {str(gripper.command): str(gripper.state) for gripper in self.grippers},
            "velocities": [str(dimension) for dimension in self.velocities],
            "goals": {str(goal): str(state) for goal, state in self.goals},
            "dropped": list(self.dropped),
            "command_lead_steps": self.command_lead_steps,
        }


class Dimensions:
    """The dimensions of a dataset's numeric features, found by name."""

    def __init__(self, features: dict[str, dict]):
        self.by_feature = {
            key: [Dimension(key, index, name) for index, name in enumerate(names_of(feature))]
            for key, feature in features.items()
            if key not in BOOKKEEPING and is_numeric(feature)
        }

    def find(self, text: str) -> list[Dimension]:
        """What `feature` or `feature/name` names. Raises ConfigError where the dataset has nothing of that name."""
        if text in self.by_feature:
            return self.by_feature[text]
        feature, _, name = text.rpartition("/")
        found = [dimension for dimension in self.by_feature.get(feature, []) if dimension.name == name]
        if not found:
            known = [str(d) for d in self.by_feature[feature]] if feature in self.by_feature else list(self.by_feature)
            raise ConfigError(
                f"the dataset has no `{text}`", expected=f"one of {', '.join(known)}", do="correct the YAML"
            )
        return found

    def one(self, text: str) -> Dimension:
        """A single dimension."""
        found = self.find(text)
        if len(found) != 1:
            raise ConfigError(f"`{text}` names {len(found)} dimensions", expected="feature/name", do="correct the YAML")
        return found[0]

    def like(self, dimension: Dimension, feature: str) -> Dimension | None:
        """The dimension of that name in another feature."""
        return next((other for other in self.by_feature.get(feature, []) if other.name == dimension.name), None)


def is_numeric(feature: dict) -> bool:
    """Whether a feature is a vector of numbers."""
    return feature["dtype"] not in (*IMAGE_DTYPES, "string", "language") and len(feature["shape"]) == 1


def names_of(feature: dict) -> list[str]:
    """The names of a feature's dimensions; numbers where it has none, or not one each."""
    names, width = feature.get("names"), int(feature["shape"][0])
    if isinstance(names, dict):
        names = [name for value in names.values() for name in (value if isinstance(value, list) else [value])]
    if not isinstance(names, list) or len(names) != width or len(set(map(str, names))) != width:
        return [str(index) for index in range(width)]
    return [str(name) for name in names]


def find_roles(features: dict[str, dict], spec: ReversalFeatures) -> Roles:
    """Raises ConfigError where neither the names nor `spec` say what a dimension is."""
    dimensions = Dimensions(features)
    dropped = _dropped(features, spec)
    grippers = _grippers(dimensions, spec)
    commands = _commands(dimensions, spec, {gripper.command for gripper in grippers})
    commanded = {pair.command for pair in (*commands, *grippers)}
    states = [d for ds in dimensions.by_feature.values() for d in ds if d not in commanded and d.feature not in dropped]
    by_name = [d for d in states if VELOCITY.search(d.feature) or VELOCITY.search(d.name)]
    given = None if spec.velocities is None else _all(dimensions, spec.velocities)
    goals = [pair for goal, state in spec.goals.items() for pair in _pairs(dimensions, goal, state)]
    roles = Roles(
        commands=tuple(commands), grippers=tuple(grippers), velocities=tuple(by_name if given is None else given),
        goals=tuple(goals), heights=tuple(_all(dimensions, spec.heights)), dropped=dropped,
        command_lead_steps=spec.command_lead_steps,
    )  # fmt: skip
    _refuse_contradictions(roles, spec, dimensions)
    return roles


def _refuse_contradictions(roles: Roles, spec: ReversalFeatures, dimensions: Dimensions) -> None:
    """What has a role cannot be dropped, and only a command can be relative."""
    pairs = [d for each in (*roles.commands, *roles.grippers) for d in (each.command, each.state)]
    used = [*pairs, *roles.velocities, *(d for pair in roles.goals for d in pair)]
    if lost := sorted({d.feature for d in used} & {*roles.dropped}):
        raise ConfigError(
            f"{', '.join(lost)} has a role in the reversal and is dropped", expected="one of both",
            do="write drop: [...] without it, or take its role out of the YAML",
        )  # fmt: skip
    commands = {pair.command for pair in roles.commands}
    if strange := [text for text in spec.relative if commands.isdisjoint(dimensions.find(text))]:
        raise ConfigError(
            f"relative: {', '.join(strange)} is no command of an arm",
            expected=f"some of {', '.join(map(str, commands))}", do="correct the YAML",
        )  # fmt: skip


def _all(dimensions: Dimensions, texts: tuple[str, ...]) -> list[Dimension]:
    return [dimension for text in texts for dimension in dimensions.find(text)]


def _dropped(features: dict[str, dict], spec: ReversalFeatures) -> tuple[str, ...]:
    if spec.drop is None:
        return tuple(key for key in features if OUTCOME.match(key))
    if unknown := [key for key in spec.drop if key not in features or key in BOOKKEEPING]:
        raise ConfigError(f"drop: {', '.join(unknown)} cannot be dropped", expected=f"some of {', '.join(features)}")
    return spec.drop


def _pairs(dimensions: Dimensions, left: str, right: str) -> list[tuple[Dimension, Dimension]]:
    """Dimensions of two texts, one to one: by name where both have the same, else in order."""
    lefts, rights = dimensions.find(left), dimensions.find(right)
    if len(lefts) != len(rights):
        raise ConfigError(
            f"`{left}` and `{right}` do not match", expected=f"{len(lefts)} dimensions", found=len(rights),
            do="name single dimensions, feature/name",
        )  # fmt: skip
    by_name = {other.name: other for other in rights}
    named = all(dimension.name in by_name for dimension in lefts)
    return [(one, by_name[one.name] if named else other) for one, other in zip(lefts, rights)]


def _grippers(dimensions: Dimensions, spec: ReversalFeatures) -> list[Gripper]:
    if spec.grippers is not None:
        return [Gripper(dimensions.one(g.command), dimensions.one(g.state), g.lead_steps) for g in spec.grippers]
    commands = [d for d in dimensions.by_feature.get(keys.ACTION, []) if GRIPPER.search(d.name)]
    if not commands:
        names = [str(dimension) for dimension in dimensions.by_feature.get(keys.ACTION, [])]
        raise ConfigError(
            "no gripper in the action", expected="a name with `gripper` in it", found=", ".join(names) or "no action",
            do="name it in a YAML: grippers: [{command: action/NAME, state: observation.state/NAME}], or grippers: []",
        )  # fmt: skip
    return [Gripper(command, _opening(dimensions, command)) for command in commands]


def _opening(dimensions: Dimensions, command: Dimension) -> Dimension:
    """The measured opening of a gripper: of its name, or the only state named like one that begins as it does."""
    if same := dimensions.like(command, keys.OBS_STATE):
        return same
    begins = GRIPPER.split(command.name)[0]
    states = dimensions.by_feature.get(keys.OBS_STATE, [])
    found = [d for d in states if GRIPPER.search(d.name) and d.name.startswith(begins) and not VELOCITY.search(d.name)]
    if len(found) != 1:
        raise ConfigError(
            f"no measured opening for `{command}`: a reversed command has to come before its effect",
            expected="one state with `gripper` in its name", found=", ".join(map(str, found)) or "none",
            do=f"name it in a YAML: grippers: [{{command: {command}, state: observation.state/NAME}}]",
        )  # fmt: skip
    return found[0]


def _commands(dimensions: Dimensions, spec: ReversalFeatures, grippers: set[Dimension]) -> list[Command]:
    pairs = dict(pair for left, right in spec.commands.items() for pair in _pairs(dimensions, left, right))
    scales = {d: scale for text, scale in spec.relative.items() for d in dimensions.find(text)}
    states = dimensions.by_feature.get(keys.OBS_STATE, [])
    for command in dimensions.by_feature.get(keys.ACTION, []):
        if command in grippers or command in pairs:
            continue
        state = dimensions.like(command, keys.OBS_STATE)
        if state is None:
            raise ConfigError(
                f"`{command}` commands no state that is known",
                expected=f"its name among {', '.join(d.name for d in states) or 'the names of observation.state'}",
                do=f"name it in a YAML: commands: {{{command}: observation.state/NAME}}",
            )  # fmt: skip
        pairs[command] = state
    return [Command(one, other, scales.get(one)) for one, other in pairs.items() if one not in grippers]
