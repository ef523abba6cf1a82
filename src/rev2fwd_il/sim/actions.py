"""Absolute end-effector pose control that tracks: differential IK with velocity feed-forward.

Isaac Lab's differential IK sends joint positions only, so a joint PD drive follows a moving command with the lag kd/kp.
This term spreads each command over the control step as a straight line from the previous one, and sends the line's
velocity as joint velocity target too. The drive then damps the deviation from the commanded motion instead of the
motion itself, and the hand is where it was commanded to be when the control step ends. docs/decisions.md has figures.
"""

from collections.abc import Sequence

import isaaclab.utils.math as math_utils
import torch
from isaaclab.envs.mdp import DifferentialInverseKinematicsActionCfg
from isaaclab.envs.mdp.actions.task_space_actions import DifferentialInverseKinematicsAction
from isaaclab.utils import configclass


class TrackingInverseKinematicsAction(DifferentialInverseKinematicsAction):
    """Commands are [x, y, z, qx, qy, qz, qw] of the tool centre point in the robot-base frame, (num_envs, 7)."""

    cfg: "TrackingInverseKinematicsActionCfg"

    def __init__(self, cfg, env):
        super().__init__(cfg, env)
        self._substeps = env.cfg.decimation
        self._control_dt = env.cfg.decimation * env.cfg.sim.dt
        self._line_start = torch.zeros(self.num_envs, 7, device=self.device)
        self._line_end = torch.zeros_like(self._line_start)
        self._line_twist = torch.zeros(self.num_envs, 6, device=self.device)  # [m/s, rad/s]
        self._start_is_stale = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        self._substep = 0

    def process_actions(self, actions: torch.Tensor):
        # The line starts where the last command ended or, after a reset, where the hand is.
        here = torch.cat(self._compute_frame_pose(), -1)
        self._line_start = torch.where(self._start_is_stale[:, None], here, self._line_end)
        self._start_is_stale[:] = False
        super().process_actions(actions)
        self._line_end = self._limited(self._line_start, self._processed_actions)
        self._line_twist = _pose_error(self._line_start, self._line_end) / self._control_dt
        self._substep = 0

    def apply_actions(self):
        if not self.cfg.feed_forward:
            super().apply_actions()
            return
        self._substep += 1
        # The position target is held for a substep while the hand moves on: aim at the substep's middle.
        desired = torch.lerp(self._line_start, self._line_end, (self._substep - 0.5) / self._substeps)
        desired = torch.cat([desired[:, :3], math_utils.normalize(desired[:, 3:])], -1)
        error = _pose_error(torch.cat(self._compute_frame_pose(), -1), desired)
        step, velocity = self._joint_motion(error, self._line_twist)
        joint_pos = self._asset.data.joint_pos.torch[:, self._joint_ids]
        self._asset.actuators.target_command.set_position_index(value=joint_pos + step, joint_ids=self._joint_ids)
        self._asset.actuators.target_command.set_velocity_index(value=velocity, joint_ids=self._joint_ids)

    def reset(self, env_ids: Sequence[int] | None = None) -> None:
        super().reset(env_ids)
        self._start_is_stale[slice(None) if env_ids is None else env_ids] = True

    def pose_error(self, goal: torch.Tensor, env_ids: torch.Tensor) -> torch.Tensor:
        """From the hand to a goal (M, 7) in these environments: (M, 6) [m, rad]."""
        return _pose_error(torch.cat(self._compute_frame_pose(), -1)[env_ids], goal)

    def joint_step(self, error: torch.Tensor, env_ids: torch.Tensor) -> torch.Tensor:
        """The joint motion (M, 7) [rad] that takes a pose error (M, 6) away, to first order."""
        full = torch.zeros(self.num_envs, 6, device=self.device)
        full[env_ids] = error
        return self._joint_motion(full, full)[0][env_ids]

    def _limited(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """The command, brought within the hand's largest speed and with its quaternion on the start's side."""
        delta = end[:, :3] - start[:, :3]
        distance = delta.norm(dim=-1, keepdim=True)
        scale = (self.cfg.max_speed * self._control_dt / distance.clamp_min(1e-9)).clamp_max(1.0)
        same_side = torch.where((start[:, 3:] * end[:, 3:]).sum(-1, keepdim=True) < 0, -end[:, 3:], end[:, 3:])
        return torch.cat([start[:, :3] + delta * scale, same_side], -1)

    def _joint_motion(self, error: torch.Tensor, twist: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Damped least squares for a pose error (N, 6) [m, rad] and a twist (N, 6) [m/s, rad/s] at once: two (N, 7)."""
        jacobian = self._compute_frame_jacobian()
        transposed = jacobian.transpose(1, 2)
        damping = self.cfg.controller.ik_params["lambda_val"] ** 2
        square = jacobian @ transposed + damping * torch.eye(6, device=self.device)
        solution = transposed @ torch.linalg.solve(square, torch.stack([error, twist], -1))
        return solution[..., 0], solution[..., 1]


def _pose_error(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """From poses (M, 7) to poses (M, 7): (M, 6) [m, rad]."""
    error = math_utils.compute_pose_error(start[:, :3], start[:, 3:], end[:, :3], end[:, 3:], "axis_angle")
    return torch.cat(error, -1)


@configclass
class TrackingInverseKinematicsActionCfg(DifferentialInverseKinematicsActionCfg):
    """`max_speed`: the fastest the hand is commanded to move, whatever the command [m/s].

    Without `feed_forward` this is Isaac Lab's own term: a position target that jumps once a control step.
    """

    class_type: type = TrackingInverseKinematicsAction
    max_speed: float = 1.0
    feed_forward: bool = True
