"""Poses and calibration of the policies' cameras, as the scene is built with them and files record them."""

import math

import numpy as np
from scipy.spatial.transform import Rotation

from rev2fwd_il import keys
from rev2fwd_il.config.cameras import Point, WristCameraConfig, intrinsics
from rev2fwd_il.config.run import Config
from rev2fwd_il.robots import ROBOTS

Quaternion = tuple[float, float, float, float]  # x, y, z, w
FROM_OPTICAL = Rotation.from_matrix(
    [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
)  # axes of OpenCV in those of Isaac Lab's "world"


def looking_at(eye: Point, at: Point) -> Quaternion:
    """An upright camera at `eye` [m], which sees along its x axis, looking at a point [m]."""
    x, y, z = np.subtract(at, eye)
    turns = [math.degrees(math.atan2(y, x)), math.degrees(math.atan2(-z, math.hypot(x, y)))]
    return tuple(Rotation.from_euler("ZY", turns, degrees=True).as_quat().tolist())


def wrist_rotation(camera: WristCameraConfig) -> Quaternion:
    """Of the camera in the hand's frame, whose z points along the fingers."""
    return tuple(Rotation.from_euler("y", -90 - camera.tilt_deg, degrees=True).as_quat().tolist())


def calibration(config: Config) -> dict:
    """{"cameras": {field: {width, height, intrinsics, pose, frame}}}, for the meta of a dataset with images.

    `pose` is [x, y, z, qw, qx, qy, qz] [m] of the optical frame (x right, y down, z into the image), `intrinsics` the
    3 x 3 pinhole matrix [px]; the first pixel's centre lies at (0.5, 0.5).
    """
    sim = config.sim
    placed = {
        keys.IMAGES: (sim.table_camera, looking_at(sim.table_camera.position, sim.table_camera.look_at), "robot base"),
        keys.WRIST_IMAGES: (sim.wrist_camera, wrist_rotation(sim.wrist_camera), ROBOTS[sim.robot].hand_body),
    }
    return {"cameras": {name: _calibration(sim.image_width, sim.image_height, *its) for name, its in placed.items()}}


def _calibration(width: int, height: int, camera, rotation: Quaternion, frame: str) -> dict:
    x, y, z, w = (Rotation.from_quat(rotation) * FROM_OPTICAL).as_quat(canonical=True).tolist()
    return {
        "width": width,
        "height": height,
        "intrinsics": intrinsics(width, height, camera.fov_deg),
        "pose": [*camera.position, w, x, y, z],
        "frame": frame,
    }
