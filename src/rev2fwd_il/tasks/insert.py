"""Insert: a square peg is put into a socket from anywhere (A), or pulled out and stood up on the table (B).

Pulling it out needs no precision, since the socket says where the peg is; putting it in needs the clearance's.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from rev2fwd_il import keys
from rev2fwd_il.config.base import Positive
from rev2fwd_il.config.task import TaskSettings
from rev2fwd_il.tasks.geometry import about_vertical, along_z, nearest_alike, tilt, turn_about_vertical, upright_pose
from rev2fwd_il.tasks.observation import NEAR_M, NEAR_RAD, OBJECT, RELATION_NAMES, TARGET, ObjectRelations
from rev2fwd_il.tasks.success import PLACEMENT_FAILURES, PlacementDetector, PlacementRules
from rev2fwd_il.tasks.table_top import Grip, TableTopTask, carry_way
from rev2fwd_il.tasks.task import Box, DataBounds, GripperEvent, InitialStates, Waypoint

PEG_COLOUR, WALL_COLOUR, WALL_M = (0.9, 0.55, 0.1), (0.75, 0.75, 0.7), 0.02
GRASP_ABOVE_CENTRE_M = 0.028  # clear of the rim
APPROACH_HEIGHT_M = (0.06, 0.12)  # of the end effector above the grasp
CARRY_HEIGHT_M = (0.19, 0.21)  # what a policy cannot foresee it learns as noise: heights and speeds vary little
FREE_SPEED_M_S, FREE_VERTICAL_SPEED_M_S = (0.4, 0.5), (0.22, 0.27)
CARRY_SPEED_M_S, CARRY_VERTICAL_SPEED_M_S = (0.22, 0.28), (0.12, 0.15)  # slower: the peg creeps in the pads, one way
GRASP_ALONG_M, GRASP_TURN_RAD = 0.003, 0.02  # the grasp is this inexact along the pads and in height, and in its turn
GRASP_ACROSS_SHARE = 0.25  # of the clearance: across the pads, where an error becomes one of the peg's place
START_SHARE, START_TURN_SHARE = 0.5, 0.25  # of the clearance: how Task B's peg stands in its socket
FINE_M = 0.01  # full scale of what is observed of the last millimetres
MAX_TILT_RAD = np.radians(8)
LYING_RAD = np.radians(45)  # a peg that leans by more has toppled, one that leans by less rests on something
BESIDE_M = 0.005  # farther from the socket's centre than the clearance and this, the peg is not in it
EXTRA_NAMES = [
    *("target_qw", "target_qz", "near_target_turn", "fine_target_x", "fine_target_y"),
    *("fine_object_x", "fine_object_y", "near_rim"),
]
TARGET_TURN = len(RELATION_NAMES)


class InsertSettings(TaskSettings):
    """`task.kind: insert`."""

    clearance: float = Field(0.001, ge=0.0001, le=0.01, description="between the peg and each wall of the socket [m]")
    peg_edge: float = Field(0.02, ge=0.01, le=0.05, description="edge of the square peg [m]")
    peg_height: float = Field(0.08, ge=0.07, le=0.12, description="its height [m]")
    peg_mass: Positive = Field(0.25, description="its mass; a light peg is rammed in by the palm [kg]")
    socket_height: float = Field(0.04, ge=0.02, le=0.045, description="height of the socket's walls [m]")
    min_depth: Positive = Field(0.025, description="inserted: the peg's lower end is this far below the rim [m]")

    @model_validator(mode="after")
    def _it_can_be_inserted(self):
        highest = CARRY_HEIGHT_M[0] - GRASP_ABOVE_CENTRE_M - 2 * GRASP_ALONG_M
        lowest = self.socket_height + self.peg_height / 2 + 0.01
        if not lowest <= self.height_threshold <= highest:
            raise ValueError(
                f"height_threshold {self.height_threshold} must lie between {lowest:.3f}, clear of the socket, and "
                f"{highest:.3f}, the lowest that the expert carries"
            )
        if self.min_depth >= self.socket_height:
            raise ValueError(f"min_depth {self.min_depth} must be less than socket_height")
        if self.min_goal_distance < (needed := 1.5 * (self.peg_edge + WALL_M) + 0.02):
            raise ValueError(f"min_goal_distance must be {needed:.3f} or more, beside the socket")
        return self


class InsertDetector(PlacementDetector):
    """Names what goes wrong with pegs: they fall over, or stay on the rim."""

    def update(self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        self._lying = tilt(obj_pose[:, 3:]) > LYING_RAD
        return super().update(ee_pose, obj_pose, gripper_width)

    def failure(self, env: int) -> str:
        kind, facts = super().failure(env), self._facts
        if kind == "not_released" and self._lying[env]:  # whatever the end effector does about it
            return "toppled"
        if kind not in ("dropped", "placed_wide", "timeout"):
            return kind
        if not facts["upright"][env]:
            return "toppled"
        return "not_inserted" if facts["near"][env] and not facts["at_height"][env] else kind


class Insert(TableTopTask):
    """A peg looks alike after each quarter of a turn. Poses are those of its centre; it is gripped above that."""

    Settings = InsertSettings
    texts: ClassVar = {
        keys.TASK_A: "Pick up the peg and insert it into the socket.",
        keys.TASK_B: "Pull the peg out of the socket and stand it up at the target.",
    }
    failures = (*PLACEMENT_FAILURES, "toppled", "not_inserted")
    object_name = "peg"
    environment_state_names: ClassVar = [*RELATION_NAMES, *EXTRA_NAMES]
    solver_substeps = 4
    alike_turn_rad: ClassVar = np.pi / 2  # as the peg does

    def __init__(self, settings: InsertSettings):
        super().__init__(settings)
        edge = settings.peg_edge
        self._relations = ObjectRelations("C4", held_distance_m=edge / 2 + 0.025, held_width_m=edge + 0.025)
        self._low_z = settings.peg_height / 2  # of the centre, standing on the table, which is the socket's floor too

    @property
    def boxes(self) -> list[Box]:
        settings = self.settings
        (x, y), edge, height = settings.goal_xy, settings.peg_edge, settings.socket_height
        inner = edge + 2 * settings.clearance
        beside, outer = inner / 2 + WALL_M / 2, inner + 2 * WALL_M
        walls = {
            "wall_near": ((x - beside, y), (WALL_M, outer)),
            "wall_far": ((x + beside, y), (WALL_M, outer)),
            "wall_right": ((x, y - beside), (inner, WALL_M)),
            "wall_left": ((x, y + beside), (inner, WALL_M)),
        }
        peg = Box(
            self.object_name, (edge, edge, settings.peg_height), (x, y, self._low_z), PEG_COLOUR, settings.peg_mass
        )
        fixtures = [Box(name, (*size, height), (*xy, height / 2), WALL_COLOUR) for name, (xy, size) in walls.items()]
        return [peg, *fixtures]

    def rest_z(self, direction: str, *, at_goal: bool) -> float:
        return self._low_z

    def clearance_z(self, near_xy: np.ndarray) -> np.ndarray:
        return np.full(len(near_xy), self.settings.peg_height - 0.04)

    def sample_initial_states(self, direction: str, rng: np.random.Generator, count: int) -> InitialStates:
        """Peg upright anywhere and target the socket for A; peg in the socket and target anywhere for B."""
        settings = self.settings
        away, turns = self.sample_away_from_goal(rng, count), rng.uniform(-1, 1, (2, count))
        inside = settings.goal_xy + START_SHARE * settings.clearance * rng.uniform(-1, 1, (count, 2))
        anywhere = upright_pose(away, self._low_z, settings.object_yaw * turns[0])
        if direction == keys.TASK_A:
            yaw, start = settings.object_yaw * turns[0], anywhere
            target = self.target_poses(direction, np.tile(settings.goal_xy, (count, 1)))
        else:
            yaw = self._turn_in_socket * turns[1]
            start, target = upright_pose(inside, self._low_z, yaw), anywhere
        return InitialStates(start, yaw, target, self.sample_ee_poses(rng, start[:, :2]))

    @property
    def _turn_in_socket(self) -> float:
        """Task B's peg is turned in its socket by up to this much [rad]."""
        return START_TURN_SHARE * self.settings.clearance / (self.settings.peg_edge / 2)

    def sample_target(self, direction: str, rng: np.random.Generator) -> np.ndarray:
        """(7,): the socket for A, anywhere and turned for B."""
        if direction == keys.TASK_A:
            return self.target_poses(direction, np.float32([self.settings.goal_xy]))[0]
        yaw = rng.uniform(-self.settings.object_yaw, self.settings.object_yaw)
        return upright_pose(self.sample_away_from_goal(rng, 1), self._low_z, yaw)[0]

    @property
    def goal_reach_m(self) -> float:
        """In the socket or on its rim; a peg that stands beside it is Task A's."""
        return self.settings.clearance + BESIDE_M

    def can_begin(self, obj_pose: np.ndarray) -> tuple[str, ...]:
        """None with a peg that lies on its side: from above, neither task can stand it up."""
        return () if tilt(obj_pose[3:]) > LYING_RAD else super().can_begin(obj_pose)

    def reached_target(self, direction: str, obj_pose: np.ndarray) -> np.ndarray:
        """Turned as the peg is; of its four turns that look alike the one nearest to no turn."""
        target = super().reached_target(direction, obj_pose)
        if direction == keys.TASK_A:
            return target
        yaw = turn_about_vertical(nearest_alike(obj_pose[3:], target[3:], "C4"), target[3:])
        return upright_pose(target[:2], self._low_z, yaw)[0]

    def expert_way(
        self, direction: str, states: InitialStates, index: int, ee_end: np.ndarray, rng: np.random.Generator
    ) -> list[Waypoint | GripperEvent]:
        """Down, close, up, level and turning to above the target, down, open, up, away; slower with the peg."""
        along, inexact_z = rng.uniform(-GRASP_ALONG_M, GRASP_ALONG_M, 2)
        across = GRASP_ACROSS_SHARE * self.settings.clearance * rng.uniform(-1, 1)
        turn = min(GRASP_TURN_RAD, self._turn_in_socket) * rng.uniform(-1, 1)
        grasp_z = self._low_z + GRASP_ABOVE_CENTRE_M + inexact_z
        above = rng.uniform(*APPROACH_HEIGHT_M, 2) + grasp_z
        target = states.target_pose[index]

        def grip(xy, yaw, above_z):
            cos, sin = np.cos(yaw), np.sin(yaw)
            offset = np.array([cos * along - sin * across, sin * along + cos * across])
            return Grip(xy + offset, grasp_z, above_z, about_vertical(yaw + turn))

        pick = grip(states.obj_pose[index, :2], states.object_yaw[index], above[0])
        place = grip(target[:2], 2 * np.arctan2(target[6], target[3]), above[1])
        speeds = (FREE_SPEED_M_S, FREE_VERTICAL_SPEED_M_S, CARRY_SPEED_M_S, CARRY_VERTICAL_SPEED_M_S)
        return carry_way(pick, place, rng.uniform(*CARRY_HEIGHT_M), ee_end, *(rng.uniform(*pair) for pair in speeds))

    def success_detector(self, num_envs: int, distance_threshold: float | None = None) -> InsertDetector:
        settings = self.settings
        standing = PlacementRules(
            height_threshold=settings.height_threshold,
            distance_threshold=settings.distance_threshold if distance_threshold is None else distance_threshold,
            hold_steps=settings.hold_steps,
            open_width=settings.peg_edge + 0.015,
            clear_distance=GRASP_ABOVE_CENTRE_M + 0.04,
            reached_distance=GRASP_ABOVE_CENTRE_M + 0.02,
            max_tilt=MAX_TILT_RAD,
        )
        inserted = replace(
            standing,
            distance_threshold=min(standing.distance_threshold, settings.clearance + BESIDE_M),
            rest_height=settings.socket_height - settings.min_depth,
        )
        return InsertDetector({keys.TASK_A: inserted, keys.TASK_B: standing}, num_envs)

    def environment_state(self, ee_pose, obj_pose, gripper_width, target_pose) -> np.ndarray:
        """Relations between end effector, where the peg is gripped, and target; then the last millimetres, magnified.

        The lower end's place decides whether it goes in, the target's turn how the peg is to be turned.
        """
        target_pose = np.broadcast_to(target_pose, (*obj_pose.shape[:-1], 7))
        gripped = along_z(obj_pose, GRASP_ABOVE_CENTRE_M)
        relations = self._relations(ee_pose, gripped, gripper_width, target_pose[..., :2])
        target_quat = nearest_alike(target_pose[..., 3:], ee_pose[..., 3:], "C4")
        turn = turn_about_vertical(target_quat, ee_pose[..., 3:])[..., None] / NEAR_RAD
        lower_end = along_z(obj_pose, -self.settings.peg_height / 2)[..., :3]
        fine = [target_pose[..., :2] - lower_end[..., :2], gripped[..., :2] - ee_pose[..., :2]]
        rim = (lower_end[..., 2:3] - self.settings.socket_height) / NEAR_M
        near = np.clip(np.concatenate([turn, *(part / FINE_M for part in fine), rim], -1), -1, 1)
        return np.concatenate([relations, target_pose[..., [3, 6]], near], -1, dtype=np.float32)

    def parse_environment_state(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        target = np.zeros((*values.shape[:-1], 7), np.float32)
        target[..., :2], target[..., 2] = values[..., TARGET], self._low_z
        target[..., [3, 6]] = values[..., TARGET_TURN : TARGET_TURN + 2]
        return along_z(values[..., OBJECT], -GRASP_ABOVE_CENTRE_M), target

    def holds(self, distance_m: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        edge = self.settings.peg_edge
        return (distance_m < GRASP_ABOVE_CENTRE_M + edge / 2 + 0.005) & (gripper_width < edge + 0.02)

    @property
    def data_bounds(self) -> DataBounds:
        """As on the table; Task A's targets are where Task B's pegs stood in the socket."""
        return replace(super().data_bounds, goal_radius_m=START_SHARE * self.settings.clearance * 2**0.5 + BESIDE_M)
