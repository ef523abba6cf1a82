"""The data contract in code: the fields of a dataset, and the episode they describe (docs/data.md)."""

import re
from dataclasses import dataclass, fields

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.errors import DataError

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)  # version 1 has no target_pose and no object_poses
# field: trailing shape (None: any), dtype; fields along T first, fields along E after
FRAME_FIELDS = {
    keys.EE_POSE: ((7,), np.float32),
    keys.OBJ_POSE: ((7,), np.float32),
    keys.ACTION: ((8,), np.float32),
    keys.GRIPPER_WIDTH: ((), np.float32),
}
IMAGE_FIELDS = {
    keys.IMAGES: ((None, None, 3), np.uint8),
    keys.WRIST_IMAGES: ((None, None, 3), np.uint8),
}
OBJECT_FIELDS = {keys.OBJECT_POSES: ((None, 7), np.float32)}  # with meta["object_names"], or neither
OPTIONAL_FIELDS = OBJECT_FIELDS | IMAGE_FIELDS
EPISODE_FIELDS = {
    keys.TARGET_XY: ((2,), np.float32),
    keys.TARGET_POSE: ((7,), np.float32),
    keys.SUCCESS: ((), np.bool_),
}
NPZ_ORDER = [*FRAME_FIELDS, *OPTIONAL_FIELDS, *EPISODE_FIELDS, keys.EPISODE_ENDS]
IDENTITY_QUATERNION = (1.0, 0.0, 0.0, 0.0)
OBJECT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Episode:
    """One attempt at one task. Poses are [x, y, z, qw, qx, qy, qz] in the robot-base frame [m].

    Without a `target_pose` the target lies at the height at which the object starts, unturned.
    """

    ee_pose: np.ndarray  # (T, 7) float32
    obj_pose: np.ndarray  # (T, 7) float32
    action: np.ndarray  # (T, 8) float32: commanded ee pose, gripper (+1 open, -1 close)
    gripper_width: np.ndarray  # (T,) float32, measured opening [m]
    target_xy: np.ndarray  # (2,) float32: where the object has to end [m]
    success: bool
    images: np.ndarray | None = None  # (T, H, W, 3) uint8, table camera
    wrist_images: np.ndarray | None = None  # (T, H, W, 3) uint8, wrist camera
    target_pose: np.ndarray | None = None  # (7,) float32: the target with height and orientation
    object_poses: np.ndarray | None = None  # (T, K, 7) float32: further objects, in the order of meta's object_names

    def __len__(self) -> int:
        return len(self.ee_pose)

    def __post_init__(self):
        for name in FRAME_FIELDS | OPTIONAL_FIELDS:
            value = getattr(self, name)
            if value is not None and len(value) != len(self):
                raise DataError(
                    f"episode: {name} has another length than ee_pose", expected=len(self), found=len(value)
                )
        if self.target_pose is None:
            height = self.obj_pose[0, 2] if len(self) else 0.0
            object.__setattr__(self, keys.TARGET_POSE, derived_target_pose(self.target_xy, height))

    def replace(self, **changes) -> "Episode":
        """A copy with some fields changed; a new `target_xy` alone moves `target_pose` along."""
        if keys.TARGET_XY in changes and keys.TARGET_POSE not in changes:
            moved = np.concatenate([np.asarray(changes[keys.TARGET_XY])[:2], self.target_pose[2:]], dtype=np.float32)
            changes = changes | {keys.TARGET_POSE: moved}
        return Episode(**{field.name: getattr(self, field.name) for field in fields(self)} | changes)


def derived_target_pose(target_xy: np.ndarray, height: float | np.ndarray) -> np.ndarray:
    """(..., 2) [m] and the object's first height (...) [m] -> (..., 7) float32 without a turn.

    What version 1 leaves unsaid.
    """
    target_xy, height = np.asarray(target_xy), np.asarray(height)[..., None]
    quaternion = np.broadcast_to(IDENTITY_QUATERNION, (*target_xy.shape[:-1], 4))
    return np.concatenate([target_xy[..., :2], height, quaternion], axis=-1, dtype=np.float32)


def has_shape(array: np.ndarray, trailing: tuple) -> bool:
    """Whether (N, ...) `array` has these sizes after its first axis; None stands for any."""
    return array.ndim == len(trailing) + 1 and all(w in (None, h) for w, h in zip(trailing, array.shape[1:]))


def object_names(meta: dict) -> list[str] | None:
    """The names of `object_poses` that a dataset's meta states. Raises ValueError where they are not names."""
    names = meta.get(keys.OBJECT_NAMES)
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) and OBJECT_NAME.fullmatch(name) for name in names):
        raise ValueError(f"object_names is {names!r}")
    if not names or len(set(names)) != len(names):
        raise ValueError(f"object_names {names!r} are none, or not different")
    return names
