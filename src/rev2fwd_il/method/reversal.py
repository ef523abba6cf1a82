"""Time reversal: a demonstration of task B, read backwards, as a demonstration of task A. NumPy only.

    B:  start -> above goal -> grasp -> carry -> release at the target -> end        frame t = 0 .. T-1
    A:  end -> above the object -> grasp -> carry -> release at the goal -> start    frame k = T-1-t

What reverses: the path. Poses of end effector and object and the finger opening are states that were physically passed
through, and while the object rests or is held firmly, passing through them the other way is physical too.

What does not: causes. A command precedes its effect in either direction of time, so no command survives reversal:

- The pose command is rebuilt as the pose it reaches one step later. This is what `action` means in every dataset
  here, because the arm is where it was commanded to be one control step later (sim/actions.py).
- The gripper's command is rebuilt from the measured opening *ahead*: fingers that will be half closed (open) a few
  steps later were told to close (open) now. Reversing the command itself would put the effect before its cause.
- Friction, impact and settling do not reverse: where a contact slipped or the object tipped, the reversed path cannot
  be executed. That is what the replay (replay.py) finds out.

`label_actions` is that rule. It labels reversed demonstrations and reversed rollouts; forward data needs none, since
its commands were really given. `ahead` is what it is made of, for data of any robot too.
"""

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.reading import Episode
from rev2fwd_il.errors import DataError


def canonical(pose: np.ndarray) -> np.ndarray:
    """(T, 7) with quaternions on the side qw >= 0."""
    return np.concatenate([pose[:, :3], np.where(pose[:, 3:4] < 0, -pose[:, 3:], pose[:, 3:])], 1, dtype=np.float32)


def ahead(frames: np.ndarray, steps: int) -> np.ndarray:
    """(T, ...) -> what each frame is followed by, `steps` later; the last one holds."""
    return frames[np.minimum(np.arange(len(frames)) + steps, len(frames) - 1)]


def gripper_labels(gripper_width: np.ndarray, lead_steps: int) -> np.ndarray:
    """+1 open / -1 close from the opening (T,) [m], `lead_steps` before it crosses the middle of its range.

    The middle lies between the largest opening and that around a held object; the width jitters far less than that.
    Raises DataError when the fingers never move.
    """
    widest, narrowest = gripper_width.max(), gripper_width.min()
    if widest - narrowest < 0.01:
        raise DataError("the gripper never opens or closes", expected="an opening that varies by 1 cm or more",
                        found=f"{1000 * (widest - narrowest):.1f} mm")  # fmt: skip
    opens = ahead(gripper_width, lead_steps) > (widest + narrowest) / 2
    return np.where(opens, keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE).astype(np.float32)


def label_actions(ee_pose: np.ndarray, gripper_width: np.ndarray, lead_steps: int) -> np.ndarray:
    """(T, 7), (T,) [m] -> (T, 8): the pose reached at the next frame (the last holds), and the gripper label."""
    following = canonical(ahead(ee_pose, 1))
    return np.concatenate([following, gripper_labels(gripper_width, lead_steps)[:, None]], 1, dtype=np.float32)


def reverse_episode(
    episode: Episode, target_pose: np.ndarray, lead_steps: int, gripper_label: str = "width_ahead"
) -> Episode:
    """The episode backwards, with rebuilt actions and a new target pose (7,).

    Reversed twice, with the first target given back, the observations and the target are unchanged.

    `gripper_label="reversed_command"` is the naive label, kept to measure what it costs.
    """

    def backwards(frames):
        return None if frames is None else np.ascontiguousarray(frames[::-1])

    ee_pose, gripper_width = backwards(episode.ee_pose), backwards(episode.gripper_width)
    action = label_actions(ee_pose, gripper_width, lead_steps)
    if gripper_label == "reversed_command":
        action[:, 7] = backwards(episode.action)[:, 7]
    return episode.replace(
        ee_pose=ee_pose,
        obj_pose=backwards(episode.obj_pose),
        gripper_width=gripper_width,
        object_poses=backwards(episode.object_poses),
        images=backwards(episode.images),
        wrist_images=backwards(episode.wrist_images),
        action=action,
        target_xy=np.array(target_pose[:2], np.float32),
        target_pose=np.array(target_pose, np.float32),
    )


def goal_of(episode: Episode) -> np.ndarray:
    """Where the reversed episode has to put the object: where this one took it from, (7,)."""
    return episode.obj_pose[0].copy()


def check_reversal(episode: Episode, backwards: Episode, gripper_label: str = "width_ahead") -> None:
    """Raises DataError unless `backwards` has the episode's observations backwards and a gripper label that leads.

    The naive label, `reversed_command`, follows the fingers: that is what it is there to show.
    """
    for field in ("ee_pose", "obj_pose", "gripper_width", "object_poses"):
        original, reversed_ = getattr(episode, field), getattr(backwards, field)
        if original is not None and not np.array_equal(reversed_[::-1], original):
            raise DataError(f"reversal: {field} is not the original backwards")
    if gripper_label != "width_ahead":
        return
    width, label = backwards.gripper_width, backwards.action[:, 7]
    middle = (width.max() + width.min()) / 2
    labelled, crossed = np.flatnonzero(np.diff(label)), np.flatnonzero(np.diff(width > middle))
    crossed = crossed[max(0, len(crossed) - len(labelled)) :]  # one within the lead of the beginning has no label
    if (labelled[: len(crossed)] > crossed).any():
        raise DataError("reversal: the gripper label follows the fingers instead of leading them")
