"""Absolute end-effector pose control that tracks: differential IK with velocity feed-forward.

Isaac Lab's differential IK sends joint positions only, so a joint PD drive follows a moving command with the lag kd/kp.
This term spreads each command over the control step as a straight line from the previous one, and sends the line's
velocity as joint velocity target too. The drive then damps the deviation from the commanded motion instead of the
motion itself, and the end effector is where it was commanded to be when the control step ends (docs/decisions.md has
figures).

Seven joints leave one motion free that does not move the end effector, the elbow's about the line from shoulder to
wrist. With nothing to hold it there it drifts while nothing is reset, until the arm is near a singular posture and
flails. With a `posture_rate` the free motion goes back to the default joint positions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import isaaclab.utils.math as math_utils
import torch
import warp as wp
from isaaclab.envs.mdp import BinaryJointPositionActionCfg, DifferentialInverseKinematicsActionCfg
from isaaclab.envs.mdp.actions.binary_joint_actions import BinaryJointPositionAction
from isaaclab.envs.mdp.actions.task_space_actions import DifferentialInverseKinematicsAction
from isaaclab.utils import configclass

from rev2fwd_il.running.patches import EE_KINEMATICS as PATCH


class EndEffector(NamedTuple):
    """The tool centre point in the robot-base frame."""

    position: torch.Tensor  # (N, 3) [m]
    rotation: torch.Tensor  # (N, 4) xyzw
    lever: torch.Tensor  # (N, 3) [m], to it from the body that carries it


class TrackingInverseKinematicsAction(DifferentialInverseKinematicsAction):
    """Commands are [x, y, z, qx, qy, qz, qw] of the tool centre point in the robot-base frame, (num_envs, 7).

    Pose and Jacobian of the end effector are those of Isaac Lab's term to the last bit. What the two share, and what a
    fixed base leaves as it is, is computed once: an operation takes its time however few environments there are.
    """

    cfg: "TrackingInverseKinematicsActionCfg"

    def __init__(self, cfg, env):
        super().__init__(cfg, env)
        if not self._asset.is_fixed_base:
            raise ValueError(f"{type(self).__name__} needs a robot with a fixed base")
        if cfg.body_offset is None:
            raise ValueError(f"{type(self).__name__} needs a `body_offset`; OffsetCfg() is none")
        self._substeps = env.cfg.decimation
        self._control_dt = env.cfg.decimation * env.cfg.sim.dt
        self._line_start = torch.zeros(self.num_envs, 7, device=self.device)
        self._line_end = torch.zeros_like(self._line_start)
        self._line_twist = torch.zeros(self.num_envs, 6, device=self.device)  # [m/s, rad/s]
        self._start_is_stale = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        self._substep = 0
        joints = range(self._num_joints) if isinstance(self._joint_ids, slice) else self._joint_ids
        self._target_joints = wp.array(list(joints), dtype=wp.int32, device=self.device)
        first, last = self._jacobi_joint_ids[0], self._jacobi_joint_ids[-1]
        contiguous = self._jacobi_joint_ids == list(range(first, last + 1))
        self._jacobi_joints = slice(first, last + 1) if contiguous else self._jacobi_joint_ids
        self._damping = self.cfg.controller.ik_params["lambda_val"] ** 2 * torch.eye(6, device=self.device)
        self._physics_dt = env.cfg.sim.dt
        self._ee_now: EndEffector | None = None  # known between a command and the first physics step
        self._find_base()
        self._own_kinematics, self._is_verified = PATCH.fits(), False

    def process_actions(self, actions: torch.Tensor):
        self._ee_now = None
        self._verify_kinematics()
        self._ee_now = ee = self._ee()
        # The line starts where the last command ended or, after a reset, where the end effector is.
        here = torch.cat([ee.position, ee.rotation], -1)
        self._line_start = torch.where(self._start_is_stale[:, None], here, self._line_end)
        self._start_is_stale[:] = False
        super().process_actions(actions)
        self._line_end = self._limited(self._line_start, self._processed_actions)
        self._line_twist = _pose_error(self._line_start, self._line_end) / self._control_dt
        self._substep = 0

    def apply_actions(self):
        if not self.cfg.feed_forward:
            self._ee_now = None
            super().apply_actions()
            return
        ee, self._ee_now = self._ee(), None
        self._substep += 1
        # The position target is held for a substep while the end effector moves on: aim at the substep's middle.
        desired = torch.lerp(self._line_start, self._line_end, (self._substep - 0.5) / self._substeps)
        desired = torch.cat([desired[:, :3], math_utils.normalize(desired[:, 3:])], -1)
        error = _pose_error(torch.cat([ee.position, ee.rotation], -1), desired)
        joint_pos = self._asset.data.joint_pos.torch[:, self._joint_ids]
        if self.cfg.posture_rate:
            home = self._asset.data.default_joint_pos.torch[:, self._joint_ids]
            homewards = self.cfg.posture_rate * (home - joint_pos)
            step, velocity, free = self._joint_motion(ee, error, self._line_twist, homewards)
            step, velocity = step + free * self._physics_dt / 2, velocity + free  # as above: at the substep's middle
        else:
            step, velocity = self._joint_motion(ee, error, self._line_twist)
        self._asset.actuators.target_command.set_position_index(value=joint_pos + step, joint_ids=self._target_joints)
        self._asset.actuators.target_command.set_velocity_index(value=velocity, joint_ids=self._target_joints)

    def reset(self, env_ids: Sequence[int] | None = None) -> None:
        super().reset(env_ids)
        self._start_is_stale[slice(None) if env_ids is None else env_ids] = True
        self._ee_now = None
        self._find_base()

    def pose_error(self, goal: torch.Tensor, env_ids: torch.Tensor) -> torch.Tensor:
        """From the end effector to a goal (M, 7) in these environments: (M, 6) [m, rad]."""
        return _pose_error(torch.cat(self._compute_frame_pose(), -1)[env_ids], goal)

    def joint_step(self, error: torch.Tensor, env_ids: torch.Tensor) -> torch.Tensor:
        """The joint motion (M, 7) [rad] that takes a pose error (M, 6) away, to first order."""
        full = torch.zeros(self.num_envs, 6, device=self.device)
        full[env_ids] = error
        return self._joint_motion(self._ee(), full, full)[0][env_ids]

    def _find_base(self) -> None:
        """A fixed base turns at resets only."""
        self._from_base = math_utils.quat_inv(self._asset.data.root_quat_w.torch)
        self._from_base_matrix = math_utils.matrix_from_quat(self._from_base)

    def _verify_kinematics(self) -> None:
        """At the first command: leave pose and Jacobian to Isaac Lab, with a warning, where its own are others."""
        if self._own_kinematics and not self._is_verified:
            mine = (*self._compute_frame_pose(), self._compute_frame_jacobian())
            theirs = (*super()._compute_frame_pose(), super()._compute_frame_jacobian())
            if not all(torch.allclose(a, b, atol=1e-4) for a, b in zip(mine, theirs, strict=True)):
                PATCH.fall_back("pose or Jacobian differ from those of Isaac Lab's action term")
                self._own_kinematics = False
        self._is_verified = True

    def _ee(self) -> EndEffector:
        if self._ee_now is not None:
            return self._ee_now
        if not self._own_kinematics:
            position, rotation = super()._compute_frame_pose()
            return EndEffector(position, rotation, torch.zeros_like(position))
        data, body = self._asset.data, self._body_idx
        rotation = math_utils.quat_mul(self._from_base, data.body_quat_w.torch[:, body])
        lever = math_utils.quat_apply(rotation, self._offset_pos)
        from_base = data.body_pos_w.torch[:, body] - data.root_pos_w.torch
        position = math_utils.quat_apply(self._from_base, from_base) + lever
        return EndEffector(position, math_utils.quat_mul(rotation, self._offset_rot), lever)

    def _compute_frame_pose(self) -> tuple[torch.Tensor, torch.Tensor]:
        ee = self._ee()
        return ee.position, ee.rotation

    def _compute_frame_jacobian(self, ee: EndEffector | None = None) -> torch.Tensor:
        if not self._own_kinematics:
            return super()._compute_frame_jacobian()
        jacobian = self._asset.data.body_link_jacobian_w.torch[:, self._jacobi_body_idx][..., self._jacobi_joints]
        linear = torch.bmm(self._from_base_matrix, jacobian[:, :3])
        angular = torch.bmm(self._from_base_matrix, jacobian[:, 3:])
        lever = (ee or self._ee()).lever[:, :, None]
        return torch.cat([linear + torch.linalg.cross(angular, lever, dim=1), angular], 1)

    def _limited(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """The command, brought within the end effector's largest speed and with its quaternion on the start's side."""
        delta = end[:, :3] - start[:, :3]
        distance = delta.norm(dim=-1, keepdim=True)
        scale = (self.cfg.max_speed * self._control_dt / distance.clamp_min(1e-9)).clamp_max(1.0)
        same_side = torch.where((start[:, 3:] * end[:, 3:]).sum(-1, keepdim=True) < 0, -end[:, 3:], end[:, 3:])
        return torch.cat([start[:, :3] + delta * scale, same_side], -1)

    def _joint_motion(
        self, ee: EndEffector, error: torch.Tensor, twist: torch.Tensor, wish: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        """Damped least squares for a pose error (N, 6) [m, rad] and a twist (N, 6) [m/s, rad/s] at once: two (N, 7).

        Of a `wish` (N, 7), a third: the part of it that leaves the end effector where it is.
        """
        jacobian = self._compute_frame_jacobian(ee)
        transposed = jacobian.transpose(1, 2)
        square = jacobian @ transposed + self._damping
        moved = [] if wish is None else [(jacobian @ wish[:, :, None])[:, :, 0]]
        solution = (transposed @ torch.linalg.solve(square, torch.stack([error, twist, *moved], -1))).unbind(-1)
        return solution if wish is None else (*solution[:2], wish - solution[2])


def _pose_error(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """From poses (M, 7) to poses (M, 7): (M, 6) [m, rad]."""
    error = math_utils.compute_pose_error(start[:, :3], start[:, 3:], end[:, :3], end[:, 3:], "axis_angle")
    return torch.cat(error, -1)


@configclass
class TrackingInverseKinematicsActionCfg(DifferentialInverseKinematicsActionCfg):
    """`max_speed`: the fastest the end effector is commanded to move, whatever the command [m/s].

    `posture_rate` [1/s]: of the return to the default joint positions, as far as that leaves the end effector alone.
    Without `feed_forward` this is Isaac Lab's own term: a position target that jumps once a control step.
    """

    class_type: type = TrackingInverseKinematicsAction
    max_speed: float = 1.0
    feed_forward: bool = True
    posture_rate: float = 0.0


class GripperAction(BinaryJointPositionAction):
    """Isaac Lab's own sets its target by a deprecated method, which warns longer than it sets."""

    def apply_actions(self):
        target = self._asset.actuators.target_command
        target.set_position_index(value=self._processed_actions, joint_ids=self._joint_ids)


@configclass
class GripperActionCfg(BinaryJointPositionActionCfg):
    """BinaryJointPositionActionCfg of that term."""

    class_type: type = GripperAction
