"""Pick and place: a cube is picked up anywhere on the table and placed at the goal (A), or the other way round (B)."""

from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from rev2fwd_il import keys
from rev2fwd_il.config.task import TaskSettings
from rev2fwd_il.tasks.geometry import about_vertical
from rev2fwd_il.tasks.observation import OBJECT, RELATION_NAMES, TARGET, ObjectRelations
from rev2fwd_il.tasks.success import PLACEMENT_FAILURES, PlacementDetector, PlacementRules
from rev2fwd_il.tasks.table_top import Grip, TableTopTask, carry_way
from rev2fwd_il.tasks.task import Box, GripperEvent, InitialStates, Waypoint

MASS_KG, COLOUR = 0.05, (0.1, 0.3, 0.9)
APPROACH_HEIGHT_M = (0.07, 0.15)  # of the end effector above the object
CARRY_HEIGHT_M = (0.2, 0.3)
TRANSFER_SPEED_M_S, VERTICAL_SPEED_M_S = (0.35, 0.65), (0.2, 0.35)
GRASP_OFFSET_M = 0.005  # the pick is this inexact in x and y, and in height
GRASP_TURN_RAD = 0.05  # and this inexact about the vertical
MAX_HEIGHT_THRESHOLD_M = CARRY_HEIGHT_M[0] - 2 * GRASP_OFFSET_M


class PickPlaceSettings(TaskSettings):
    """`task.kind: pick_place`."""

    cube_edge: float = Field(0.04, ge=0.02, le=0.06, description="edge of the cube, which the fingers go around [m]")

    @model_validator(mode="after")
    def _it_can_be_lifted(self):
        lowest = self.cube_edge / 2 + 0.03
        if not lowest <= self.height_threshold <= MAX_HEIGHT_THRESHOLD_M:
            raise ValueError(
                f"height_threshold {self.height_threshold} must lie between {lowest:.3f}, clear of the table, and "
                f"{MAX_HEIGHT_THRESHOLD_M:.3f}, the lowest that the expert carries"
            )
        return self


class PickPlace(TableTopTask):
    """The cube looks alike from 24 sides, and may end on any of them."""

    Settings = PickPlaceSettings
    texts: ClassVar = {
        keys.TASK_A: "Pick the cube from anywhere on the table and place it at the goal.",
        keys.TASK_B: "Pick the cube from the goal and place it at the target.",
    }
    failures = PLACEMENT_FAILURES
    object_name = "cube"
    environment_state_names = RELATION_NAMES
    alike_turn_rad: ClassVar = np.pi / 2  # as the cube does

    def __init__(self, settings: PickPlaceSettings):
        super().__init__(settings)
        half, edge = settings.cube_edge / 2, settings.cube_edge
        self._relations = ObjectRelations("O", held_distance_m=half + 0.025, held_width_m=edge + 0.025)

    @property
    def boxes(self) -> list[Box]:
        edge = self.settings.cube_edge
        return [Box(self.object_name, (edge, edge, edge), (*self.settings.goal_xy, edge / 2), COLOUR, MASS_KG)]

    def rest_z(self, direction: str, *, at_goal: bool) -> float:
        return self.settings.cube_edge / 2

    def expert_way(
        self, direction: str, states: InitialStates, index: int, ee_end: np.ndarray, rng: np.random.Generator
    ) -> list[Waypoint | GripperEvent]:
        """Down, close, up, level to above the target, down, open, up, away; aligned with the cube's faces.

        It is carried at constant height: a policy cannot learn to stop at a random height that it does not observe.
        """
        pick_z = self.rest_z(direction, at_goal=direction == keys.TASK_B)
        place_z = self.rest_z(direction, at_goal=direction == keys.TASK_A)
        pick_xy = states.obj_pose[index, :2] + rng.uniform(-GRASP_OFFSET_M, GRASP_OFFSET_M, 2)
        place_xy = states.target_pose[index, :2]
        inexact = rng.uniform(-GRASP_OFFSET_M, GRASP_OFFSET_M)
        above_pick, above_place = rng.uniform(*APPROACH_HEIGHT_M, 2) + np.array([pick_z, place_z])
        carried = rng.uniform(*CARRY_HEIGHT_M)
        quat = about_vertical(states.object_yaw[index] + rng.uniform(-GRASP_TURN_RAD, GRASP_TURN_RAD))
        fast, slow = rng.uniform(*TRANSFER_SPEED_M_S), rng.uniform(*VERTICAL_SPEED_M_S)
        return carry_way(
            Grip(pick_xy, pick_z + inexact, above_pick, quat), Grip(place_xy, place_z + inexact, above_place, quat),
            carried, ee_end, fast, slow,
        )  # fmt: skip

    def success_detector(self, num_envs: int, distance_threshold: float | None = None) -> PlacementDetector:
        return PlacementDetector(self._placement_rules(distance_threshold), num_envs)

    def _placement_rules(self, distance_threshold: float | None) -> PlacementRules:
        settings, edge = self.settings, self.settings.cube_edge
        return PlacementRules(
            height_threshold=settings.height_threshold,
            distance_threshold=settings.distance_threshold if distance_threshold is None else distance_threshold,
            hold_steps=settings.hold_steps,
            open_width=edge + 0.015,
            clear_distance=edge / 2 + 0.04,
        )

    def environment_state(self, ee_pose, obj_pose, gripper_width, target_pose) -> np.ndarray:
        return self._relations(ee_pose, obj_pose, gripper_width, target_pose[..., :2])

    def parse_environment_state(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        target = np.zeros((*values.shape[:-1], 7), np.float32)
        target[..., :2], target[..., 2], target[..., 3] = values[..., TARGET], self.settings.cube_edge / 2, 1
        return values[..., OBJECT], target

    def holds(self, distance_m: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        edge = self.settings.cube_edge
        return (distance_m < edge / 2 + 0.015) & (gripper_width < edge + 0.02)
