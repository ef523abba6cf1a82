"""What a policy observes: the one mapping from poses to observation vectors, for training and rollout alike.

observation.state (8): ee_pose (7), gripper_width (1).
observation.environment_state (14): obj_pose (7), target_xy (2), object - hand (3), target - object in xy (2). [m]
The differences are redundant but spare a small network from learning to subtract.
action (8): commanded ee pose (7), gripper (1).

Hand quaternions have qx >= 0 here, while files have qw >= 0. A gripper that points down is near (0, 1, 0, 0), where qw
crosses zero and the file's sign flips from frame to frame; to a network that is a jump from one end to the other.
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


def action(command: np.ndarray) -> np.ndarray:
    """(..., 8) -> (..., 8): the same command, its quaternion on the hemisphere above."""
    return np.concatenate([_hand_hemisphere(command[..., :7]), command[..., 7:]], -1, dtype=np.float32)


def _hand_hemisphere(pose: np.ndarray) -> np.ndarray:
    sign = np.where(pose[..., 4:5] < 0, -1, 1)
    return np.concatenate([pose[..., :3], pose[..., 3:7] * sign], -1)


def state(ee_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
    """(..., 7), (...,) -> (..., 8)."""
    return np.concatenate([_hand_hemisphere(ee_pose), np.asarray(gripper_width)[..., None]], -1, dtype=np.float32)


def environment_state(ee_pose: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
    """(..., 7), (..., 7), (..., 2) or (2,) -> (..., 14)."""
    target_xy = np.broadcast_to(target_xy, (*obj_pose.shape[:-1], 2))
    from_hand = obj_pose[..., :3] - ee_pose[..., :3]
    to_go = target_xy - obj_pose[..., :2]
    return np.concatenate([obj_pose, target_xy, from_hand, to_go], -1, dtype=np.float32)
