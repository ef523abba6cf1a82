"""The bimanual ALOHA cell of gym-aloha, driven by a script: the right arm brings the cube to a fixed place.

    cell = AlohaCell()
    recording = cell.demonstrate(seed=0)       # from where the seed puts the cube to PLACE_XY
    cube_xyz = cell.replay(actions, state, cube_pose)

Commands are joint positions and normalized gripper openings, as the environment's users record them, at 50 Hz.
"""

from dataclasses import dataclass

import gym_aloha  # noqa: F401  registers the environments
import gymnasium as gym
import mujoco
import numpy as np
from gym_aloha.constants import unnormalize_puppet_gripper_position
from scipy.spatial.transform import Rotation

PLACE_XY = np.array([0.1, 0.5])  # [m]
RIGHT, GRIPPER = slice(7, 13), 13  # of the 14 numbers of states and actions
HAND = "vx300s_right/gripper_link"
DOWN = Rotation.from_euler(
    "zy", [180, -60], degrees=True
)  # the hand while it works: fingers 60 degrees below the horizon
PINCH_M = np.array([0.13, 0.0, 0.01])  # between the fingers' ends, in the hand's frame
GRASP_M, ABOVE_M = np.array([0.0, 0.0, 0.012]), np.array([0.0, 0.0, 0.08])  # from the cube: fingers clear of the table
OPEN, CLOSED = 1.0, 0.0
MOVE, LOWER, REST = 50, 30, 20  # control steps


@dataclass
class Recording:
    """One episode: what was observed before each command, the commands, and the cube's pose at each of these times."""

    states: np.ndarray  # (T, 14)
    actions: np.ndarray  # (T, 14)
    images: np.ndarray  # (T, 480, 640, 3) uint8, the top camera
    cube: np.ndarray  # (T, 7)


class AlohaCell:
    """One environment, `gym_aloha/AlohaTransferCube-v0`, with its own observations and steps."""

    def __init__(self):
        self.env = gym.make("gym_aloha/AlohaTransferCube-v0", obs_type="pixels_agent_pos", max_episode_steps=10_000)
        self._physics = self.env.unwrapped._env.physics
        self._scratch = mujoco.MjData(self._model)

    @property
    def _model(self):
        return self._physics.model.ptr

    def cube(self) -> np.ndarray:
        """(7,) position [m] and quaternion (w, x, y, z)."""
        return self._physics.data.qpos[-7:].copy()

    def demonstrate(self, seed: int) -> Recording:
        """Grasp the cube where the seed puts it, and put it down at PLACE_XY."""
        observation, _ = self.env.reset(seed=seed)
        command, rows = observation["agent_pos"].copy(), []
        for _ in range(REST):  # it starts in the air
            observation = self.env.step(command.astype(np.float32))[0]
        cube = self.cube()[:3]
        place = np.array([*PLACE_XY, cube[2]])
        command[GRIPPER] = OPEN
        for xyz, gripper, steps in (
            (cube + ABOVE_M, OPEN, MOVE), (cube + GRASP_M, OPEN, LOWER), (None, OPEN, REST), (None, CLOSED, REST),
            (cube + ABOVE_M, CLOSED, LOWER), (place + ABOVE_M, CLOSED, MOVE), (place + GRASP_M, CLOSED, LOWER),
            (None, CLOSED, REST), (None, OPEN, REST), (place + ABOVE_M, OPEN, LOWER), (None, OPEN, REST),
        ):  # fmt: skip
            start, command[GRIPPER] = command[RIGHT].copy(), gripper
            end = start if xyz is None else self._joints_at(xyz, start)
            for share in np.linspace(0, 1, steps + 1)[1:]:
                command[RIGHT] = start + (end - start) * (3 - 2 * share) * share**2
                rows.append((observation["agent_pos"], command.copy(), observation["pixels"]["top"], self.cube()))
                observation = self.env.step(command.astype(np.float32))[0]
        return Recording(*map(np.array, zip(*rows)))

    def replay(self, actions: np.ndarray, state: np.ndarray, cube: np.ndarray) -> np.ndarray:
        """(3,) where the cube ends if these commands are executed from this state with the cube there."""
        self.env.reset(seed=0)
        fingers = [unnormalize_puppet_gripper_position(state[index]) for index in (6, 13)]
        arms = [*state[:6], fingers[0], -fingers[0], *state[7:13], fingers[1], -fingers[1]]
        with self._physics.reset_context():
            self._physics.data.qpos[:] = [*arms, *cube]
            self._physics.data.ctrl[:] = arms
        for action in actions:
            self.env.step(action.astype(np.float32))
        return self.cube()[:3]

    def _joints_at(self, xyz: np.ndarray, start: np.ndarray) -> np.ndarray:
        """(6,) joint positions [rad] of the right arm with its hand there, by damped least squares from `start`."""
        model, data = self._model, self._scratch
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, HAND)
        data.qpos[:] = self._physics.data.qpos
        data.qpos[8:14] = start
        jacobian = np.zeros((6, model.nv))
        for _ in range(200):
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            turned = (DOWN * Rotation.from_matrix(data.xmat[body].reshape(3, 3)).inv()).as_rotvec()
            error = np.concatenate([xyz - DOWN.apply(PINCH_M) - data.xpos[body], turned])
            if np.abs(error).max() < 1e-4:
                return data.qpos[8:14].copy()
            mujoco.mj_jacBody(model, data, jacobian[:3], jacobian[3:], body)
            arm = jacobian[:, 8:14]
            data.qpos[8:14] += arm.T @ np.linalg.solve(arm @ arm.T + 1e-4 * np.eye(6), error)
        raise ValueError(f"the right arm does not reach {xyz}: error {error}")
