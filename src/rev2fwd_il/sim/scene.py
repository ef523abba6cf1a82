"""The scene: table, robot, the task's boxes, markers, cameras. Robot base at the origin, table top at z = 0."""

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

from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.robots import ROBOTS, Robot
from rev2fwd_il.robots.robot import ASSETS
from rev2fwd_il.sim.cameras import looking_at, wrist_rotation
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.task import Box

TABLE_USD, MAT_USD, RING_USD, DISC_USD = (ASSETS / f"{name}.usda" for name in ("table", "mat", "ring", "disc"))
MARKER_HEIGHT_M, DISC_MARGIN_M, RING_MARGIN_M = 0.0003, 0.012, 0.017
VIDEO_EYE_M, VIDEO_LOOKS_AT_M, VIDEO_FOV_DEG = (1.35, -0.85, 0.85), (0.29, 0.05, 0.22), 48.98
BACKGROUND = (0.72, 0.74, 0.76)
APERTURE_MM = 20.955


def robot_cfg(config: Config) -> ArticulationCfg:
    """The robot at home, with the drives of `config.plant`. Gains: docs/decisions.md."""
    plant, robot = config.plant, ROBOTS[config.sim.robot]
    joints = dict(zip(robot.arm_joints, robot.home_joints_rad, strict=True))
    return ArticulationCfg(
        prim_path="{ENV_REGEX_NS}/Robot",
        spawn=_robot_asset(robot),
        init_state=ArticulationCfg.InitialStateCfg(joint_pos=joints | {robot.finger_joints: robot.finger_open_m}),
        actuators={
            "arm": ImplicitActuatorCfg(
                joint_names_expr=list(robot.arm_joints),
                stiffness=plant.arm_stiffness,
                damping=plant.arm_damping,
                armature=plant.arm_armature,
                joint_effort_limit=robot.arm_effort_nm,
            ),
            "hand": ImplicitActuatorCfg(
                joint_names_expr=[robot.finger_joints],
                stiffness=plant.finger_stiffness,
                damping=plant.finger_damping,
                armature=plant.finger_armature,
                joint_effort_limit=plant.finger_effort,
            ),
        },
    )


def _robot_asset(robot: Robot) -> sim_utils.UsdFileCfg:
    if robot.usd is None:
        import isaaclab_assets

        return getattr(isaaclab_assets, robot.isaaclab_asset).spawn
    if not robot.usd.is_file():
        raise SimulationError(f"{robot.usd}: the robot is missing", do="python assets/generate_panda.py")
    return sim_utils.UsdFileCfg(
        usd_path=str(robot.usd),
        rigid_props=[MujocoRigidBodyCfg(gravcomp=1.0)],
        articulation_props=[NewtonArticulationCfg(self_collision_enabled=False)],
    )


def _box_cfg(box: Box) -> RigidObjectCfg | AssetBaseCfg:
    """An object with a mass moves; a fixture has no rigid body, and costs the solver no degrees of freedom."""
    shape = {
        "size": box.size_m,
        "collision_props": sim_utils.CollisionPropertiesCfg(),
        "visual_material": sim_utils.PreviewSurfaceCfg(diffuse_color=box.colour),
    }
    path, place = "{ENV_REGEX_NS}/" + box.name.capitalize(), {"pos": box.position_m}
    if box.mass_kg is None:
        init_state = AssetBaseCfg.InitialStateCfg(**place)
        return AssetBaseCfg(prim_path=path, spawn=sim_utils.CuboidCfg(**shape), init_state=init_state)
    shape["rigid_props"] = sim_utils.RigidBodyPropertiesCfg()
    shape["mass_props"] = sim_utils.MassPropertiesCfg(mass=box.mass_kg)
    init_state = RigidObjectCfg.InitialStateCfg(**place)
    return RigidObjectCfg(prim_path=path, spawn=sim_utils.CuboidCfg(**shape), init_state=init_state)


def _markers(config: Config) -> dict[str, AssetBaseCfg]:
    """A green ring around the goal, and a red disc at the target that fits into it and shows around the object.

    Visual only: a body of its own would add six degrees of freedom to the solver's work.
    """
    task, goal_xy = make_task(config.task), config.task.goal_xy
    half_diagonal = math.hypot(*task.moved_box.size_m[:2]) / 2
    fixtures = [_reach_m(box, goal_xy) for box in task.boxes if box.mass_kg is None]
    at_goal = [reach for reach in fixtures if reach < config.task.min_goal_distance]
    ring = _marker("Goal", RING_USD, max([half_diagonal, *at_goal]) + RING_MARGIN_M, goal_xy)
    return {"goal_marker": ring, "target_marker": _marker("Target", DISC_USD, half_diagonal + DISC_MARGIN_M, goal_xy)}


def _marker(name: str, usd: Path, radius_m: float, xy: tuple[float, float]) -> AssetBaseCfg:
    return AssetBaseCfg(
        prim_path="{ENV_REGEX_NS}/" + name,
        spawn=sim_utils.UsdFileCfg(usd_path=str(usd), scale=(radius_m, radius_m, 1.0)),
        init_state=AssetBaseCfg.InitialStateCfg(pos=(*xy, MARKER_HEIGHT_M)),
    )


def _reach_m(box: Box, xy: tuple[float, float]) -> float:
    """How far the box reaches from a point of the table."""
    return math.hypot(*(abs(box.position_m[i] - xy[i]) + box.size_m[i] / 2 for i in (0, 1)))


def _camera(
    prim_path: str,
    config: Config,
    size_px: tuple[int, int],
    offset: CameraCfg.OffsetCfg,
    fov_deg: float,
    shadows: bool = False,
) -> CameraCfg:
    focal_mm = APERTURE_MM / 2 / math.tan(math.radians(fov_deg) / 2)
    return CameraCfg(
        prim_path=prim_path,
        width=size_px[0],
        height=size_px[1],
        data_types=["rgb"],
        background_color=BACKGROUND,
        update_latest_camera_pose=True,  # the renderer takes the pose from here: without it the wrist camera stays put
        offset=offset,
        spawn=sim_utils.PinholeCameraCfg(focal_length=focal_mm, horizontal_aperture=APERTURE_MM),
        renderer_cfg=NewtonWarpRendererCfg(use_cuda_graph=config.sim.device != "cpu", enable_shadows=shadows),
    )


@configclass
class CellSceneCfg(InteractiveSceneCfg):
    """What every scene has; `scene_cfg` adds the task's boxes, markers and cameras by name."""

    table: AssetBaseCfg = AssetBaseCfg(
        prim_path="/World/table",
        spawn=sim_utils.UsdFileCfg(usd_path=str(TABLE_USD)),
    )
    light: AssetBaseCfg = AssetBaseCfg(prim_path="/World/light", spawn=sim_utils.DomeLightCfg(intensity=2000.0))
    robot: ArticulationCfg = None


def scene_cfg(config: Config, num_envs: int, cameras: bool) -> CellSceneCfg:
    """The scene of `num_envs` environments side by side."""
    scene = CellSceneCfg(num_envs=num_envs, env_spacing=2.5)
    scene.robot = robot_cfg(config)
    for box in make_task(config.task).boxes:
        setattr(scene, box.name, _box_cfg(box))
    scene.mat = AssetBaseCfg(prim_path="{ENV_REGEX_NS}/Mat", spawn=sim_utils.UsdFileCfg(usd_path=str(MAT_USD)))
    for name, marker in _markers(config).items():
        setattr(scene, name, marker)
    if cameras:
        size, robot = (config.sim.image_width, config.sim.image_height), ROBOTS[config.sim.robot]
        table, wrist = config.sim.table_camera, config.sim.wrist_camera
        over_table = _place(table.position, looking_at(table.position, table.look_at))
        on_hand = "{ENV_REGEX_NS}/Robot/" + robot.hand_body + "/WristCamera"
        over_hand = _place(wrist.position, wrist_rotation(wrist))
        beside = _place(VIDEO_EYE_M, looking_at(VIDEO_EYE_M, VIDEO_LOOKS_AT_M))
        film = (config.evaluation.video_size, config.evaluation.video_size)
        scene.table_camera = _camera("{ENV_REGEX_NS}/TableCamera", config, size, over_table, table.fov_deg)
        scene.wrist_camera = _camera(on_hand, config, size, over_hand, wrist.fov_deg)
        scene.video_camera = _camera("{ENV_REGEX_NS}/VideoCamera", config, film, beside, VIDEO_FOV_DEG, shadows=True)
    return scene


def _place(position_m, rotation_xyzw) -> CameraCfg.OffsetCfg:
    return CameraCfg.OffsetCfg(pos=position_m, rot=rotation_xyzw, convention="world")
