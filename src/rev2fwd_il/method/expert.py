"""The state machine that demonstrates: a task's way, as commands that are symmetric in time around gripper events.

    start -> above pick -> PICK (close) -> lifted -> above place -> PLACE (open) -> above place -> end

Legs are straight lines. Before and after each gripper event the end effector rests equally long, and the corners are
rounded by a symmetric window: commands read backwards are again commands of the same kind.
"""

from collections.abc import Iterable

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.keys import CONTROL_HZ
from rev2fwd_il.tasks.geometry import turn_about_vertical
from rev2fwd_il.tasks.task import GripperEvent, Waypoint

TURN_SPEED_RAD_S = 2.0
ROUNDING_STEPS = 5  # two passes of a window this wide round the corners: each reaches 4 steps into a dwell
RAMP_STEPS = 4  # the way starts and ends at rest, rounded like any corner


def command_sequence(
    ee_start: np.ndarray, way: Iterable[Waypoint | GripperEvent], dwell_steps: tuple[int, int] = (7, 7)
) -> np.ndarray:
    """Commands (T, 8) at CONTROL_HZ, ee pose and gripper, from end-effector pose (7,) along a task's way.

    `dwell_steps`: at rest before and after each gripper event.
    """
    here = np.asarray(ee_start, float)
    poses, grippers = [np.tile(here, (RAMP_STEPS, 1))], [keys.GRIPPER_OPEN] * RAMP_STEPS
    for part in way:
        if isinstance(part, GripperEvent):  # in the middle of its dwell
            before, after = dwell_steps
            poses.append(np.tile(here, (before + after, 1)))
            grippers += [-part.gripper] * before + [part.gripper] * after
            continue
        steps = _steps_of(here, part)
        fraction = np.arange(1, steps + 1)[:, None] / steps
        poses.append(here + fraction * (part.pose - here))
        grippers += [part.gripper] * steps
        here = part.pose
    poses.append(np.tile(here, (RAMP_STEPS, 1)))
    grippers += [grippers[-1]] * RAMP_STEPS
    rounded = _round_corners(np.concatenate(poses))
    rounded[:, 3:] /= np.linalg.norm(rounded[:, 3:], axis=1, keepdims=True)
    return np.concatenate([rounded, np.array(grippers)[:, None]], 1).astype(np.float32)


def _steps_of(here: np.ndarray, leg: Waypoint) -> int:
    """Control steps from pose (7,) along a leg, at its speed and no faster than TURN_SPEED_RAD_S."""
    distance = np.linalg.norm(leg.pose[:3] - here[:3])
    angle = abs(turn_about_vertical(leg.pose[3:], here[3:]))
    seconds = max(distance / leg.speed_m_s, angle / TURN_SPEED_RAD_S)
    return max(2, int(np.ceil(seconds * CONTROL_HZ)))


def _round_corners(path: np.ndarray) -> np.ndarray:
    """Two passes of a centred moving average over (T, D), ends held."""
    window = np.ones(ROUNDING_STEPS) / ROUNDING_STEPS
    for _ in range(2):
        padded = np.pad(path, ((ROUNDING_STEPS // 2,) * 2, (0, 0)), mode="edge")
        path = np.stack([np.convolve(column, window, mode="valid") for column in padded.T], -1)
    return path
