"""The settings that every task has, and how `task.kind` finds the task that adds its own (tasks/)."""

import importlib
import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from rev2fwd_il.config.base import EPISODE_LENGTH, Count, Positive, Range, Section
from rev2fwd_il.errors import ConfigError

if TYPE_CHECKING:
    from rev2fwd_il.tasks.task import Task

DEFAULT_KIND = "pick_place"
# What `task.kind` may name; a task elsewhere is named `module:Class`, as an entry point is.
KINDS = {
    "pick_place": "rev2fwd_il.tasks.pick_place:PickPlace",
    "stack": "rev2fwd_il.tasks.stack:Stack",
    "insert": "rev2fwd_il.tasks.insert:Insert",
    "push": "rev2fwd_il.tasks.push:Push",
}
GRID = 101  # points a side, to measure how much of the region lies far enough from the goal
MIN_FREE_SHARE = 0.05
NEAREST_M, FARTHEST_M = 0.2, 0.8  # from the robot's base, horizontally: no arm of this size works beyond


class TaskSettings(Section):
    """Geometry of the task, in metres in the robot-base frame, and what success means."""

    former_names: ClassVar = EPISODE_LENGTH

    kind: str = Field(DEFAULT_KIND, description="the task: a name, or module:Class of a task of your own")
    goal_xy: tuple[float, float] = Field((0.5, 0.0), description="fixed goal (green marker): end of A, start of B [m]")
    x_range: Range = Field((0.35, 0.65), description="starts of A and targets of B along x [m]")
    y_range: Range = Field((-0.25, 0.25), description="starts of A and targets of B along y [m]")
    min_goal_distance: float = Field(0.1, ge=0, description="starts and targets stay this far from the goal [m]")
    start_spread: Annotated[float, Field(ge=0)] = Field(
        0.03, description="task B starts this close to the goal, since that is where task A leaves the object [m]"
    )
    object_yaw: Annotated[float, Field(ge=0, le=0.8)] = Field(
        0.5, description="the object starts turned about the vertical by up to this much, either way [rad]"
    )
    height_threshold: Positive = Field(0.15, description="the object counts as lifted from this z on [m]")
    distance_threshold: Positive = Field(0.05, description="largest xy distance from the target that counts [m]")
    hold_steps: Count = Field(6, description="control steps the object must rest, released, before success counts")
    max_episode_steps: Count = Field(400, description="control steps an attempt may take")

    @model_validator(mode="after")
    def _region_can_be_used(self):
        for name in ("x_range", "y_range"):
            lower, upper = getattr(self, name)
            if lower >= upper:
                raise ValueError(f"{name}: lower {lower} must be below upper {upper}")
        nearest, farthest = self._distances_from(0.0, 0.0)
        if nearest < NEAREST_M or farthest > FARTHEST_M:
            raise ValueError(
                f"x_range and y_range span {nearest:.2f} to {farthest:.2f} m from the robot's base; "
                f"{NEAREST_M} to {FARTHEST_M} m can be reached"
            )
        if (free := self._free_share()) < MIN_FREE_SHARE:
            raise ValueError(
                f"min_goal_distance {self.min_goal_distance} leaves {100 * free:.1f} % of the region; "
                f"at least {100 * MIN_FREE_SHARE:.0f} % is needed"
            )
        return self

    @model_validator(mode="after")
    def _goal_can_be_reached(self):
        if not NEAREST_M <= (distance := math.hypot(*self.goal_xy)) <= FARTHEST_M:
            raise ValueError(
                f"goal_xy is {distance:.2f} m from the robot's base; {NEAREST_M} to {FARTHEST_M} m can be reached"
            )
        return self

    @model_validator(mode="after")
    def _success_can_be_told(self):
        if self.hold_steps >= self.max_episode_steps:
            raise ValueError(f"hold_steps {self.hold_steps} must be less than max_episode_steps")
        for name in ("distance_threshold", "start_spread"):  # 0: task A may start at the goal
            if self.min_goal_distance and getattr(self, name) > self.min_goal_distance:
                raise ValueError(
                    f"{name} {getattr(self, name)} must not exceed min_goal_distance {self.min_goal_distance}: "
                    "starts of task A and its goal would overlap"
                )
        return self

    def _distances_from(self, x: float, y: float) -> tuple[float, float]:
        """Shortest and longest horizontal distance [m] from a point to the region."""
        nearest = [min(max(value, low), high) for value, (low, high) in zip((x, y), (self.x_range, self.y_range))]
        corners = [((a - x) ** 2 + (b - y) ** 2) ** 0.5 for a in self.x_range for b in self.y_range]
        return ((nearest[0] - x) ** 2 + (nearest[1] - y) ** 2) ** 0.5, max(corners)

    def _free_share(self) -> float:
        """Share of the region that is at least `min_goal_distance` from the goal."""
        xs, ys = (
            [low + (high - low) * i / (GRID - 1) for i in range(GRID)] for low, high in (self.x_range, self.y_range)
        )
        bound = self.min_goal_distance**2
        far = sum((x - self.goal_xy[0]) ** 2 + (y - self.goal_xy[1]) ** 2 >= bound for x in xs for y in ys)
        return far / GRID**2


def task_class(kind: str) -> "type[Task]":
    """The task of that kind. Raises ConfigError naming what exists."""
    module, separator, attribute = str(KINDS.get(kind, kind)).partition(":")
    try:
        if not separator:
            raise ImportError("neither a known name nor module:Class")
        found = getattr(importlib.import_module(module), attribute)
        if not issubclass(getattr(found, "Settings", object), TaskSettings):
            raise ImportError("not a class of a task")
        return found
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"task.kind = {kind!r}: no such task ({error})", expected=f"{', '.join(KINDS)}, or module:Class",
            do="check the name; a task of your own has to be importable (PYTHONPATH)",
        ) from None  # fmt: skip


def read_task_settings(values: dict) -> TaskSettings:
    """The `task` section of a configuration, by its kind. Raises pydantic's ValidationError, or ConfigError.

    config.yaml spells out the settings of the default kind; where another kind is laid over them, those that are still
    at their defaults are dropped.
    """
    settings = task_class(values.get("kind", DEFAULT_KIND)).Settings
    left_over = values.keys() - settings.model_fields.keys() - settings.former_names.keys()
    if left_over:
        default = task_class(DEFAULT_KIND).Settings().model_dump(mode="json")
        values = {key: value for key, value in values.items() if key not in left_over or default.get(key) != value}
    return settings.model_validate(values)
