"""Demonstrations of the cell as a LeRobot dataset in joint space, as a robot without inverse kinematics records them.

observation.state (8)               the arm's joints [rad], gripper opening [m]
observation.environment_state (14)  poses of the object and of its target, [x, y, z, qw, qx, qy, qz] [m]
action (8)                          joint positions that the drives are told [rad], gripper: +1 open, -1 close
observation.images.table, .wrist    both cameras, where they were recorded
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.config.run import Config
from rev2fwd_il.data.npz import refuse_existing
from rev2fwd_il.errors import DataError
from rev2fwd_il.robots import ROBOTS
from rev2fwd_il.running.files import put_in_place, remove, temporary_beside

if TYPE_CHECKING:
    from rev2fwd_il.method.joint_replay import JointEpisode

POSE_PARTS = ("x", "y", "z", "qw", "qx", "qy", "qz")
OBJECT_NAMES, TARGET_NAMES = ([f"{what}.{part}" for part in POSE_PARTS] for what in ("object", "target"))
GRIPPER, GRIPPER_WIDTH = "gripper", "gripper_width"


def joint_names(robot: str) -> list[str]:
    """The joints of a robot's arm, by the name that `sim.robot` gives it."""
    return list(ROBOTS[robot].arm_joints)


def joint_features(robot: str, image_shape: tuple[int, int, int] | None = None) -> dict[str, dict]:
    """LeRobot's feature table of these datasets."""
    names = {
        keys.OBS_STATE: [*joint_names(robot), GRIPPER_WIDTH],
        keys.OBS_ENVIRONMENT_STATE: [*OBJECT_NAMES, *TARGET_NAMES],
        keys.ACTION: [*joint_names(robot), GRIPPER],
    }
    table = {key: {"dtype": "float32", "shape": (len(each),), "names": each} for key, each in names.items()}
    if image_shape is not None:
        for key in keys.CAMERAS:
            table[key] = {"dtype": "image", "shape": tuple(image_shape), "names": ["height", "width", "channels"]}
    return table


def write_joint_dataset(
    out: Path, config: Config, text: str, episodes: Iterable["JointEpisode"], image_shape: tuple[int, int, int] | None
) -> tuple[int, int]:
    """Write those episodes that did the task again. Returns how many, and of how many."""
    from rev2fwd_il.learning.table_dataset import TableDataset
    from rev2fwd_il.learning.table_files import png_column

    refuse_existing(out)
    temporary, written, attempted = temporary_beside(out), 0, 0
    out.parent.mkdir(parents=True, exist_ok=True)
    info = {"fps": keys.CONTROL_HZ, "robot_type": config.sim.robot}
    try:
        with TableDataset(temporary, info, joint_features(config.sim.robot, image_shape)) as dataset:
            for episode in episodes:
                attempted += 1
                if episode.seen.success:
                    images = {key: getattr(episode.seen, field) for key, field in keys.CAMERAS.items()}
                    encoded = {key: png_column(stack) for key, stack in images.items() if image_shape}
                    dataset.add(_columns(episode) | encoded, {}, text)
                    written += 1
            if not written:
                raise DataError("no demonstration does its task when replayed", found=f"0 of {attempted}")
        put_in_place(temporary, out)
    finally:
        remove(temporary)
    return written, attempted


def _columns(episode: "JointEpisode") -> dict[str, np.ndarray]:
    seen = episode.seen
    columns = {
        keys.OBS_STATE: [episode.joint_pos[:, :-2], seen.gripper_width[:, None]],
        keys.OBS_ENVIRONMENT_STATE: [seen.obj_pose, np.tile(seen.target_pose, (len(seen), 1))],
        keys.ACTION: [episode.joint_command, seen.action[:, 7:]],
    }
    return {key: np.concatenate(parts, 1, dtype=np.float32) for key, parts in columns.items()}
