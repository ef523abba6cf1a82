"""Joint position control that tracks, in place of inverse kinematics: for datasets whose actions are joint positions.

Isaac Lab's own joint position term sends a target that jumps once a control step; a PD drive follows a moving one with
the lag kd/kp. As actions.py does for poses, each command is approached on a straight line over the control step, and
the line's velocity goes to the drives too.
"""

import torch
from isaaclab.utils import configclass

from rev2fwd_il.sim.actions import TrackingInverseKinematicsAction, TrackingInverseKinematicsActionCfg


class TrackingJointPositionAction(TrackingInverseKinematicsAction):
    """Commands are positions of the arm's joints [rad], (num_envs, J). EndEffector pose and Jacobian are inherited."""

    cfg: "TrackingJointPositionActionCfg"

    def __init__(self, cfg, env):
        super().__init__(cfg, env)
        self._start = torch.zeros(self.num_envs, self._num_joints, device=self.device)
        self._end, self._velocity = torch.zeros_like(self._start), torch.zeros_like(self._start)

    @property
    def action_dim(self) -> int:
        return self._num_joints

    def process_actions(self, actions: torch.Tensor):
        self._ee_now = None
        self._verify_kinematics()
        self._raw_actions[:] = actions
        here = self._asset.data.joint_pos.torch[:, self._joint_ids]
        self._start = torch.where(self._start_is_stale[:, None], here, self._end)
        self._start_is_stale[:] = False
        reach = self.cfg.max_joint_speed * self._control_dt
        self._end = self._start + (actions - self._start).clamp(-reach, reach)
        self._velocity = (self._end - self._start) / self._control_dt
        self._substep = 0

    def apply_actions(self):
        self._ee_now = None
        self._substep += 1
        goal, velocity = self._end, torch.zeros_like(self._end)
        if self.cfg.feed_forward:  # the target is held for a substep while the arm moves on: aim at its middle
            goal = torch.lerp(self._start, self._end, (self._substep - 0.5) / self._substeps)
            velocity = self._velocity
        target = self._asset.actuators.target_command
        target.set_position_index(value=goal, joint_ids=self._target_joints)
        target.set_velocity_index(value=velocity, joint_ids=self._target_joints)


@configclass
class TrackingJointPositionActionCfg(TrackingInverseKinematicsActionCfg):
    """`max_joint_speed`: the fastest a joint is commanded to move, whatever the command [rad/s]."""

    class_type: type = TrackingJointPositionAction
    max_joint_speed: float = 2.175  # of a Panda's slower joints
