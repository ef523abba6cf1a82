"""An episode's numbers backward: states as they were, commands rebuilt (method/reversal.py says why).

    command(k)   the state that is reached `command_lead_steps` later
    gripper(k)   its two usual commands, changed `lead_steps` before the opening answers: what squeezed, squeezes
    velocity(k)  with the other sign
    goal(k)      where the state it is about began

Arrays are (T, D) by feature, of the dataset's own types. Reversed twice, states are unchanged to the bit.
"""

from typing import NamedTuple

import numpy as np

from rev2fwd_il.exchange.lerobot_reversal.roles import Dimension, Gripper, Roles
from rev2fwd_il.method.reversal import ahead

Frames = dict[str, np.ndarray]
STILL = 0.2  # of the range in the whole dataset: a gripper that is commanded, or moves, by less does not


class Ranges(NamedTuple):
    """Largest less smallest value of a gripper in the whole dataset."""

    command: float
    opening: float


class Answer(NamedTuple):
    """A change of a gripper's command, and the frame at which its opening is halfway to where that takes it."""

    commanded: int
    answered: int
    widens: bool | None  # None: the opening does not change


def column(frames: Frames, dimension: Dimension) -> np.ndarray:
    """(T,) of one dimension."""
    return frames[dimension.feature][:, dimension.index]


def reverse_frames(
    frames: Frames, roles: Roles, lead_steps: dict[Gripper, int], ranges: dict[Gripper, Ranges]
) -> Frames:
    """The frames backward, without the dropped features."""
    kept = {key: values for key, values in frames.items() if key not in roles.dropped}
    backward = {key: values[::-1].copy() for key, values in kept.items()}
    for dimension in roles.velocities:
        column(backward, dimension)[:] *= -1
    for goal, state in roles.goals:
        column(backward, goal)[:] = column(frames, state)[0]
    for pair in roles.commands:
        state = column(backward, pair.state)
        reached = ahead(state, roles.command_lead_steps)
        column(backward, pair.command)[:] = reached if pair.scale is None else (reached - state) / pair.scale
    for gripper in roles.grippers:
        changes = answers(frames, gripper, ranges[gripper])
        column(backward, gripper.command)[:] = _commands(column(frames, gripper.command), changes, lead_steps[gripper])
    return backward


def answers(frames: Frames, gripper: Gripper, ranges: Ranges) -> list[Answer]:
    """The changes of a gripper's command in an episode, forward; none where it is hardly commanded.

    What the opening answers is judged between where it was and where it comes to: a gripper may begin more closed than
    around an object.
    """
    command, opening = column(frames, gripper.command), column(frames, gripper.state)
    if np.ptp(command) <= STILL * ranges.command:
        return []
    changes = np.flatnonzero(np.diff(_is_high(command))) + 1
    found = []
    for start, end in zip(changes, [*changes[1:], len(command)], strict=True):
        before, after = float(opening[start]), float(opening[end - 1])
        if abs(after - before) <= STILL * ranges.opening:
            found.append(Answer(int(start), int(start), None))
            continue
        halfway = np.abs(opening[start:end] - after) < abs(after - before) / 2
        found.append(Answer(int(start), int(start + np.argmax(halfway)), after > before))
    return found


def _commands(command: np.ndarray, changes: list[Answer], lead_steps: int) -> np.ndarray:
    """(T,) commands of the episode backward, from those forward."""
    high = _is_high(command)
    if not changes:
        return np.full_like(command, _usual(command))
    answered = np.full(len(command), high[0])
    for change in changes:
        answered[change.answered :] = high[change.commanded]
    return np.where(ahead(answered[::-1], lead_steps), _usual(command[high]), _usual(command[~high]))


def _is_high(command: np.ndarray) -> np.ndarray:
    """(T,) bool: above the middle of its range."""
    return command > (command.max() + command.min()) / 2


def _usual(commands: np.ndarray) -> np.ndarray:
    """The median, as one of the values."""
    return np.quantile(commands, 0.5, method="lower").astype(commands.dtype)
