"""Tasks on a table: where objects and end effectors start, drawn over a rectangular region around a fixed goal."""

from typing import NamedTuple

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.tasks.geometry import about_vertical, upright_pose
from rev2fwd_il.tasks.task import DataBounds, GripperEvent, InitialStates, Task, Waypoint

EE_START_Z_M = (0.18, 0.34)
EE_START_YAW_RAD = np.radians(15)
EE_NEAR_SHARE = 0.5  # of the end effectors: just above the object, where the attempt before has left them
EE_NEAR_Z_M, EE_NEAR_XY_M = (0.09, 0.18), 0.04
WORKSPACE_MARGIN_M, WORKSPACE_Z_M = 0.1, (0.01, 0.38)  # commands are kept within the region, this margin around it
TABLE_MARGIN_M = 0.005  # an object's centre may be measured this far below the table top
AWAY_HEIGHT_M, AWAY_SPEED_M_S = 0.1, (0.28, 0.5)  # of a hand that leaves an object: above it; up, and away
RAISED_M = 0.05  # a success was raised clear of the table, whatever height_threshold is


class Grip(NamedTuple):
    """Where an object is taken or let go: the end effector's place, and its height before and after [m]."""

    xy: np.ndarray
    z: float
    above_z: float
    quat: np.ndarray


def carry_way(
    pick: Grip, place: Grip, carried_z: float, ee_end: np.ndarray, fast: float, slow: float,
    carry_fast: float | None = None, carry_slow: float | None = None,
) -> list[Waypoint | GripperEvent]:  # fmt: skip
    """Down, close, up, level, down, open, up, away; speeds [m/s], those with the object others if given."""
    opened, closed = keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE
    carry_fast, carry_slow = carry_fast or fast, carry_slow or slow

    def to(grip, z, gripper, speed):
        return Waypoint(np.concatenate([grip.xy, [z], grip.quat]), gripper, speed)

    return [
        to(pick, pick.above_z, opened, fast),
        to(pick, pick.z, opened, slow),
        GripperEvent(closed),
        to(pick, carried_z, closed, carry_slow),
        to(place, carried_z, closed, carry_fast),
        to(place, place.z, closed, carry_slow),
        GripperEvent(opened),
        to(place, place.above_z, opened, slow),
        Waypoint(np.asarray(ee_end, float), opened, fast),
    ]


class TableTopTask(Task):
    """Task A starts anywhere in the region and ends at the goal; Task B starts close to the goal and ends anywhere."""

    def rest_z(self, direction: str, *, at_goal: bool) -> float:
        """Height [m] of the object's centre where it rests: at the goal, or anywhere else."""
        raise NotImplementedError

    @property
    def goal_reach_m(self) -> float:
        """Task B can begin with the object this close to the goal in xy: as far away as Task A may leave it."""
        return self.settings.distance_threshold

    def can_begin(self, obj_pose: np.ndarray) -> tuple[str, ...]:
        """Both at the goal, B best; else A, within the workspace."""
        reachable = super().can_begin(obj_pose)
        at_goal = np.linalg.norm(obj_pose[:2] - self.settings.goal_xy) <= self.goal_reach_m
        return (keys.TASK_B, keys.TASK_A) if reachable and at_goal else reachable

    def way_away(self, ee_pose: np.ndarray, obj_pose: np.ndarray, ee_end: np.ndarray) -> list[Waypoint]:
        """Up, and away, as demonstrations end."""
        above = np.array(ee_pose, float)
        above[2] = max(ee_pose[2], obj_pose[2] + AWAY_HEIGHT_M)
        ways = zip((above, np.asarray(ee_end, float)), AWAY_SPEED_M_S, strict=True)
        return [Waypoint(pose, keys.GRIPPER_OPEN, speed) for pose, speed in ways]

    def clearance_z(self, near_xy: np.ndarray) -> np.ndarray:
        """(M,) [m]: by how much higher than on the bare table end effectors start above what stands at (M, 2)."""
        return np.zeros(len(near_xy))

    def sample_away_from_goal(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, 2) float32: uniform over the region, at least `min_goal_distance` from the goal [m]."""
        settings = self.settings
        lower, upper = np.transpose([settings.x_range, settings.y_range])
        accepted = np.empty((0, 2))
        while len(accepted) < count:
            candidates = rng.uniform(lower, upper, (2 * count + 8, 2))
            far = np.linalg.norm(candidates - settings.goal_xy, axis=-1) >= settings.min_goal_distance
            accepted = np.concatenate([accepted, candidates[far]])
        return accepted[:count].astype(np.float32)

    def sample_near_goal(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, 2) float32: uniform in the disc of radius `start_spread` around the goal [m]."""
        return self.sample_disc(rng, count, self.settings.start_spread)

    def sample_disc(self, rng: np.random.Generator, count: int, spread_m: float) -> np.ndarray:
        """(count, 2) float32: uniform in the disc of this radius around the goal [m]."""
        angle, radius = rng.uniform(0, 2 * np.pi, count), spread_m * np.sqrt(rng.uniform(0, 1, count))
        offset = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        return (self.settings.goal_xy + offset).astype(np.float32)

    def sample_ee_poses(self, rng: np.random.Generator, near_xy: np.ndarray) -> np.ndarray:
        """(M, 7): gripper down, turned a little; half anywhere above the region, half above the (M, 2) given [m]."""
        count, settings = len(near_xy), self.settings
        lower = [settings.x_range[0], settings.y_range[0], EE_START_Z_M[0]]
        upper = [settings.x_range[1], settings.y_range[1], EE_START_Z_M[1]]
        quat = about_vertical(rng.uniform(-EE_START_YAW_RAD, EE_START_YAW_RAD, count))
        anywhere = rng.uniform(lower, upper, (count, 3))
        xy = near_xy + rng.uniform(-EE_NEAR_XY_M, EE_NEAR_XY_M, (count, 2))
        near_z = rng.uniform(*EE_NEAR_Z_M, (count, 1)) + self.clearance_z(near_xy)[:, None]
        near = np.concatenate([xy, near_z], -1)
        position = np.where(rng.uniform(0, 1, (count, 1)) < EE_NEAR_SHARE, near, anywhere)
        return np.concatenate([position, quat], -1).astype(np.float32)

    def sample_initial_states(self, direction: str, rng: np.random.Generator, count: int) -> InitialStates:
        """Object anywhere and target the goal for A; object close to the goal and target anywhere for B."""
        away = self.sample_away_from_goal(rng, count)
        yaw = rng.uniform(-self.settings.object_yaw, self.settings.object_yaw, count)
        if direction == keys.TASK_A:
            start, target = away, np.tile(np.float32(self.settings.goal_xy), (count, 1))
        else:
            start, target = self.sample_near_goal(rng, count), away
        starts_at_goal = direction == keys.TASK_B
        return InitialStates(
            obj_pose=upright_pose(start, self.rest_z(direction, at_goal=starts_at_goal), yaw),
            object_yaw=yaw,
            target_pose=self.target_poses(direction, target),
            ee_pose=self.sample_ee_poses(rng, start),
        )

    def target_poses(self, direction: str, xy: np.ndarray) -> np.ndarray:
        """(M, 2) [m] -> (M, 7): upright, at rest."""
        return upright_pose(xy, self.rest_z(direction, at_goal=direction == keys.TASK_A))

    def sample_target(self, direction: str, rng: np.random.Generator) -> np.ndarray:
        """(7,): the goal for A, anywhere for B."""
        xy = np.float32([self.settings.goal_xy]) if direction == keys.TASK_A else self.sample_away_from_goal(rng, 1)
        return self.target_poses(direction, xy)[0]

    def workspace(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of where an end effector may be sent [m]: around the region and the goal."""
        settings = self.settings
        (x_low, x_high), (y_low, y_high) = (
            (min(low, goal), max(high, goal))
            for (low, high), goal in zip((settings.x_range, settings.y_range), settings.goal_xy, strict=True)
        )
        lower = [x_low - WORKSPACE_MARGIN_M, y_low - WORKSPACE_MARGIN_M, WORKSPACE_Z_M[0]]
        upper = [x_high + WORKSPACE_MARGIN_M, y_high + WORKSPACE_MARGIN_M, WORKSPACE_Z_M[1]]
        return np.float32(lower), np.float32(upper)

    @property
    def data_bounds(self) -> DataBounds:
        """Task A's targets lie where Task B's demonstrations began, around the goal; Task B's away from it."""
        settings = self.settings
        return DataBounds(
            placed_m=settings.distance_threshold,
            raised_m=min(RAISED_M, settings.height_threshold - self.rest_z(keys.TASK_A, at_goal=False)),
            lowest_z_m=-TABLE_MARGIN_M,
            goal_xy=settings.goal_xy,
            goal_radius_m=settings.start_spread + settings.distance_threshold,
            min_goal_distance_m=max(0.0, settings.min_goal_distance - settings.distance_threshold),
        )
