"""The scene: table, arm, cube, goal and target markers, two cameras. Robot base at the origin, table top at z = 0."""

import math
from pathlib import Path

import isaaclab.sim as sim_utils
from isaaclab.actuators import ImplicitActuatorCfg
from isaaclab.assets import ArticulationCfg, AssetBaseCfg, RigidObjectCfg
from isaaclab.scene import InteractiveSceneCfg
from isaaclab.sensors import CameraCfg
from isaaclab.utils import configclass
from isaaclab_newton.renderers import NewtonWarpRendererCfg
from isaaclab_newton.sim.schemas import MujocoRigidBodyCfg, NewtonArticulationCfg

from rev2fwd_il.config import Config
from rev2fwd_il.errors import SimulationError

ASSETS = Path(__file__).parents[3] / "assets"
PANDA_USD, TABLE_USD, MAT_USD = ASSETS / "panda.usda", ASSETS / "table.usda", ASSETS / "mat.usda"
HAND_TO_TCP_M = (0.0, 0.0, 0.1034)  # tool centre point between the pads, in the hand frame
HAND_TO_TCP_XYZW = (1.0, 0.0, 0.0, 0.0)  # half a turn about x: the tool frame points up while the gripper points down
ARM_JOINTS = {
    "panda": "joint[1-7]",
    "isaaclab_franka": "panda_joint[1-7]",
}
FINGER_JOINTS = {"panda": "finger_joint.*", "isaaclab_franka": "panda_finger_joint.*"}
HAND_BODY = {"panda": "hand", "isaaclab_franka": "panda_hand"}
HOME_JOINTS_RAD = (0.0, -0.569, 0.0, -2.81, 0.0, 3.037, 0.741)
FINGER_OPEN_M = 0.04  # each
ARM_EFFORT_NM = 87.0
MARKER_SIZE_M = (0.07, 0.07, 0.002)
FILM_SIZE_PX = (256, 256)
WRIST_CAMERA_XYZW = (0.0, -0.8433914, 0.0, 0.5372996)  # along the fingers, tilted 25 degrees towards their tips
GREEN, RED, CUBE_COLOUR = (0.1, 0.7, 0.2), (0.85, 0.1, 0.1), (0.1, 0.3, 0.9)


def robot_cfg(config: Config) -> ArticulationCfg:
    """The shipped Panda, or Isaac Lab's own, which it downloads. Gains: docs/decisions.md."""
    plant = config.plant
    arm, fingers = ARM_JOINTS[config.sim.robot], FINGER_JOINTS[config.sim.robot]
    joints = {arm.replace("[1-7]", str(i + 1)): value for i, value in enumerate(HOME_JOINTS_RAD)}
    if config.sim.robot == "isaaclab_franka":
        from isaaclab_assets import FRANKA_PANDA_CFG

        spawn = FRANKA_PANDA_CFG.spawn
    else:
        spawn = sim_utils.UsdFileCfg(
            usd_path=str(PANDA_USD),
            rigid_props=[MujocoRigidBodyCfg(gravcomp=1.0)],
            articulation_props=[NewtonArticulationCfg(self_collision_enabled=False)],
        )
    return ArticulationCfg(
        prim_path="{ENV_REGEX_NS}/Robot",
        spawn=spawn,
        init_state=ArticulationCfg.InitialStateCfg(joint_pos=joints | {fingers: FINGER_OPEN_M}),
        actuators={
            "arm": ImplicitActuatorCfg(
                joint_names_expr=[arm],
                stiffness=plant.arm_stiffness,
                damping=plant.arm_damping,
                armature=plant.arm_armature,
                joint_effort_limit=ARM_EFFORT_NM,
            ),
            "hand": ImplicitActuatorCfg(
                joint_names_expr=[fingers],
                stiffness=plant.finger_stiffness,
                damping=plant.finger_damping,
                armature=plant.finger_armature,
                joint_effort_limit=plant.finger_effort,
            ),
        },
    )


def _cube_cfg(config: Config) -> RigidObjectCfg:
    edge = config.task.cube_edge
    return RigidObjectCfg(
        prim_path="{ENV_REGEX_NS}/Cube",
        spawn=sim_utils.CuboidCfg(
            size=(edge, edge, edge),
            rigid_props=sim_utils.RigidBodyPropertiesCfg(),
            mass_props=sim_utils.MassPropertiesCfg(mass=0.05),
            collision_props=sim_utils.CollisionPropertiesCfg(),
            visual_material=sim_utils.PreviewSurfaceCfg(diffuse_color=CUBE_COLOUR),
        ),
        init_state=RigidObjectCfg.InitialStateCfg(pos=(*config.task.goal_xy, edge / 2)),
    )


def _marker(colour) -> sim_utils.CuboidCfg:
    """Visual only: a body of its own would add six degrees of freedom to the solver's work."""
    return sim_utils.CuboidCfg(size=MARKER_SIZE_M, visual_material=sim_utils.PreviewSurfaceCfg(diffuse_color=colour))


def _camera(
    prim_path: str, config: Config, size_px: tuple[int, int], offset: CameraCfg.OffsetCfg, focal_length: float
) -> CameraCfg:
    return CameraCfg(
        prim_path=prim_path,
        width=size_px[0],
        height=size_px[1],
        data_types=["rgb"],
        update_latest_camera_pose=True,  # the renderer takes the pose from here: without it the wrist camera stays put
        offset=offset,
        spawn=sim_utils.PinholeCameraCfg(focal_length=focal_length, horizontal_aperture=20.955),
        renderer_cfg=NewtonWarpRendererCfg(use_cuda_graph=config.sim.device != "cpu"),
    )


@configclass
class PickPlaceSceneCfg(InteractiveSceneCfg):
    """Everything in one environment; `scene_cfg` fills it from the configuration."""

    table: AssetBaseCfg = AssetBaseCfg(
        prim_path="/World/table",
        spawn=sim_utils.UsdFileCfg(usd_path=str(TABLE_USD)),
    )
    light: AssetBaseCfg = AssetBaseCfg(prim_path="/World/light", spawn=sim_utils.DomeLightCfg(intensity=2000.0))
    robot: ArticulationCfg = None
    cube: RigidObjectCfg = None
    mat: AssetBaseCfg = None
    goal_marker: AssetBaseCfg = None
    target_marker: AssetBaseCfg = None
    table_camera: CameraCfg = None
    wrist_camera: CameraCfg = None
    film_camera: CameraCfg = None


def scene_cfg(config: Config, num_envs: int, cameras: bool) -> PickPlaceSceneCfg:
    """The scene of `num_envs` environments side by side."""
    if config.sim.robot == "panda" and not PANDA_USD.is_file():
        raise SimulationError(f"{PANDA_USD}: the robot is missing", do="python assets/generate_panda.py")
    goal = (*config.task.goal_xy, MARKER_SIZE_M[2] / 2)
    scene = PickPlaceSceneCfg(num_envs=num_envs, env_spacing=2.5)
    scene.robot = robot_cfg(config)
    scene.cube = _cube_cfg(config)
    scene.goal_marker = AssetBaseCfg(
        prim_path="{ENV_REGEX_NS}/Goal", spawn=_marker(GREEN), init_state=AssetBaseCfg.InitialStateCfg(pos=goal)
    )
    scene.target_marker = AssetBaseCfg(
        prim_path="{ENV_REGEX_NS}/Target", spawn=_marker(RED), init_state=AssetBaseCfg.InitialStateCfg(pos=goal)
    )
    if cameras:
        scene.mat = AssetBaseCfg(prim_path="{ENV_REGEX_NS}/Mat", spawn=sim_utils.UsdFileCfg(usd_path=str(MAT_USD)))
        policy_size = (config.sim.image_width, config.sim.image_height)
        table = CameraCfg.OffsetCfg(pos=(1.1, 0.0, 0.75), rot=_towards_base(50.0), convention="world")
        front = CameraCfg.OffsetCfg(pos=(1.6, 0.0, 0.9), rot=_towards_base(33.0), convention="world")
        above_wrist = CameraCfg.OffsetCfg(pos=(0.07, 0.0, 0.02), rot=WRIST_CAMERA_XYZW, convention="world")
        wrist = "{ENV_REGEX_NS}/Robot/" + HAND_BODY[config.sim.robot] + "/WristCamera"
        scene.table_camera = _camera("{ENV_REGEX_NS}/TableCamera", config, policy_size, table, 24.0)
        scene.wrist_camera = _camera(wrist, config, policy_size, above_wrist, 14.0)
        scene.film_camera = _camera("{ENV_REGEX_NS}/FilmCamera", config, FILM_SIZE_PX, front, 26.0)
    return scene


def _towards_base(pitch_deg: float) -> tuple[float, float, float, float]:
    """Quaternion (x, y, z, w) of a camera in front of the robot that looks back at it and down by this angle."""
    half = math.radians(pitch_deg) / 2  # about the camera's own y, after half a turn about z
    return (-math.sin(half), 0.0, math.cos(half), 0.0)
