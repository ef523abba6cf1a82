"""The cell as the rest of the project sees it: NumPy in the data contract's conventions, N environments at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from isaaclab.envs import ManagerBasedEnv

from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.robots import ROBOTS
from rev2fwd_il.sim.appearance import Appearance
from rev2fwd_il.sim.launch import SolverWatch
from rev2fwd_il.sim.markers import TargetMarkers
from rev2fwd_il.sim.poses import to_xyzw
from rev2fwd_il.tasks import make_task

IK_ITERATIONS, IK_TOLERANCE_M = 30, 2e-4
CAREFUL_ITERATIONS, CAREFUL_STEP_RAD = 300, 0.05
LIMIT_GIVES_RAD = 0.02  # joints may press so far into their limits
WATCH_EVERY_STEPS = 30


@dataclass(frozen=True)
class Observation:
    """What is measured in N environments: poses w-first in the robot-base frame [m]."""

    ee_pose: np.ndarray  # (N, 7) float32
    obj_pose: np.ndarray  # (N, 7) float32
    gripper_width: np.ndarray  # (N,) float32


class Cell:
    """Wraps an Isaac Lab environment from `launch.simulation`; `looks` names the stream of random appearances."""

    def __init__(self, env: ManagerBasedEnv, watch: SolverWatch, config: Config, looks: str = "data"):
        self.env, self.config, self.num_envs = env, config, env.num_envs
        self._watch, self._steps = watch, 0
        self._robot, self._object = (env.scene[name] for name in ("robot", make_task(config.task).object_name))
        self._home, self._open_m = ROBOTS[config.sim.robot].home_joints_rad, ROBOTS[config.sim.robot].max_width_m
        self._arm = env.action_manager.get_term("arm")
        self._device = env.device
        self._markers = TargetMarkers(env.scene.env_origins)
        seen = config.sim.appearance.varies and getattr(env.cfg.scene, "table_camera", None) is not None
        self._appearance = Appearance(env, config, env.cfg.seed, looks) if seen else None
        self.observation = self._read(env.reset()[0])

    @torch.inference_mode()
    def step(self, action: np.ndarray) -> Observation:
        """Command (N, 8) ee poses w-first and grippers, advance one control step, and measure."""
        command = torch.as_tensor(action, dtype=torch.float32, device=self._device)
        return self._advance(torch.cat([to_xyzw(command[:, :7]), command[:, 7:]], -1))

    def _advance(self, command: torch.Tensor) -> Observation:
        """One control step under (N, D) commands as the environment takes them."""
        buffers, _ = self.env.step(command)
        self.observation = self._read(buffers)
        self._steps += 1
        if self._steps % WATCH_EVERY_STEPS == 0:
            self._watch.check()
        return self.observation

    @torch.inference_mode()
    def images(self) -> tuple[np.ndarray, np.ndarray]:
        """Table and wrist camera now, (N, H, W, 3) uint8 each; renders only when called."""
        return self._render("table_camera"), self._render("wrist_camera")

    @torch.inference_mode()
    def overview(self) -> np.ndarray:
        """The whole cell from the front now, (N, H, W, 3) uint8."""
        return self._render("video_camera")

    def _render(self, name: str) -> np.ndarray:
        camera = self.env.scene[name]
        self.env.sim.forward()
        camera.update(dt=0.0, force_recompute=True)
        output = camera.data.output["rgb"]
        return getattr(output, "torch", output)[..., :3].cpu().numpy().copy()

    def joint_pos(self) -> np.ndarray:
        """Arm joints [rad] and fingers [m] now, (N, 9)."""
        return self._robot.data.joint_pos.torch.cpu().numpy().copy()

    def joint_targets(self) -> np.ndarray:
        """Positions that the drives of arm [rad] and fingers [m] were told last, (N, 9)."""
        return self._robot.actuators.target_command.position.torch.cpu().numpy().copy()

    @torch.inference_mode()
    def render_video(
        self, joint_pos: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray, *, with_cameras: bool = False
    ) -> np.ndarray:
        """Images (T, H, W, 3) uint8 of recorded joints (T, 9) and objects (T, 7) w-first, `num_envs` frames a render.

        The target (2,) is one for all, or (T, 2). `with_cameras` puts beside them what the table camera saw, and below
        that the wrist camera. Leaves all environments where the last frames put them.
        """

        def place(ids, rows):
            self._place_object(ids, self._object, obj_pose[rows])
            self._write_joints(ids, torch.as_tensor(joint_pos[rows], device=self._device))

        return self._film(len(joint_pos), target_xy, place, with_cameras)

    @torch.inference_mode()
    def render_poses(
        self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray, target_xy: np.ndarray
    ) -> np.ndarray:
        """As `render_video`, where joints are not recorded: from (T, 7), (T, 7) and (T,), by inverse kinematics."""

        def place(ids, rows):
            self.reset(ids.cpu().numpy(), ee_pose[rows], obj_pose[rows], gripper_width[rows])

        return self._film(len(ee_pose), target_xy, place)

    def _film(self, count: int, target_xy: np.ndarray, place: Callable, with_cameras: bool = False) -> np.ndarray:
        """`place(ids, rows)` puts the states of these rows into the environments."""
        everyone, frames, targets = np.arange(self.num_envs), [], np.broadcast_to(target_xy, (count, 2))
        ids = torch.as_tensor(everyone, dtype=torch.int32, device=self._device)
        for first in range(0, count, self.num_envs):
            rows = np.minimum(np.arange(first, first + self.num_envs), count - 1)
            self.show_target(everyone, targets[rows])
            place(ids, rows)
            film = self._render("video_camera")
            frames.append(_beside(film, *self.images()) if with_cameras else film)
        return np.concatenate(frames)[:count]

    @torch.inference_mode()
    def show_beside(self, joint_pos: np.ndarray, ee_pose: np.ndarray, obj_pose: np.ndarray) -> np.ndarray:
        """Put every arm at joints (N, 9) and then its end effector at a pose (N, 7) close by, and objects at (N, 7).

        Which arms cannot reach it (N,). For images; physics goes on from a reset only.
        """
        joints = torch.as_tensor(joint_pos, dtype=torch.float32, device=self._device)
        everyone = np.arange(self.num_envs)
        return self._place(everyone, ee_pose, obj_pose, joints[:, :-2], joints[:, -2:]).cpu().numpy()

    @torch.inference_mode()
    def reset(self, env_ids: np.ndarray, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width=None) -> Observation:
        """Put end effector (M, 7), object (M, 7) and fingers (M,) [m] of these environments in place, at rest.

        Raises SimulationError when the arm cannot reach an end-effector pose.
        """
        width = np.full(len(env_ids), self._open_m) if gripper_width is None else gripper_width
        fingers = torch.as_tensor(np.asarray(width), dtype=torch.float32, device=self._device)[:, None] / 2
        home = torch.tensor(self._home, device=self._device).repeat(len(env_ids), 1)
        astray = self._place(env_ids, ee_pose, obj_pose, home, torch.cat([fingers, fingers], -1))
        if astray.any():
            raise SimulationError(
                "the arm cannot reach a start pose of the end effector", expected="a pose in its workspace",
                found=np.asarray(ee_pose)[int(astray.nonzero()[0])].round(3).tolist(),
                do="narrow task.x_range or task.y_range",
            )  # fmt: skip
        self.observation = self._read(self.env.observation_manager.compute())
        return self.observation

    def show_target(self, env_ids: np.ndarray, target_xy: np.ndarray) -> None:
        """Move the red marker of these environments to (M, 2) [m]."""
        self._markers.move(np.asarray(env_ids), target_xy)

    def check_solver(self) -> None:
        """Raise SimulationError where the solver has hit a limit: before what was simulated is kept."""
        self._watch.check()

    def _read(self, buffers) -> Observation:
        group = buffers["policy"]
        return Observation(
            group["ee_pose"].cpu().numpy().copy(),
            group["object_pose"].cpu().numpy().copy(),
            group["gripper_width"][:, 0].cpu().numpy().copy(),
        )

    def _place_object(self, ids: torch.Tensor, body, pose: np.ndarray) -> None:
        pose_w = to_xyzw(torch.as_tensor(np.asarray(pose), dtype=torch.float32, device=self._device))
        pose_w[:, :3] += self.env.scene.env_origins[ids.long()]
        body.write_root_pose_to_sim_index(root_pose=pose_w, env_ids=ids)
        body.write_root_velocity_to_sim_index(root_velocity=torch.zeros(len(ids), 6, device=self._device), env_ids=ids)

    def begin_batch(self, batch: int) -> None:
        """What is random about the cell itself depends on the number of a batch of episodes, not on those before it."""
        if self._appearance:
            self._appearance.begin_batch(batch)

    def _place(self, env_ids, ee_pose: np.ndarray, obj_pose: np.ndarray, arm: torch.Tensor, fingers: torch.Tensor):
        """End effectors and objects in place, by inverse kinematics from arm joints (M, 7); which cannot be (M,)."""
        ids = torch.as_tensor(np.asarray(env_ids), dtype=torch.int32, device=self._device)
        self.env.action_manager.reset(ids.long())
        if self._appearance:
            self._appearance.draw(np.asarray(env_ids))
        self._place_object(ids, self._object, obj_pose)
        goal = to_xyzw(torch.as_tensor(np.asarray(ee_pose), dtype=torch.float32, device=self._device))
        astray = self._reach(ids, goal, arm, fingers, IK_ITERATIONS)
        if astray.any():
            again = self._reach(
                ids[astray], goal[astray], arm[astray], fingers[astray], CAREFUL_ITERATIONS, careful=True
            )
            astray[astray.clone()] = again
        return astray

    def _reach(
        self, ids: torch.Tensor, goal: torch.Tensor, arm: torch.Tensor, fingers: torch.Tensor, iterations: int,
        careful: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        """Bring end effectors to `goal` (M, 7) x-first from joints `arm` (M, 7); which of them are not there (M,).

        Full steps are soon there almost anywhere, but where the arm is folded or stretched may lead beyond the joints'
        limits. `careful`: short ones within them, along the way that the arm would go.
        """
        limits = self._robot.data.joint_pos_limits.torch[ids.long(), : arm.shape[-1]]
        lower, upper = limits[..., 0] - LIMIT_GIVES_RAD, limits[..., 1] + LIMIT_GIVES_RAD
        for _ in range(iterations):
            self._write_joints(ids, torch.cat([arm, fingers], -1))
            error = self._arm.pose_error(goal, ids.long())
            if error.abs().max() < IK_TOLERANCE_M:
                break
            step = self._arm.joint_step(error, ids.long())
            if careful:
                longest = step.abs().amax(-1, keepdim=True)
                step = step * (CAREFUL_STEP_RAD / longest).clamp(max=1)
                arm = torch.minimum(torch.maximum(arm + step, lower), upper)
            else:
                arm = arm + step
        return ((arm < lower) | (arm > upper)).any(-1) | (error.abs().amax(-1) >= IK_TOLERANCE_M)

    def _write_joints(self, ids: torch.Tensor, joints: torch.Tensor) -> None:
        self._robot.write_joint_position_to_sim_index(position=joints, env_ids=ids)
        self._robot.write_joint_velocity_to_sim_index(velocity=torch.zeros_like(joints), env_ids=ids)
        self._robot.actuators.target_command.set_position_index(value=joints, env_ids=ids)
        self._robot.actuators.target_command.set_velocity_index(value=torch.zeros_like(joints), env_ids=ids)


def _beside(film: np.ndarray, *views: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) images and views (N, h, w, 3), enlarged to share their height in one column to the right."""
    height = film.shape[1] // len(views)
    scale = max(1, height // views[0].shape[1])
    column = np.concatenate([view.repeat(scale, 1).repeat(scale, 2)[:, :height] for view in views], axis=1)
    padded = np.zeros((*film.shape[:2], column.shape[2], 3), np.uint8)
    padded[:, : column.shape[1]] = column
    return np.concatenate([film, padded], axis=2)
