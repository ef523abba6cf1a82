"""What a policy observes: the one mapping from poses to observation vectors, for training and rollout alike.

observation.state (8): ee_pose (7), gripper_width (1). [m]
observation.environment_state (20): obj_pose (7), target_xy (2), object - hand (3), target - object in xy (2) [m], then
    the last two and the hand's height once more, magnified: divided by 5 cm and clipped to [-1, 1].
The differences are redundant but spare a small network from learning to subtract, and the magnified ones let it see
millimetres where they matter, near the object, the target and the table.
Leading axes are free; arrays are NumPy float32.
"""

import numpy as np

NEAR_M = 0.05
STATE_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper_width"]
ENVIRONMENT_STATE_NAMES = [
    *("object_x", "object_y", "object_z", "object_qw", "object_qx", "object_qy", "object_qz"),
    *("target_x", "target_y"),
    *("object_from_hand_x", "object_from_hand_y", "object_from_hand_z"),
    *("target_from_object_x", "target_from_object_y"),
    *("near_object_x", "near_object_y", "near_object_z", "near_target_x", "near_target_y", "near_table"),
]
ACTION_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper"]
OBJECT, TARGET = slice(0, 7), slice(7, 9)  # of the environment state


def state(ee_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
    """(..., 7), (...,) -> (..., 8)."""
    return np.concatenate([ee_pose, np.asarray(gripper_width)[..., None]], -1, dtype=np.float32)


def environment_state(ee_pose: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
    """(..., 7), (..., 7), (..., 2) or (2,) -> (..., 20)."""
    target_xy = np.broadcast_to(target_xy, (*obj_pose.shape[:-1], 2))
    from_hand = obj_pose[..., :3] - ee_pose[..., :3]
    to_go = target_xy - obj_pose[..., :2]
    near = np.clip(np.concatenate([from_hand, to_go, ee_pose[..., 2:3]], -1) / NEAR_M, -1, 1)
    return np.concatenate([obj_pose, target_xy, from_hand, to_go, near], -1, dtype=np.float32)
