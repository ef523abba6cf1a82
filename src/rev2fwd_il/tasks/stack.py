"""Stack: a cube is put on a block that is fixed at the goal (A), or taken from its top and put on the table (B)."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from rev2fwd_il import keys
from rev2fwd_il.config.base import Positive
from rev2fwd_il.tasks.observation import NEAR_M, RELATION_NAMES
from rev2fwd_il.tasks.pick_place import PickPlace, PickPlaceSettings
from rev2fwd_il.tasks.success import PlacementDetector
from rev2fwd_il.tasks.task import Box

BASE_COLOUR = (0.75, 0.75, 0.7)
START_SHARE = 0.8  # of the tolerance: Task B starts where Task A leaves the cube


class StackSettings(PickPlaceSettings):
    """`task.kind: stack`."""

    base_edge: float = Field(0.06, ge=0.03, le=0.08, description="edge of the block's top [m]")
    base_height: float = Field(0.04, ge=0.02, le=0.06, description="height of the block [m]")
    stack_tolerance: Positive = Field(0.015, description="largest xy distance from the block's centre for Task A [m]")

    @model_validator(mode="after")
    def _it_stays_on_the_block(self):
        if self.stack_tolerance >= self.base_edge / 2:
            raise ValueError(f"stack_tolerance {self.stack_tolerance} must be less than half of base_edge")
        if self.height_threshold < self.base_height + self.cube_edge / 2 + 0.03:
            raise ValueError(f"height_threshold {self.height_threshold} must be clear of a cube on the block")
        needed = 0.7 * (self.base_edge + self.cube_edge) + 0.02
        if self.min_goal_distance < needed:
            raise ValueError(f"min_goal_distance must be {needed:.3f} or more: beside the block the gripper meets it")
        return self


class Stack(PickPlace):
    """Pick and place with a goal above the table; the distance threshold is Task B's, Task A has its own tolerance."""

    Settings = StackSettings
    texts: ClassVar = {
        keys.TASK_A: "Pick the cube from anywhere on the table and stack it on the block.",
        keys.TASK_B: "Take the cube from the block and place it at the target.",
    }
    environment_state_names: ClassVar = [*RELATION_NAMES, "near_block"]

    @property
    def boxes(self) -> list[Box]:
        settings, edge = self.settings, self.settings.base_edge
        cube = replace(super().boxes[0], position_m=(*settings.goal_xy, self._stacked_z))
        place = (*settings.goal_xy, settings.base_height / 2)
        return [cube, Box("block", (edge, edge, settings.base_height), place, BASE_COLOUR)]

    @property
    def _stacked_z(self) -> float:
        return self.settings.base_height + self.settings.cube_edge / 2

    def rest_z(self, direction: str, *, at_goal: bool) -> float:
        return self._stacked_z if at_goal else self.settings.cube_edge / 2

    @property
    def goal_reach_m(self) -> float:
        """The block carries a cube whose centre is above it, also one that is too far off centre to be stacked."""
        return self.settings.base_edge / 2

    def clearance_z(self, near_xy: np.ndarray) -> np.ndarray:
        at_block = np.linalg.norm(near_xy - self.settings.goal_xy, axis=-1) < self.settings.min_goal_distance
        return self.settings.base_height * at_block

    def sample_near_goal(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Where Task A leaves the cube, and never nearer to the block's edge."""
        settings = self.settings
        spread = min(settings.start_spread, START_SHARE * settings.stack_tolerance)
        return self.sample_disc(rng, count, spread)

    def success_detector(self, num_envs: int, distance_threshold: float | None = None) -> PlacementDetector:
        rules = self._placement_rules(distance_threshold)
        on_the_block = replace(rules, distance_threshold=min(rules.distance_threshold, self.settings.stack_tolerance))
        return PlacementDetector({keys.TASK_A: on_the_block, keys.TASK_B: rules}, num_envs)

    def environment_state(self, ee_pose, obj_pose, gripper_width, target_pose) -> np.ndarray:
        """As for pick and place, and the cube's height above where it rests on the block, as `near_table`."""
        above = np.clip((obj_pose[..., 2:3] - self._stacked_z) / NEAR_M, -1, 1)
        relations = super().environment_state(ee_pose, obj_pose, gripper_width, target_pose)
        return np.concatenate([relations, above], -1, dtype=np.float32)
