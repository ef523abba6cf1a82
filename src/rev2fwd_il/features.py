"""What a policy observes: the one mapping from poses to observation vectors, for training and rollout alike.

observation.state (8): ee_pose (7), gripper_width (1). [m]
observation.environment_state (28): obj_pose (7), target_xy (2), object - hand (3), target - object in xy (2) [m], then
    the last two, the hand's height and the turn from hand to object about the vertical, magnified: divided by 5 cm or
    0.2 rad and clipped to [-1, 1]; then, from 0 to 1, distances divided by 5 or 20 cm and clipped, whether the object
    is held, and held times the distance from the target.

A cube looks the same after a quarter turn, so of its 24 orientations that look alike the policy sees the one nearest to
the hand's: whichever face it lies on, it is the same cube, and its yaw is the turn a hand has to make to grasp it.
The differences are redundant but spare a small network from learning to subtract, and the magnified ones let it see
millimetres where they matter, near the object, the target and the table. Distances spare it from learning a norm, and
the product an exclusive or: a held object goes up far from the target and down near it, an empty hand the other way.
Leading axes are free; arrays are NumPy float32.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from rev2fwd_il import keys

NEAR_M, FAR_M, NEAR_RAD = 0.05, 0.2, 0.2
HELD_DISTANCE_M, HELD_WIDTH_M, HELD_RAMP_M = 0.045, 0.065, 0.015  # no longer held, and over how much it ceases
STATE_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper_width"]
ENVIRONMENT_STATE_NAMES = [
    *("object_x", "object_y", "object_z", "object_qw", "object_qx", "object_qy", "object_qz"),
    *("target_x", "target_y"),
    *("object_from_hand_x", "object_from_hand_y", "object_from_hand_z"),
    *("target_from_object_x", "target_from_object_y"),
    *("near_object_x", "near_object_y", "near_object_z", "near_target_x", "near_target_y", "near_table", "near_turn"),
    *("hand_apart", "hand_beside", "hand_beside_far", "target_apart", "target_apart_far", "held", "held_apart"),
]
ACTION_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper"]
IMAGE_FIELDS = {keys.OBS_TABLE_IMAGE: keys.IMAGES, keys.OBS_WRIST_IMAGE: keys.WRIST_IMAGES}  # and their names in an NPZ
OBJECT, TARGET = slice(0, 7), slice(7, 9)  # of the environment state


def right_products(quaternions: np.ndarray) -> np.ndarray:
    """(K, 4) -> (K, 4, 4): `q @ M[k]` is the quaternion product of q and the k-th."""
    w, x, y, z = quaternions.T
    rows = [[w, x, y, z], [-x, w, -z, y], [-y, z, w, -x], [-z, -y, x, w]]
    return np.moveaxis(np.array(rows), -1, 0)


CUBE_SYMMETRIES = right_products(Rotation.create_group("O").as_quat(scalar_first=True)).astype(np.float32)  # (24, 4, 4)


def nearest_orientation(quat: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Of the 24 orientations in which a cube looks like `quat` (..., 4), that nearest to `reference` (..., 4)."""
    alike = np.einsum("...i,kij->...kj", quat, CUBE_SYMMETRIES)
    closeness = np.einsum("...kj,...j->...k", alike, reference)
    best = np.abs(closeness).argmax(-1)[..., None]
    nearest = np.take_along_axis(alike, best[..., None], -2)[..., 0, :]
    return np.where(np.take_along_axis(closeness, best, -1) < 0, -nearest, nearest)


def turn_about_vertical(quat: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Angle from `reference` (..., 4) to `quat` (..., 4), both nearly upright and on the same side, (...,) [rad]."""
    (w, x, y, z), (rw, rx, ry, rz) = np.moveaxis(quat, -1, 0), np.moveaxis(reference, -1, 0)
    return 2 * np.arcsin(np.clip(rw * z - rz * w + ry * x - rx * y, -1, 1))


def state(ee_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
    """(..., 7), (...,) -> (..., 8)."""
    return np.concatenate([ee_pose, np.asarray(gripper_width)[..., None]], -1, dtype=np.float32)


def held(ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
    """(..., 7), (..., 7), (...,) -> (...,): 1 where the gripper is closed on the object, 0 where open or elsewhere."""
    distance = np.linalg.norm(obj_pose[..., :3] - ee_pose[..., :3], axis=-1)
    close, closed = (HELD_DISTANCE_M - distance) / HELD_RAMP_M, (HELD_WIDTH_M - gripper_width) / HELD_RAMP_M
    return np.clip(close, 0, 1) * np.clip(closed, 0, 1)


def environment_state(
    ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray, target_xy: np.ndarray
) -> np.ndarray:
    """(..., 7), (..., 7), (...,), (..., 2) or (2,) -> (..., 28)."""
    target_xy = np.broadcast_to(target_xy, (*obj_pose.shape[:-1], 2))
    quat = nearest_orientation(obj_pose[..., 3:], ee_pose[..., 3:])
    from_hand = obj_pose[..., :3] - ee_pose[..., :3]
    to_go = target_xy - obj_pose[..., :2]
    turn = turn_about_vertical(quat, ee_pose[..., 3:])[..., None] / NEAR_RAD
    near = np.clip(
        np.concatenate([np.concatenate([from_hand, to_go, ee_pose[..., 2:3]], -1) / NEAR_M, turn], -1), -1, 1
    )
    apart, beside, away = (np.linalg.norm(leg, axis=-1) for leg in (from_hand, from_hand[..., :2], to_go))
    distances = np.stack([apart / NEAR_M, beside / NEAR_M, beside / FAR_M, away / NEAR_M, away / FAR_M], -1).clip(0, 1)
    holding = held(ee_pose, obj_pose, gripper_width)[..., None]
    relations = [distances, holding, holding * distances[..., 3:4]]
    return np.concatenate(
        [obj_pose[..., :3], quat, target_xy, from_hand, to_go, near, *relations], -1, dtype=np.float32
    )
