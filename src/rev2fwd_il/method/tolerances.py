"""Success at further tolerances, judged on the frames of attempts that end by another tolerance.

Each tolerance has a success detector of its own: an episode succeeds at 5 cm when it would have ended there in a run
that asks for 5 cm, whatever it does afterwards to come within 3 cm. A tolerance stricter than the asked one is judged
up to the attempt's end.
"""

from collections.abc import Sequence

import numpy as np

from rev2fwd_il.tasks.task import Task


class FurtherTolerances:
    """Success detectors for N environments side by side, one for each tolerance [m]; none ends an attempt."""

    def __init__(self, task: Task, num_envs: int, tolerances_m: tuple[float, ...] = ()):
        self._detectors = {
            tolerance: task.success_detector(num_envs, distance_threshold=tolerance) for tolerance in tolerances_m
        }
        self._succeeded = {tolerance: np.zeros(num_envs, bool) for tolerance in tolerances_m}

    def start(
        self, env_ids: np.ndarray, directions: Sequence[str], target_pose: np.ndarray, obj_pose: np.ndarray
    ) -> None:
        """A new attempt in M environments: targets and objects (M, 7)."""
        for tolerance, detector in self._detectors.items():
            detector.start(env_ids, directions, target_pose, obj_pose)
            self._succeeded[tolerance][env_ids] = False

    def update(self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray) -> None:
        """One control step; all (N, ...)."""
        for tolerance, detector in self._detectors.items():
            self._succeeded[tolerance] |= detector.update(ee_pose, obj_pose, gripper_width)

    def success_at(self, env: int) -> dict[float, bool]:
        """Tolerance [m] -> whether the attempt has succeeded there by now."""
        return {tolerance: bool(succeeded[env]) for tolerance, succeeded in self._succeeded.items()}
