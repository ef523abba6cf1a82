"""The success detector of tasks in which an object is lifted, set down and let go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.tasks.geometry import tilt

MAX_REST_STEP_M = 0.001  # object motion in a control step
MAX_LOWERING_STEP_M = 0.018  # in a control step: the expert lowers by at most 12 mm; faster counts as a fall
PLACEMENT_FAILURES = (
    *("never_reached", "missed_grasp", "dropped", "lifted_too_low", "placed_wide", "not_released", "timeout"),
)


@dataclass(frozen=True)
class PlacementRules:
    """When an object counts as reached, raised, lifted, at rest and let go. [m]"""

    height_threshold: float  # lifted: its centre was this high
    distance_threshold: float  # near the target in xy
    hold_steps: int  # control steps on end for which all must hold
    open_width: float  # measured opening beyond which the gripper is open
    clear_distance: float  # from the tool centre point to the object's centre: the end effector is clear
    reached_distance: float = 0.03
    raised_height: float = 0.02  # above where it rests: it was in the fingers
    rest_height: float = 0.006  # from its resting height at the target
    max_tilt: float | None = None  # [rad] at rest; None: it may lie on any side


class PlacementDetector:
    """See `task.SuccessDetector`; the object has to rest at the target's height. N environments.

    `rules` of a direction, where A and B are judged by different tolerances, heights and tilts; else of both.
    """

    def __init__(self, rules: PlacementRules | Mapping[str, PlacementRules], num_envs: int):
        self._rules_of = rules if isinstance(rules, Mapping) else dict.fromkeys(keys.TASKS, rules)
        self.rules = self._rules_of[keys.TASK_A]
        self._env_rules = [self.rules] * num_envs
        self._near_m, self._rest_m, self._max_tilt = (np.zeros(num_envs, np.float32) for _ in range(3))
        self.target_pose = np.zeros((num_envs, 7), np.float32)
        self._low_z = np.zeros(num_envs, np.float32)  # the lower of where it starts and where it has to end
        self._last_position = np.zeros((num_envs, 3), np.float32)
        self._reached, self._raised, self._lifted, self._fell = (np.zeros(num_envs, bool) for _ in range(4))
        self._held_steps = np.zeros(num_envs, int)
        self._facts: dict[str, np.ndarray] = {}
        self._measured: dict[str, tuple[np.ndarray, str]] = {}

    def start(self, env_ids: np.ndarray, directions: Sequence[str], target_pose: np.ndarray, obj_pose: np.ndarray):
        """A new attempt in these environments, judged by the rules of its direction."""
        for env, direction in zip(env_ids, directions, strict=True):
            self._env_rules[env] = rules = self._rules_of[direction]
            self._near_m[env], self._rest_m[env] = rules.distance_threshold, rules.rest_height
            self._max_tilt[env] = np.inf if rules.max_tilt is None else rules.max_tilt
        self.target_pose[env_ids] = target_pose
        self._low_z[env_ids] = np.minimum(target_pose[:, 2], obj_pose[:, 2])
        self._last_position[env_ids] = obj_pose[:, :3]
        for flag in (self._reached, self._raised, self._lifted, self._fell):
            flag[env_ids] = False
        self._held_steps[env_ids] = 0

    def update(self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        """Take one control step into account; (N,) bool: success has been reached now."""
        rules, position = self.rules, obj_pose[:, :3]
        distance = np.linalg.norm(ee_pose[:, :3] - position, axis=-1)
        step = np.linalg.norm(position - self._last_position, axis=-1)
        self._reached |= distance < rules.reached_distance
        self._raised |= position[:, 2] - self._low_z > rules.raised_height
        self._lifted |= self._lifted_now(position)
        self._fell |= self._last_position[:, 2] - position[:, 2] > MAX_LOWERING_STEP_M
        error = self.error_m(obj_pose)
        height = position[:, 2] - self.target_pose[:, 2]
        self._facts = {
            "still": step < MAX_REST_STEP_M,
            "at_height": np.abs(height) < self._rest_m,
            "near": error <= self._near_m,
            "open": gripper_width > rules.open_width,
            "clear": distance > rules.clear_distance,
        }
        if np.isfinite(self._max_tilt).any():
            self._facts["upright"] = tilt(obj_pose[:, 3:]) <= self._max_tilt
        self._measured = {
            "lifted": (position[:, 2], "height_threshold"),
            "near_the_target": (error, "distance_threshold"),
            "released": (gripper_width, "open_width"),
            "ee_clear": (distance, "clear_distance"),
        }
        placed = self._lifted & np.logical_and.reduce(list(self._facts.values()))
        self._held_steps = np.where(placed, self._held_steps + 1, 0)
        self._last_position = position.copy()
        return self._held_steps >= rules.hold_steps

    def _lifted_now(self, position: np.ndarray) -> np.ndarray:
        """Whether objects at (N, 3) [m] are moved from their places as the task asks, (N,) bool."""
        return position[:, 2] >= self.rules.height_threshold

    def error_m(self, obj_pose: np.ndarray) -> np.ndarray:
        """xy distance of the object from its target, (N,) [m]."""
        return np.linalg.norm(obj_pose[:, :2] - self.target_pose[:, :2], axis=-1)

    def failure(self, env: int) -> str:
        """The kind of failure of an attempt that ends now without success; one of PLACEMENT_FAILURES."""
        facts = {name: bool(values[env]) for name, values in self._facts.items()}
        placed = facts["near"] and facts["at_height"] and facts.get("upright", True)
        if not self._reached[env]:
            return "never_reached"
        if not self._raised[env]:
            return "missed_grasp"
        if not (facts["still"] and facts["open"] and facts["clear"]):
            return "not_released" if self._lifted[env] else "timeout"
        if not self._lifted[env]:
            return "lifted_too_low" if placed else "dropped"
        if placed:
            return "timeout"
        return "dropped" if self._fell[env] else "placed_wide"

    def quantities(self, env: int) -> dict[str, tuple[float, float]]:
        """What success is decided by, as measured last: name -> (value, threshold) [m]."""
        rules = self._env_rules[env]
        return {name: (float(values[env]), getattr(rules, rule)) for name, (values, rule) in self._measured.items()}
