"""What a policy observes: the one mapping from poses to observation vectors, for training and rollout alike.

observation.state (8): ee_pose (7), gripper_width (1).
observation.environment_state (14): obj_pose (7), target_xy (2), object - hand (3), target - object in xy (2). [m]
The differences are redundant but spare a small network from learning to subtract.
action (8): commanded ee pose (7), gripper (1).
Leading axes are free; arrays are NumPy float32.
"""

import numpy as np

STATE_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper_width"]
ENVIRONMENT_STATE_NAMES = [
    *("object_x", "object_y", "object_z", "object_qw", "object_qx", "object_qy", "object_qz"),
    *("target_x", "target_y"),
    *("object_from_hand_x", "object_from_hand_y", "object_from_hand_z"),
    *("target_from_object_x", "target_from_object_y"),
]
ACTION_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper"]


def state(ee_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
    """(..., 7), (...,) -> (..., 8)."""
    return np.concatenate([ee_pose, np.asarray(gripper_width)[..., None]], -1, dtype=np.float32)


def environment_state(ee_pose: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
    """(..., 7), (..., 7), (..., 2) or (2,) -> (..., 14)."""
    target_xy = np.broadcast_to(target_xy, (*obj_pose.shape[:-1], 2))
    from_hand = obj_pose[..., :3] - ee_pose[..., :3]
    to_go = target_xy - obj_pose[..., :2]
    return np.concatenate([obj_pose, target_xy, from_hand, to_go], -1, dtype=np.float32)
