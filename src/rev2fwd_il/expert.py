"""The state machine that demonstrates: pick here, place there, symmetric in time around grasp and release.

    start -> above pick -> PICK (close) -> lifted -> above place -> PLACE (open) -> above place -> end

The hand aligns with the cube's faces before it goes down, and carries the cube without turning it, level: whoever
carries a cube that rises or sinks towards a height of its own cannot see where that ends, and learns to go on. Legs
are straight lines at random heights and speeds. Before and after each gripper event the hand waits equally long, and
the corners are rounded by a symmetric window: a plan read backwards is again a plan of the same kind.
"""

from dataclasses import dataclass

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.features import turn_about_vertical
from rev2fwd_il.tasks import turned

CONTROL_HZ = 30
APPROACH_HEIGHT_M = (0.07, 0.15)
CARRY_HEIGHT_M = (0.2, 0.3)
TRANSFER_SPEED_M_S = (0.35, 0.65)
VERTICAL_SPEED_M_S = (0.2, 0.35)
TURN_SPEED_RAD_S = 2.0
GRASP_OFFSET_M = 0.005  # the pick is this inexact in x and y, and in height
GRASP_TURN_RAD = 0.05  # and this inexact about the vertical
ROUNDING_STEPS = 5  # two passes of a window this wide round the corners: each reaches 4 steps into a dwell
RAMP_STEPS = 4  # the hand starts and ends at rest, rounded like any corner


@dataclass(frozen=True)
class Plan:
    """Commands of one demonstration, (T, 8): ee pose and gripper."""

    action: np.ndarray

    def __len__(self) -> int:
        return len(self.action)


def plan_pick_place(
    ee_start: np.ndarray, pick_xy: np.ndarray, yaw: float, place_xy: np.ndarray, ee_end: np.ndarray, edge: float,
    rng: np.random.Generator, dwell_steps: tuple[int, int] = (7, 7),
) -> Plan:  # fmt: skip
    """From hand pose (7,) over pick and place (2,) [m] to hand pose (7,), for a cube of that edge [m] and yaw [rad].

    `dwell_steps`: at rest before and after each gripper event.
    """
    pick_xy = pick_xy + rng.uniform(-GRASP_OFFSET_M, GRASP_OFFSET_M, 2)
    grasp_z = edge / 2 + rng.uniform(-GRASP_OFFSET_M, GRASP_OFFSET_M)
    above_pick, above_place = rng.uniform(*APPROACH_HEIGHT_M, 2) + edge / 2
    carried = rng.uniform(*CARRY_HEIGHT_M)

    grasp_quat = turned(yaw + rng.uniform(-GRASP_TURN_RAD, GRASP_TURN_RAD))

    def at(xy, z):
        return np.concatenate([xy, [z], grasp_quat])

    legs = [  # waypoint, gripper on the way, slow leg
        (at(pick_xy, above_pick), keys.GRIPPER_OPEN, False),
        (at(pick_xy, grasp_z), keys.GRIPPER_OPEN, True),
        (None, keys.GRIPPER_CLOSE, None),
        (at(pick_xy, carried), keys.GRIPPER_CLOSE, True),
        (at(place_xy, carried), keys.GRIPPER_CLOSE, False),
        (at(place_xy, grasp_z), keys.GRIPPER_CLOSE, True),
        (None, keys.GRIPPER_OPEN, None),
        (at(place_xy, above_place), keys.GRIPPER_OPEN, True),
        (np.asarray(ee_end, float), keys.GRIPPER_OPEN, False),
    ]
    transfer, vertical = rng.uniform(*TRANSFER_SPEED_M_S), rng.uniform(*VERTICAL_SPEED_M_S)
    here = np.asarray(ee_start, float)
    poses, grippers = [np.tile(here, (RAMP_STEPS, 1))], [keys.GRIPPER_OPEN] * RAMP_STEPS
    for waypoint, gripper, slow in legs:
        if waypoint is None:  # a gripper event in the middle of its dwell
            before, after = dwell_steps
            poses.append(np.tile(here, (before + after, 1)))
            grippers += [-gripper] * before + [gripper] * after
            continue
        distance = np.linalg.norm(waypoint[:3] - here[:3])
        angle = abs(turn_about_vertical(waypoint[3:], here[3:]))
        seconds = max(distance / (vertical if slow else transfer), angle / TURN_SPEED_RAD_S)
        steps = max(2, int(np.ceil(seconds * CONTROL_HZ)))
        fraction = np.arange(1, steps + 1)[:, None] / steps
        poses.append(here + fraction * (waypoint - here))
        grippers += [gripper] * steps
        here = waypoint
    poses.append(np.tile(here, (RAMP_STEPS, 1)))
    grippers += [keys.GRIPPER_OPEN] * RAMP_STEPS
    rounded = _round_corners(np.concatenate(poses))
    rounded[:, 3:] /= np.linalg.norm(rounded[:, 3:], axis=1, keepdims=True)
    return Plan(np.concatenate([rounded, np.array(grippers)[:, None]], 1).astype(np.float32))


def _round_corners(path: np.ndarray) -> np.ndarray:
    """Two passes of a centred moving average over (T, D), ends held."""
    window = np.ones(ROUNDING_STEPS) / ROUNDING_STEPS
    for _ in range(2):
        padded = np.pad(path, ((ROUNDING_STEPS // 2,) * 2, (0, 0)), mode="edge")
        path = np.stack([np.convolve(column, window, mode="valid") for column in padded.T], -1)
    return path
