"""The Isaac Lab environment: scene, action terms, observation terms, physics. 30 Hz control."""

import torch
from isaaclab.controllers.differential_ik_cfg import DifferentialIKControllerCfg
from isaaclab.envs import ManagerBasedEnv, ManagerBasedEnvCfg
from isaaclab.managers import ObservationGroupCfg, ObservationTermCfg
from isaaclab.sim import SimulationCfg
from isaaclab.utils import configclass
from isaaclab_newton.physics import NewtonCfg, NewtonShapeCfg

from rev2fwd_il.config import Config
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.sim.actions import GripperActionCfg, TrackingInverseKinematicsActionCfg
from rev2fwd_il.sim.physics import RecordedMJWarpSolverCfg
from rev2fwd_il.sim.poses import to_wxyz
from rev2fwd_il.sim.scene import (
    ARM_JOINTS,
    FINGER_JOINTS,
    FINGER_OPEN_M,
    HAND_BODY,
    HAND_TO_TCP_M,
    HAND_TO_TCP_XYZW,
    PickPlaceSceneCfg,
    scene_cfg,
)

CONTROL_HZ = 30
PHYSICS_PER_CONTROL = 3
SOLVER_SUBSTEPS = 2
# Overflow of either is reported by the solver and raised by launch.py.
# Contacts share one pool, whose size the solver's work follows: 64 grasps at once needed more than 20 each.
CONSTRAINTS_PER_ENV, CONTACTS_PER_ENV, CONTACTS_MIN = 100, 28, 80


@configclass
class ActionsCfg:
    """[x, y, z, qx, qy, qz, qw] of the tool centre point in the base frame, then the gripper (+1 open, -1 close)."""

    arm: TrackingInverseKinematicsActionCfg = None
    gripper: GripperActionCfg = None


def ee_pose(env: ManagerBasedEnv) -> torch.Tensor:
    """Tool centre point in the robot-base frame, (N, 7) w-first."""
    return to_wxyz(torch.cat(env.action_manager.get_term("arm")._compute_frame_pose(), -1))


def object_pose(env: ManagerBasedEnv) -> torch.Tensor:
    """Cube in the robot-base frame (which is the environment's), (N, 7) w-first."""
    pose = env.scene["cube"].data.root_link_pose_w.torch
    return to_wxyz(torch.cat([pose[:, :3] - env.scene.env_origins, pose[:, 3:]], -1))


def gripper_width(env: ManagerBasedEnv) -> torch.Tensor:
    """Measured opening between the pads [m], (N, 1)."""
    return env.scene["robot"].data.joint_pos.torch[:, -2:].sum(-1, keepdim=True)


@configclass
class ObservationsCfg:
    """One group: poses and opening. Cameras are read by `Cell.images` only when something wants them."""

    @configclass
    class PolicyCfg(ObservationGroupCfg):
        ee_pose = ObservationTermCfg(func=ee_pose)
        object_pose = ObservationTermCfg(func=object_pose)
        gripper_width = ObservationTermCfg(func=gripper_width)

        def __post_init__(self):
            self.concatenate_terms = False

    policy: PolicyCfg = PolicyCfg()


@configclass
class PickPlaceEnvCfg(ManagerBasedEnvCfg):
    """Filled by `environment_cfg`."""

    scene: PickPlaceSceneCfg = None
    actions: ActionsCfg = ActionsCfg()
    observations: ObservationsCfg = ObservationsCfg()


def _physics(config: Config, num_envs: int):
    if config.sim.physics == "physx":
        try:
            import isaacsim  # noqa: F401
            from isaaclab_physx.physics import PhysxCfg
        except ImportError:
            raise SimulationError(
                "sim.physics = physx needs Isaac Sim, which is not installed", do="install it, or use newton"
            ) from None
        return PhysxCfg()
    plant = config.plant
    solver = RecordedMJWarpSolverCfg(
        integrator="implicitfast", cone="elliptic", impratio=10.0,
        njmax=CONSTRAINTS_PER_ENV, nconmax=max(CONTACTS_PER_ENV, -(-CONTACTS_MIN // num_envs)),
        iterations=100, ls_iterations=200,
    )  # fmt: skip
    return NewtonCfg(
        solver_cfg=solver,
        num_substeps=SOLVER_SUBSTEPS,
        use_cuda_graph=config.sim.device != "cpu",
        default_shape_cfg=NewtonShapeCfg(ke=plant.contact_stiffness, kd=plant.contact_damping, mu=plant.friction),
    )


def environment_cfg(config: Config, num_envs: int, *, cameras: bool, seed: int) -> PickPlaceEnvCfg:
    """Isaac Lab's configuration of `num_envs` cells."""
    fingers = FINGER_JOINTS[config.sim.robot]
    cfg = PickPlaceEnvCfg(seed=seed)
    cfg.scene = scene_cfg(config, num_envs, cameras)
    cfg.decimation = PHYSICS_PER_CONTROL
    cfg.actions.arm = TrackingInverseKinematicsActionCfg(
        asset_name="robot",
        joint_names=[ARM_JOINTS[config.sim.robot]],
        body_name=HAND_BODY[config.sim.robot],
        controller=DifferentialIKControllerCfg(command_type="pose", use_relative_mode=False, ik_method="dls"),
        feed_forward=config.plant.feed_forward,
        body_offset=TrackingInverseKinematicsActionCfg.OffsetCfg(pos=HAND_TO_TCP_M, rot=HAND_TO_TCP_XYZW),
    )
    cfg.actions.gripper = GripperActionCfg(
        asset_name="robot",
        joint_names=[fingers],
        open_command_expr={fingers: FINGER_OPEN_M},
        close_command_expr={fingers: 0.0},
    )
    cfg.sim = SimulationCfg(
        dt=1 / (CONTROL_HZ * PHYSICS_PER_CONTROL),
        device=config.sim.device,
        render_interval=PHYSICS_PER_CONTROL,
        physics=_physics(config, num_envs),
    )
    return cfg
