"""A task of somebody else's: a bar is laid on a line through the goal from anywhere (A), or taken from it (B)."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from rev2fwd_il import keys
from rev2fwd_il.config.task import TaskSettings
from rev2fwd_il.tasks.geometry import about_vertical
from rev2fwd_il.tasks.observation import OBJECT, RELATION_NAMES, TARGET, ObjectRelations
from rev2fwd_il.tasks.success import PLACEMENT_FAILURES, PlacementDetector, PlacementRules
from rev2fwd_il.tasks.table_top import TableTopTask
from rev2fwd_il.tasks.task import Box, GripperEvent, Waypoint

APPROACH_M, CARRY_M, SPEED_M_S = 0.1, 0.22, 0.3


class LineSettings(TaskSettings):
    """`task.kind: line_task:PlaceOnLine`."""

    bar_size: tuple[float, float, float] = Field((0.06, 0.03, 0.04), description="along, across the fingers, up [m]")


class LineDetector(PlacementDetector):
    """On the line, wherever along it, for Task A; at the target for Task B."""

    def __init__(self, rules: PlacementRules, num_envs: int):
        super().__init__(rules, num_envs)
        self._to_line = np.zeros(num_envs, bool)

    def start(self, env_ids, directions, target_pose, obj_pose):
        super().start(env_ids, directions, target_pose, obj_pose)
        self._to_line[env_ids] = [direction == keys.TASK_A for direction in directions]

    def error_m(self, obj_pose):
        across = np.abs(obj_pose[:, 0] - self.target_pose[:, 0])
        return np.where(self._to_line, across, super().error_m(obj_pose))


class PlaceOnLine(TableTopTask):
    Settings = LineSettings
    texts: ClassVar = {
        keys.TASK_A: "Lay the bar on the line.",
        keys.TASK_B: "Take the bar from the line to a target.",
    }
    failures = PLACEMENT_FAILURES
    object_name = "bar"
    environment_state_names = RELATION_NAMES

    def __init__(self, settings: LineSettings):
        super().__init__(settings)
        across = settings.bar_size[1]
        self._relations = ObjectRelations("D2", held_distance_m=0.045, held_width_m=across + 0.025)

    @property
    def boxes(self):
        return [Box("bar", self.settings.bar_size, (*self.settings.goal_xy, self._half_height), (0.8, 0.6, 0.1), 0.06)]

    @property
    def _half_height(self):
        return self.settings.bar_size[2] / 2

    def rest_z(self, direction, *, at_goal):
        return self._half_height

    def expert_way(self, direction, states, index, ee_end, rng):
        quat = about_vertical(states.object_yaw[index])
        pick, place = (pose[index, :2] for pose in (states.obj_pose, states.target_pose))

        def to(xy, z, gripper):
            return Waypoint(np.concatenate([xy, [z], quat]), gripper, SPEED_M_S)

        opened, closed = keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE
        low = self._half_height
        down = [to(pick, APPROACH_M, opened), to(pick, low, opened), GripperEvent(closed)]
        carried = [to(pick, CARRY_M, closed), to(place, CARRY_M, closed), to(place, low, closed), GripperEvent(opened)]
        return [*down, *carried, to(place, APPROACH_M, opened), Waypoint(np.asarray(ee_end, float), opened, SPEED_M_S)]

    def success_detector(self, num_envs, distance_threshold=None):
        settings = self.settings
        tolerance = settings.distance_threshold if distance_threshold is None else distance_threshold
        rules = PlacementRules(
            settings.height_threshold, tolerance, settings.hold_steps,
            open_width=settings.bar_size[1] + 0.015, clear_distance=0.06,
        )  # fmt: skip
        return LineDetector(rules, num_envs)

    def environment_state(self, ee_pose, obj_pose, gripper_width, target_pose):
        return self._relations(ee_pose, obj_pose, gripper_width, target_pose[..., :2])

    def parse_environment_state(self, values):
        target = np.zeros((*values.shape[:-1], 7), np.float32)
        target[..., :2], target[..., 2], target[..., 3] = values[..., TARGET], self._half_height, 1
        return values[..., OBJECT], target

    def holds(self, distance_m, gripper_width):
        return (distance_m < 0.035) & (gripper_width < self.settings.bar_size[1] + 0.02)
