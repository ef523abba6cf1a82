"""Poses and turns. Poses are [x, y, z, qw, qx, qy, qz] in the robot-base frame [m], quaternions with qw >= 0.

The end-effector frame points up while the gripper points down, so that pointing straight down is the identity
quaternion and the canonical sign never flips. Leading axes are free.
"""

import functools
from typing import NamedTuple

import numpy as np


def about_vertical(yaw: np.ndarray | float) -> np.ndarray:
    """(...,) [rad] -> (..., 4): quaternions of a turn about the vertical."""
    half, zero = np.asarray(yaw) / 2, np.zeros(np.shape(yaw))
    return np.stack([np.cos(half), zero, zero, np.sin(half)], -1)


def upright_pose(xy: np.ndarray, z: float, yaw: np.ndarray | float = 0.0) -> np.ndarray:
    """(M, 2) [m], centre height [m], (M,) [rad] -> (M, 7) float32: objects that stand upright."""
    xy = np.atleast_2d(xy)
    height, quat = np.full((len(xy), 1), z), about_vertical(np.broadcast_to(yaw, len(xy)))
    return np.concatenate([xy, height, quat], -1).astype(np.float32)


def along_z(pose: np.ndarray, distance: float) -> np.ndarray:
    """(..., 7) -> (..., 7) float32: poses moved by `distance` [m] along their own z axis."""
    w, x, y, z = np.moveaxis(pose[..., 3:], -1, 0)
    axis = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x**2 + y**2)], -1)
    return np.concatenate([pose[..., :3] + distance * axis, pose[..., 3:]], -1, dtype=np.float32)


def tilt(quat: np.ndarray) -> np.ndarray:
    """(..., 4) -> (...,): angle [rad] between the body's z axis and the vertical."""
    x, y = quat[..., 1], quat[..., 2]
    return np.arccos(np.clip(1 - 2 * (x**2 + y**2), -1, 1))


def turn_about_vertical(quat: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Angle from `reference` (..., 4) to `quat` (..., 4), both nearly upright and on the same side, (...,) [rad]."""
    (w, x, y, z), (rw, rx, ry, rz) = np.moveaxis(quat, -1, 0), np.moveaxis(reference, -1, 0)
    return 2 * np.arcsin(np.clip(rw * z - rz * w + ry * x - rx * y, -1, 1))


def right_products(quaternions: np.ndarray) -> np.ndarray:
    """(K, 4) -> (K, 4, 4): `q @ M[k]` is the quaternion product of q and the k-th."""
    w, x, y, z = quaternions.T
    rows = [[w, x, y, z], [-x, w, -z, y], [-y, z, w, -x], [-z, -y, x, w]]
    return np.moveaxis(np.array(rows), -1, 0)


class TableMove(NamedTuple):
    """A rigid motion over the table for each of M scenes: mirrored in y about `centre`, turned about it, shifted.

    Orientations turn by `turn_rad` less a multiple of `alike_rad`: by that much a hand may turn without any difference
    to the task.
    """

    centre: np.ndarray  # (2,) [m]
    shift: np.ndarray  # (M, 2) [m]
    turn_rad: np.ndarray  # (M,)
    mirrored: np.ndarray  # (M,) bool
    alike_rad: float

    def __call__(self, pose: np.ndarray) -> np.ndarray:
        """(M, T, 7) -> (M, T, 7) float32."""
        sign = np.where(self.mirrored, -1.0, 1.0)[:, None]
        along = pose[..., :2] - self.centre
        x, y = along[..., 0], along[..., 1] * sign
        cos, sin = np.cos(self.turn_rad)[:, None], np.sin(self.turn_rad)[:, None]
        xy = np.stack([cos * x - sin * y, sin * x + cos * y], -1) + self.centre + self.shift[:, None]
        turn = self.turn_rad - self.alike_rad * np.round(self.turn_rad / self.alike_rad)
        cos, sin = np.cos(turn / 2)[:, None], np.sin(turn / 2)[:, None]
        qw, qx, qy, qz = np.moveaxis(pose[..., 3:], -1, 0)
        qx, qz = qx * sign, qz * sign
        quat = np.stack([cos * qw - sin * qz, cos * qx - sin * qy, cos * qy + sin * qx, cos * qz + sin * qw], -1)
        return np.concatenate([xy, pose[..., 2:3], quat], -1, dtype=np.float32)


@functools.cache
def symmetries(group: str) -> np.ndarray:
    """(K, 4, 4) float32 right products of a rotation group's elements, named as scipy names it: "O", "D4", "C1", ..."""
    from scipy.spatial.transform import Rotation  # which Snakemake's environment, where tasks are named, does without

    return right_products(Rotation.create_group(group).as_quat(scalar_first=True).reshape(-1, 4)).astype(np.float32)


def nearest_alike(quat: np.ndarray, reference: np.ndarray, group: str) -> np.ndarray:
    """Of the orientations in which an object of this symmetry looks like `quat` (..., 4), that nearest `reference`."""
    alike = np.einsum("...i,kij->...kj", quat, symmetries(group))
    closeness = np.einsum("...kj,...j->...k", alike, reference)
    best = np.abs(closeness).argmax(-1)[..., None]
    nearest = np.take_along_axis(alike, best[..., None], -2)[..., 0, :]
    return np.where(np.take_along_axis(closeness, best, -1) < 0, -nearest, nearest)
