"""The Isaac Lab environment: scene, action terms, observation terms, physics. 30 Hz control."""

import torch
from isaaclab.controllers.differential_ik_cfg import DifferentialIKControllerCfg
from isaaclab.envs import ManagerBasedEnv, ManagerBasedEnvCfg
from isaaclab.managers import ObservationGroupCfg, ObservationTermCfg
from isaaclab.sim import SimulationCfg
from isaaclab.utils import configclass
from isaaclab_newton.physics import NewtonCfg, NewtonShapeCfg

from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.keys import CONTROL_HZ
from rev2fwd_il.robots import ROBOTS
from rev2fwd_il.sim.actions import GripperActionCfg, TrackingInverseKinematicsActionCfg
from rev2fwd_il.sim.joint_actions import TrackingJointPositionActionCfg
from rev2fwd_il.sim.patches.recorded_step import RecordedMJWarpSolverCfg
from rev2fwd_il.sim.poses import to_wxyz
from rev2fwd_il.sim.scene import CellSceneCfg, scene_cfg
from rev2fwd_il.tasks import make_task

PHYSICS_PER_CONTROL = 3
# Overflow of either is reported by the solver and raised by solver_watch.py.
# Contacts share one pool, whose size the solver's work follows: 64 grasps at once needed more than 20 each.
CONSTRAINTS_PER_ENV, CONTACTS_PER_ENV, CONTACTS_MIN = 100, 28, 80


@configclass
class ActionsCfg:
    """The arm, by ARM_TERMS, then the gripper (+1 open, -1 close)."""

    arm: TrackingInverseKinematicsActionCfg = None
    gripper: GripperActionCfg = None


def ee_pose(env: ManagerBasedEnv) -> torch.Tensor:
    """Tool centre point in the robot-base frame, (N, 7) w-first."""
    return to_wxyz(torch.cat(env.action_manager.get_term("arm")._compute_frame_pose(), -1))


def object_pose(env: ManagerBasedEnv, name: str) -> torch.Tensor:
    """An object in the robot-base frame (which is the environment's), (N, 7) w-first."""
    pose = env.scene[name].data.root_link_pose_w.torch
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
        object_pose = ObservationTermCfg(func=object_pose, params={"name": ""})
        gripper_width = ObservationTermCfg(func=gripper_width)

        def __post_init__(self):
            self.concatenate_terms = False

    policy: PolicyCfg = PolicyCfg()


@configclass
class CellEnvCfg(ManagerBasedEnvCfg):
    """Filled by `environment_cfg`."""

    scene: CellSceneCfg = None
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
        num_substeps=make_task(config.task).solver_substeps,
        use_cuda_graph=config.sim.device != "cpu",
        default_shape_cfg=NewtonShapeCfg(ke=plant.contact_stiffness, kd=plant.contact_damping, mu=plant.friction),
    )


ARM_TERMS = {"pose": TrackingInverseKinematicsActionCfg, "joints": TrackingJointPositionActionCfg}


def environment_cfg(config: Config, num_envs: int, *, cameras: bool, seed: int, control: str = "pose") -> CellEnvCfg:
    """Isaac Lab's configuration of `num_envs` cells; `control`: what the arm is commanded by, a key of ARM_TERMS."""
    robot = ROBOTS[config.sim.robot]
    cfg = CellEnvCfg(seed=seed)
    cfg.scene = scene_cfg(config, num_envs, cameras)
    cfg.observations.policy.object_pose.params = {"name": make_task(config.task).object_name}
    cfg.decimation = PHYSICS_PER_CONTROL
    cfg.actions.arm = ARM_TERMS[control](
        asset_name="robot",
        joint_names=list(robot.arm_joints),
        body_name=robot.hand_body,
        controller=DifferentialIKControllerCfg(command_type="pose", use_relative_mode=False, ik_method="dls"),
        feed_forward=config.plant.feed_forward,
        posture_rate=config.plant.posture_rate,
        body_offset=TrackingInverseKinematicsActionCfg.OffsetCfg(pos=robot.tool_offset_m, rot=robot.tool_offset_xyzw),
    )
    cfg.actions.gripper = GripperActionCfg(
        asset_name="robot",
        joint_names=[robot.finger_joints],
        open_command_expr={robot.finger_joints: robot.finger_open_m},
        close_command_expr={robot.finger_joints: 0.0},
    )
    cfg.sim = SimulationCfg(
        dt=1 / (CONTROL_HZ * PHYSICS_PER_CONTROL),
        device=config.sim.device,
        render_interval=PHYSICS_PER_CONTROL,
        physics=_physics(config, num_envs),
    )
    return cfg
