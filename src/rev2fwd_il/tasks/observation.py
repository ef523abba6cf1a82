"""What a policy observes, for training and rollout alike: the robot's state, and relations between it and an object.

observation.state (8): ee_pose (7), gripper_width (1). [m]
observation.environment_state of a task with one object that is moved (28): obj_pose (7), target_xy (2), object - end
    effector (3), target - object in xy (2) [m], then the last two, the end effector's height and its turn to the object
    about the vertical, magnified: divided by 5 cm or 0.2 rad and clipped to [-1, 1]; then, from 0 to 1, distances
    divided by 5 or 20 cm and clipped, whether the object is held, and held times the distance from the target.

Of the orientations that look alike, a policy sees the one nearest to the end effector's: an object that lies on another
face is the same object, and its yaw is the turn that a grasp needs. The differences are redundant but spare a small
network from learning to subtract, and the magnified ones let it see millimetres where they matter, near the object, the
target and the table. Distances spare it from learning a norm, and the product an exclusive or: a held object goes up
far from the target and down near it, an empty gripper the other way. Leading axes are free; arrays are NumPy float32.
"""

from dataclasses import dataclass

import numpy as np

from rev2fwd_il.tasks.geometry import nearest_alike, turn_about_vertical

NEAR_M, FAR_M, NEAR_RAD = 0.05, 0.2, 0.2
HELD_RAMP_M = 0.015  # over this "held" goes from 1 to 0
STATE_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper_width"]
ACTION_NAMES = ["x", "y", "z", "qw", "qx", "qy", "qz", "gripper"]
OBJECT_NAMES = [f"object_{name}" for name in STATE_NAMES[:7]]
RELATION_NAMES = [
    *OBJECT_NAMES,
    *("target_x", "target_y"),
    *("object_from_hand_x", "object_from_hand_y", "object_from_hand_z"),
    *("target_from_object_x", "target_from_object_y"),
    *("near_object_x", "near_object_y", "near_object_z", "near_target_x", "near_target_y", "near_table", "near_turn"),
    *("hand_apart", "hand_beside", "hand_beside_far", "target_apart", "target_apart_far", "held", "held_apart"),
]
OBJECT, TARGET = slice(0, 7), slice(7, 9)  # of the relations


def state(ee_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
    """(..., 7), (...,) -> (..., 8)."""
    return np.concatenate([ee_pose, np.asarray(gripper_width)[..., None]], -1, dtype=np.float32)


@dataclass(frozen=True)
class ObjectRelations:
    """The environment state of one object: its rotational symmetry, and when it counts as held."""

    symmetry: str  # rotation group, as scipy names it
    held_distance_m: float  # from the tool centre point: no longer held
    held_width_m: float  # opening: no longer held

    def held(self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        """(..., 7), (..., 7), (...,) -> (...,): 1 where the gripper is closed on the object, 0 where open or apart."""
        distance = np.linalg.norm(obj_pose[..., :3] - ee_pose[..., :3], axis=-1)
        close, closed = (
            (self.held_distance_m - distance) / HELD_RAMP_M,
            (self.held_width_m - gripper_width) / HELD_RAMP_M,
        )
        return np.clip(close, 0, 1) * np.clip(closed, 0, 1)

    def __call__(
        self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray, target_xy: np.ndarray
    ) -> np.ndarray:
        """(..., 7), (..., 7), (...,), (..., 2) or (2,) -> (..., 28)."""
        target_xy = np.broadcast_to(target_xy, (*obj_pose.shape[:-1], 2))
        quat = nearest_alike(obj_pose[..., 3:], ee_pose[..., 3:], self.symmetry)
        from_hand = obj_pose[..., :3] - ee_pose[..., :3]
        to_go = target_xy - obj_pose[..., :2]
        turn = turn_about_vertical(quat, ee_pose[..., 3:])[..., None] / NEAR_RAD
        lengths = np.concatenate([from_hand, to_go, ee_pose[..., 2:3]], -1) / NEAR_M
        near = np.clip(np.concatenate([lengths, turn], -1), -1, 1)
        apart, beside, away = (np.linalg.norm(leg, axis=-1) for leg in (from_hand, from_hand[..., :2], to_go))
        distances = [apart / NEAR_M, beside / NEAR_M, beside / FAR_M, away / NEAR_M, away / FAR_M]
        distances = np.stack(distances, -1).clip(0, 1)
        holding = self.held(ee_pose, obj_pose, gripper_width)[..., None]
        relations = [distances, holding, holding * distances[..., 3:4]]
        parts = [obj_pose[..., :3], quat, target_xy, from_hand, to_go, near, *relations]
        return np.concatenate(parts, -1, dtype=np.float32)
