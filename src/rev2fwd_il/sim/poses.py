"""The edge between file conventions and Isaac Lab's: quaternions w-first with qw >= 0 outside, x-first inside."""

import torch


def to_wxyz(pose_xyzw: torch.Tensor) -> torch.Tensor:
    """(..., 7) [x, y, z, qx, qy, qz, qw] -> (..., 7) [x, y, z, qw, qx, qy, qz] with qw >= 0."""
    quat = torch.cat([pose_xyzw[..., 6:7], pose_xyzw[..., 3:6]], -1)
    quat = torch.where(quat[..., :1] < 0, -quat, quat)
    return torch.cat([pose_xyzw[..., :3], quat], -1)


def to_xyzw(pose_wxyz: torch.Tensor) -> torch.Tensor:
    """(..., 7) [x, y, z, qw, qx, qy, qz] -> (..., 7) [x, y, z, qx, qy, qz, qw]."""
    return torch.cat([pose_wxyz[..., :3], pose_wxyz[..., 4:7], pose_wxyz[..., 3:4]], -1)
