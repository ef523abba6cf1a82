"""Task A and task B: where they start, where they must end, and the one judgement of success.

Poses are [x, y, z, qw, qx, qy, qz] in the robot-base frame [m]. The end-effector frame points up while the gripper
points down, so that pointing straight down is the identity quaternion and the canonical sign qw >= 0 never flips.
"""

from dataclasses import dataclass

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.config import TaskConfig

DOWN_WXYZ = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
HAND_START_Z_M = (0.18, 0.34)
HAND_START_YAW_RAD = np.radians(15)
HAND_NEAR_SHARE = 0.5  # of the hand poses: just above the object, where the attempt before has left the hand
HAND_NEAR_Z_M, HAND_NEAR_XY_M = (0.09, 0.18), 0.04
WORKSPACE_MARGIN_M, WORKSPACE_Z_M = 0.1, (0.01, 0.38)  # commands are kept within the region, this margin around it
OPEN_MARGIN_M = 0.015  # wider than the cube by this: measured open
CLEAR_DISTANCE_M = 0.06  # hand to object centre
REST_HEIGHT_M = 0.006  # object centre above its resting height
REST_SPEED_M = 0.001  # object motion in a control step
REACHED_DISTANCE_M = 0.03
RAISED_HEIGHT_M = 0.02  # object above its resting height: it was in the fingers

FAILURES = ("never_reached", "missed_grasp", "dropped", "placed_wide", "not_released", "timeout")


@dataclass(frozen=True)
class Starts:
    """M seeded starts of one task: the cube flat on the table, the gripper open above the region."""

    object_xy: np.ndarray  # (M, 2) [m]
    object_yaw: np.ndarray  # (M,) [rad]
    target_xy: np.ndarray  # (M, 2) [m]
    ee_pose: np.ndarray  # (M, 7), gripper open

    def __len__(self) -> int:
        return len(self.object_xy)

    def obj_pose(self, edge: float) -> np.ndarray:
        """(M, 7): the cube flat on the table."""
        return object_pose_on_table(self.object_xy, edge, self.object_yaw)


def turned(yaw: np.ndarray) -> np.ndarray:
    """(M,) [rad] -> (M, 4): quaternions of a turn about the vertical."""
    half, zero = np.asarray(yaw) / 2, np.zeros(np.shape(yaw))
    return np.stack([np.cos(half), zero, zero, np.sin(half)], -1)


def object_pose_on_table(xy: np.ndarray, edge: float, yaw: np.ndarray | float = 0.0) -> np.ndarray:
    """(M, 2), (M,) [rad] -> (M, 7): a cube of that edge [m] resting flat on the table."""
    xy = np.atleast_2d(xy)
    height, quat = np.full((len(xy), 1), edge / 2), turned(np.broadcast_to(yaw, len(xy)))
    return np.concatenate([xy, height, quat], -1).astype(np.float32)


def sample_away_from_goal(task: TaskConfig, rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 2): uniform over the start region, at least `min_goal_distance` from the goal [m]."""
    lower, upper = np.transpose([task.x_range, task.y_range])
    accepted = np.empty((0, 2))
    while len(accepted) < count:
        candidates = rng.uniform(lower, upper, (2 * count + 8, 2))
        far = np.linalg.norm(candidates - task.goal_xy, axis=-1) >= task.min_goal_distance
        accepted = np.concatenate([accepted, candidates[far]])
    return accepted[:count].astype(np.float32)


def sample_near_goal(task: TaskConfig, rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 2): uniform in the disc of radius `start_spread` around the goal [m]."""
    angle, radius = rng.uniform(0, 2 * np.pi, count), task.start_spread * np.sqrt(rng.uniform(0, 1, count))
    return (task.goal_xy + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)).astype(np.float32)


def workspace(task: TaskConfig) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner (3,) of where a hand may be sent [m]."""
    lower = [task.x_range[0] - WORKSPACE_MARGIN_M, task.y_range[0] - WORKSPACE_MARGIN_M, WORKSPACE_Z_M[0]]
    upper = [task.x_range[1] + WORKSPACE_MARGIN_M, task.y_range[1] + WORKSPACE_MARGIN_M, WORKSPACE_Z_M[1]]
    return np.float32(lower), np.float32(upper)


def sample_hand_poses(task: TaskConfig, rng: np.random.Generator, near_xy: np.ndarray) -> np.ndarray:
    """(M, 7): gripper down, turned a little about the vertical; half anywhere above the region, half above (M, 2)."""
    count = len(near_xy)
    lower = [task.x_range[0], task.y_range[0], HAND_START_Z_M[0]]
    upper = [task.x_range[1], task.y_range[1], HAND_START_Z_M[1]]
    quat = turned(rng.uniform(-HAND_START_YAW_RAD, HAND_START_YAW_RAD, count))
    anywhere = rng.uniform(lower, upper, (count, 3))
    xy = near_xy + rng.uniform(-HAND_NEAR_XY_M, HAND_NEAR_XY_M, (count, 2))
    near = np.concatenate([xy, rng.uniform(*HAND_NEAR_Z_M, (count, 1))], -1)
    position = np.where(rng.uniform(0, 1, (count, 1)) < HAND_NEAR_SHARE, near, anywhere)
    return np.concatenate([position, quat], -1).astype(np.float32)


def sample_starts(task: TaskConfig, which: str, rng: np.random.Generator, count: int) -> Starts:
    """Starts of task "A" (object anywhere, target the goal) or "B" (object close to the goal, target anywhere)."""
    away = sample_away_from_goal(task, rng, count)
    yaw = rng.uniform(-task.object_yaw, task.object_yaw, count)
    if which == keys.TASK_A:
        return Starts(away, yaw, np.tile(np.float32(task.goal_xy), (count, 1)), sample_hand_poses(task, rng, away))
    near = sample_near_goal(task, rng, count)
    return Starts(near, yaw, away, sample_hand_poses(task, rng, near))


class Judge:
    """Decides success and names failures for N attempts side by side, from what is measured at each control step.

    Success: the object was lifted to `height_threshold`, and then rests on the table within `distance_threshold` of the
    target in xy, the gripper measured open and the hand clear, for `hold_steps` control steps on end.
    """

    def __init__(self, task: TaskConfig, num_envs: int):
        self.task = task
        self.target_xy = np.zeros((num_envs, 2), np.float32)
        self._last_position = np.zeros((num_envs, 3), np.float32)
        self._reached = np.zeros(num_envs, bool)
        self._raised = np.zeros(num_envs, bool)
        self._lifted = np.zeros(num_envs, bool)
        self._held_steps = np.zeros(num_envs, int)
        self._facts: dict[str, np.ndarray] = {}

    def start(self, env_ids: np.ndarray, target_xy: np.ndarray, obj_pose: np.ndarray) -> None:
        """A new attempt in these environments; obj_pose (M, 7) is where their objects are now."""
        self.target_xy[env_ids] = target_xy
        self._last_position[env_ids] = obj_pose[:, :3]
        for flag in (self._reached, self._raised, self._lifted):
            flag[env_ids] = False
        self._held_steps[env_ids] = 0

    def update(self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        """Judge one control step; all (N, ...). Returns success so far, (N,) bool."""
        task, position = self.task, obj_pose[:, :3]
        height = position[:, 2] - task.cube_edge / 2
        hand_distance = np.linalg.norm(ee_pose[:, :3] - position, axis=-1)
        still = np.linalg.norm(position - self._last_position, axis=-1) < REST_SPEED_M
        self._reached |= hand_distance < REACHED_DISTANCE_M
        self._raised |= height > RAISED_HEIGHT_M
        self._lifted |= position[:, 2] >= task.height_threshold
        facts = {
            "resting": still & (np.abs(height) < REST_HEIGHT_M),
            "near": self.error_m(obj_pose) <= task.distance_threshold,
            "open": gripper_width > task.cube_edge + OPEN_MARGIN_M,
            "clear": hand_distance > CLEAR_DISTANCE_M,
        }
        placed = self._lifted & np.logical_and.reduce(list(facts.values()))
        self._held_steps = np.where(placed, self._held_steps + 1, 0)
        self._last_position = position.copy()
        self._facts = facts
        return self._held_steps >= task.hold_steps

    def error_m(self, obj_pose: np.ndarray) -> np.ndarray:
        """xy distance of the object from its target, (N,) [m]."""
        return np.linalg.norm(obj_pose[:, :2] - self.target_xy, axis=-1)

    def failure(self, env: int) -> str:
        """The kind of failure of an attempt that ends now without success; one of FAILURES."""
        facts = {name: bool(values[env]) for name, values in self._facts.items()}
        if not self._reached[env]:
            return "never_reached"
        if not self._raised[env]:
            return "missed_grasp"
        if not facts["resting"] or not facts["open"] or not facts["clear"]:
            return "not_released" if self._lifted[env] else "timeout"
        if not self._lifted[env]:
            return "dropped"
        return "timeout" if facts["near"] else "placed_wide"
