"""The data contract in code: the fields of a dataset, and the episode they describe (docs/data.md)."""

from dataclasses import dataclass, fields

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.errors import DataError

SCHEMA_VERSION = 1
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
EPISODE_FIELDS = {keys.TARGET_XY: ((2,), np.float32), keys.SUCCESS: ((), np.bool_)}
NPZ_ORDER = [*FRAME_FIELDS, *IMAGE_FIELDS, *EPISODE_FIELDS, keys.EPISODE_ENDS]


@dataclass(frozen=True)
class Episode:
    """One attempt at one task. Poses are [x, y, z, qw, qx, qy, qz] in the robot-base frame [m]."""

    ee_pose: np.ndarray  # (T, 7) float32
    obj_pose: np.ndarray  # (T, 7) float32
    action: np.ndarray  # (T, 8) float32: commanded ee pose, gripper (+1 open, -1 close)
    gripper_width: np.ndarray  # (T,) float32, measured opening [m]
    target_xy: np.ndarray  # (2,) float32: where the object has to end [m]
    success: bool
    images: np.ndarray | None = None  # (T, H, W, 3) uint8, table camera
    wrist_images: np.ndarray | None = None  # (T, H, W, 3) uint8, wrist camera

    def __len__(self) -> int:
        return len(self.ee_pose)

    def __post_init__(self):
        for name in FRAME_FIELDS | IMAGE_FIELDS:
            value = getattr(self, name)
            if value is not None and len(value) != len(self):
                raise DataError(
                    f"episode: {name} has another length than ee_pose", expected=len(self), found=len(value)
                )

    def replace(self, **changes) -> "Episode":
        """A copy with some fields changed."""
        return Episode(**{field.name: getattr(self, field.name) for field in fields(self)} | changes)


def has_shape(array: np.ndarray, trailing: tuple) -> bool:
    """Whether (N, ...) `array` has these sizes after its first axis; None stands for any."""
    return array.ndim == len(trailing) + 1 and all(w in (None, h) for w, h in zip(trailing, array.shape[1:]))
