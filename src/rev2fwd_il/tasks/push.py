"""Push: a cube is pushed along the table with closed fingers; the control, a task that does not reverse.

A pushed cube follows the fingers, and one that they leave stays where it is: read backwards, a push is a pull without a
grip.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from rev2fwd_il import keys
from rev2fwd_il.config.base import Positive
from rev2fwd_il.tasks.geometry import about_vertical
from rev2fwd_il.tasks.pick_place import PickPlace, PickPlaceSettings
from rev2fwd_il.tasks.success import PlacementDetector, PlacementRules
from rev2fwd_il.tasks.task import DataBounds, GripperEvent, InitialStates, Waypoint

FINGERS_M = 0.02  # of the closed fingers, along the push
BEHIND_M = 0.03  # the fingers come down this far behind where they touch the cube
BACK_M = 0.02  # and go back by this before they rise
ASIDE_M = 0.003  # the push is this inexact across its direction
APPROACH_HEIGHT_M = (0.1, 0.15)
FREE_SPEED_M_S, VERTICAL_SPEED_M_S, PUSH_SPEED_M_S = (0.35, 0.5), (0.2, 0.3), (0.1, 0.15)
REACHED_M = 0.05  # of the tool centre point from the cube's centre: the fingers touch it


class PushSettings(PickPlaceSettings):
    """`task.kind: push`; nothing is lifted, so `height_threshold` decides nothing."""

    min_push: Positive = Field(0.03, description="the object counts as pushed once it is this far from its start [m]")


class PushDetector(PlacementDetector):
    """The object has to move along the table instead of upwards."""

    def __init__(self, rules: PlacementRules, num_envs: int, min_push_m: float):
        super().__init__(rules, num_envs)
        self._min_push_m, self._start_xy = min_push_m, np.zeros((num_envs, 2), np.float32)
        self._pushed_m = np.zeros(num_envs, np.float32)

    def start(self, env_ids, directions, target_pose, obj_pose):
        super().start(env_ids, directions, target_pose, obj_pose)
        self._start_xy[env_ids] = obj_pose[:, :2]

    def _lifted_now(self, position):
        self._pushed_m = np.linalg.norm(position[:, :2] - self._start_xy, axis=-1)
        return self._pushed_m >= self._min_push_m

    def failure(self, env: int) -> str:
        kind = super().failure(env)
        return "not_pushed" if kind in ("lifted_too_low", "dropped") and not self._lifted[env] else kind

    def quantities(self, env: int) -> dict[str, tuple[float, float]]:
        others = {name: pair for name, pair in super().quantities(env).items() if name != "lifted"}
        return {"pushed": (float(self._pushed_m[env]), self._min_push_m)} | others


class Push(PickPlace):
    """The cube of pick and place, never grasped: A pushes it to the goal, B from there to the target."""

    Settings = PushSettings
    texts: ClassVar = {
        keys.TASK_A: "Push the cube from anywhere on the table to the goal with closed fingers.",
        keys.TASK_B: "Push the cube from the goal to the target with closed fingers.",
    }
    failures = ("never_reached", "not_pushed", "placed_wide", "not_released", "dropped", "timeout")
    max_closed_on_nothing: ClassVar = None
    alike_turn_rad: ClassVar = np.pi  # it pushes with the broad side of its fingers

    def expert_way(
        self, direction: str, states: InitialStates, index: int, ee_end: np.ndarray, rng: np.random.Generator
    ) -> list[Waypoint | GripperEvent]:
        """Close, down behind the cube, straight to the target, back a little, up, open, away."""
        start, target = (pose[index, :2].astype(float) for pose in (states.obj_pose, states.target_pose))
        along = (target - start) / np.linalg.norm(target - start)
        aside = ASIDE_M * rng.uniform(-1, 1) * np.array([-along[1], along[0]])
        touching_m = (self.settings.cube_edge + FINGERS_M) / 2
        behind, end = start - (touching_m + BEHIND_M) * along + aside, target - touching_m * along + aside
        low = self.rest_z(direction, at_goal=True)
        above = low + rng.uniform(*APPROACH_HEIGHT_M, 2)
        free, vertical, pushing = (
            rng.uniform(*speeds) for speeds in (FREE_SPEED_M_S, VERTICAL_SPEED_M_S, PUSH_SPEED_M_S)
        )
        yaw = np.arctan2(along[1], along[0])
        quat = about_vertical((yaw + np.pi / 2) % np.pi - np.pi / 2)  # closed fingers look alike after half a turn

        def to(xy, z, speed):
            return Waypoint(np.concatenate([xy, [z], quat]), keys.GRIPPER_CLOSE, speed)

        return [
            GripperEvent(keys.GRIPPER_CLOSE),
            to(behind, above[0], free),
            to(behind, low, vertical),
            to(end, low, pushing),
            to(end - BACK_M * along, low, pushing),
            to(end - BACK_M * along, above[1], vertical),
            GripperEvent(keys.GRIPPER_OPEN),
            Waypoint(np.asarray(ee_end, float), keys.GRIPPER_OPEN, free),
        ]

    def success_detector(self, num_envs: int, distance_threshold: float | None = None) -> PushDetector:
        rules = replace(self._placement_rules(distance_threshold), reached_distance=REACHED_M, raised_height=-np.inf)
        return PushDetector(rules, num_envs, self.settings.min_push)

    @property
    def data_bounds(self) -> DataBounds:
        """As for pick and place, but nothing is raised."""
        return replace(super().data_bounds, raised_m=0.0)
