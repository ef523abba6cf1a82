"""Bare trajectories -> Episodes: the specification's fields, and an account of what had to be assumed for the rest.

The specification's table has `ee_pose`, `obj_pose`, `action` and images; what the contract added since is taken where a
file has it and assumed where not. Nothing is assumed silently: `assumed` collects one line for each kind.
"""

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.schema import IMAGE_FIELDS, Episode
from rev2fwd_il.errors import DataError
from rev2fwd_il.method.reversal import canonical

OPEN_WIDTH_M, HOLDING_WIDTH_M = 0.08, 0.04  # the Panda's opening, and that around an object of 4 cm
TARGET_FIELDS = {keys.TASK_A: "goal_pose", keys.TASK_B: "place_pose"}  # names in older files of this method


class Completion:
    """Turns dictionaries of arrays into Episodes of one task; `assumed` says what was not in them.

    `relabel` replaces the actions by the pose of the next frame: older files hold the expert's waypoints there.
    """

    def __init__(self, task: str, *, relabel: bool = False):
        self.task, self.relabel, self.assumed = task, relabel, []

    def episode(self, fields: dict, place: str) -> Episode:
        """Raises DataError naming `place` when a field that cannot be assumed is missing or mis-shaped."""
        ee_pose, obj_pose = (self._frames(fields, name, 7, place) for name in (keys.EE_POSE, keys.OBJ_POSE))
        command = self._command(fields, place)
        ee_pose, obj_pose = self._tool_up(canonical(ee_pose)), canonical(obj_pose)
        following = np.concatenate([ee_pose[1:], ee_pose[-1:]])
        if self.relabel or keys.ACTION not in fields:
            self._note("action: the pose of the next frame")
        else:
            following = self._tool_up(canonical(self._frames(fields, keys.ACTION, 8, place)[:, :7]))
        images = {name: np.asarray(fields[name]) for name in IMAGE_FIELDS if fields.get(name) is not None}
        return Episode(
            ee_pose, obj_pose, np.concatenate([following, command[:, None]], 1, dtype=np.float32),
            self._width(fields, command, place), self._target(fields, obj_pose), self._success(fields), **images,
        )  # fmt: skip

    def _note(self, text: str) -> None:
        if text not in self.assumed:
            self.assumed.append(text)

    def _frames(self, fields: dict, name: str, width: int, place: str) -> np.ndarray:
        array = np.asarray(fields.get(name))
        if array.ndim != 2 or array.shape[1] != width or array.dtype.kind != "f" or not len(array):
            expected = f"(T, {width}) float"
            raise DataError(f"{place}: `{name}` does not fit", expected=expected, found=f"{array.shape} {array.dtype}")
        return array

    def _command(self, fields: dict, place: str) -> np.ndarray:
        if keys.ACTION in fields:
            values = self._frames(fields, keys.ACTION, 8, place)[:, 7]
        elif "gripper" in fields:
            values = np.asarray(fields["gripper"]).reshape(-1)
        else:
            raise DataError(f"{place}: no gripper command", expected="`action` (T, 8) or `gripper` (T,)")
        if values.dtype.kind not in "fiu":
            raise DataError(f"{place}: the gripper command is no number", found=values.dtype)
        return np.where(values > 0, keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE)

    def _tool_up(self, pose: np.ndarray) -> np.ndarray:
        """Older files let the tool frame point down with the gripper; here it points up (docs/decisions.md)."""
        x, y = pose[:, 4], pose[:, 5]
        if np.median(1 - 2 * (x**2 + y**2)) > 0:
            return pose
        self._note("the end-effector frame pointed down: turned by half a turn about its x")
        qw, qx, qy, qz = pose[:, 3:].T
        return canonical(np.concatenate([pose[:, :3], np.stack([qx, -qw, -qz, qy], axis=1)], axis=1))

    def _width(self, fields: dict, command: np.ndarray, place: str) -> np.ndarray:
        if keys.GRIPPER_WIDTH in fields:
            return np.asarray(fields[keys.GRIPPER_WIDTH], np.float32)
        self._note(f"gripper_width: {OPEN_WIDTH_M} m under open, {HOLDING_WIDTH_M} m under close")
        return np.where(command > 0, OPEN_WIDTH_M, HOLDING_WIDTH_M).astype(np.float32)

    def _target(self, fields: dict, obj_pose: np.ndarray) -> np.ndarray:
        for name in (keys.TARGET_XY, TARGET_FIELDS[self.task]):
            target = np.asarray(fields.get(name))
            if target.dtype.kind == "f" and target.ndim == 1 and len(target) >= 2:
                return target[:2].astype(np.float32)
        self._note("target_xy: where the object ended")
        return obj_pose[-1, :2].copy()

    def _success(self, fields: dict) -> bool:
        if keys.SUCCESS not in fields:
            self._note("success: every episode")
        return bool(fields.get(keys.SUCCESS, True))
