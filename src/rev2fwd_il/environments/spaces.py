"""Observation and action spaces: boxes whose dimensions have names, units and bounds.

    agent_pos (8)           end-effector pose w-first in the robot-base frame [m], gripper opening [m]
    environment_state (D)   object and target, as the task describes them to its policies
    pixels                  table, wrist: (H, W, 3) uint8, where images are asked for
    action (8)              end-effector pose to be commanded [m], gripper: from 0 on open, below closed

The keys are those under which LeRobot looks for observation.state, .environment_state and .images.
"""

import re

import numpy as np
from gymnasium.spaces import Box, Dict

from rev2fwd_il import keys
from rev2fwd_il.config.run import Config
from rev2fwd_il.robots import ROBOTS
from rev2fwd_il.tasks import observation
from rev2fwd_il.tasks.task import Task

STATE, ENVIRONMENT_STATE, PIXELS = "agent_pos", "environment_state", "pixels"
CAMERAS = tuple(key.rpartition(".")[2] for key in keys.CAMERAS)  # table, wrist
FARTHEST_M = 10.0  # an object that was thrown has come to rest by then
WIDTH_MARGIN_M = 0.01
PLAIN = re.compile(r"(^|_)q[wxyz]$|^(near|fine)_|^held$|^gripper$")  # no unit, from -1 to 1
SHARE = re.compile(r"_apart|_beside")  # no unit, from 0 to 1


class NamedBox(Box):
    """A box of float32 whose dimensions are told apart by `names` and `units` ("m", or "" where there is none)."""

    def __init__(self, names: list[str], low: np.ndarray, high: np.ndarray):
        super().__init__(np.float32(low), np.float32(high), dtype=np.float32)
        self.names = tuple(names)
        self.units = tuple("" if PLAIN.search(name) or SHARE.search(name) else "m" for name in names)


def _measured(names: list[str], max_width_m: float) -> NamedBox:
    high = np.array([1.0 if PLAIN.search(name) or SHARE.search(name) else FARTHEST_M for name in names])
    low = np.array([0.0 if SHARE.search(name) else -1.0 for name in names]) * high
    width = [index for index, name in enumerate(names) if name == "gripper_width"]
    low[width], high[width] = -WIDTH_MARGIN_M, max_width_m + WIDTH_MARGIN_M
    slack = 1e-6  # a unit quaternion in float32 may be longer than 1
    return NamedBox(names, low - slack, high + slack)


def observation_space(task: Task, config: Config, images: bool) -> Dict:
    """What one environment shows."""
    width = ROBOTS[config.sim.robot].max_width_m
    spaces = {
        STATE: _measured(observation.STATE_NAMES, width),
        ENVIRONMENT_STATE: _measured(task.environment_state_names, width),
    }
    if images:
        size = (config.sim.image_height, config.sim.image_width, 3)
        spaces[PIXELS] = Dict({camera: Box(0, 255, size, np.uint8) for camera in CAMERAS})
    return Dict(spaces)


def action_space(task: Task) -> NamedBox:
    """What one environment takes; positions outside are brought to the bounds, and quaternions to unit norm."""
    lower, upper = task.workspace()
    plain = np.ones(len(observation.ACTION_NAMES) - 3)
    return NamedBox(observation.ACTION_NAMES, np.concatenate([lower, -plain]), np.concatenate([upper, plain]))


def to_command(actions: np.ndarray, space: NamedBox) -> np.ndarray:
    """(N, 8) -> (N, 8) float32 as the cell takes it.

    Positions lie within the workspace, quaternions have unit norm and qw >= 0, grippers are exactly 1 or -1. Raises
    ValueError where a number is not finite.
    """
    command = np.array(actions, np.float32)
    if not np.isfinite(command).all():
        raise ValueError(f"actions must be finite numbers, found {command[~np.isfinite(command).all(-1)][0].tolist()}")
    command[:, :3] = np.clip(command[:, :3], space.low[:3], space.high[:3])
    length = np.linalg.norm(command[:, 3:7], axis=-1, keepdims=True)
    upright = np.float32([1, 0, 0, 0])  # gripper down
    quaternion = np.where(length > 0, command[:, 3:7] / np.where(length > 0, length, 1), upright)
    command[:, 3:7] = np.where(quaternion[:, :1] < 0, -quaternion, quaternion)
    command[:, 7] = np.where(command[:, 7] >= 0, keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE)
    return command
