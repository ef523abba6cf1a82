"""Hindsight targets: where Task B has put the object down *is* a target that was reached, whatever it was asked for.

    reached = relabel(task, episode)     # None: the object was not lifted, put down and let go

An attempt that failed for its target is a demonstration for the one that it reached, and one that succeeded within the
tolerance no longer shows that a target may be missed by so much.
Andrychowicz et al., "Hindsight Experience Replay", NeurIPS 2017.
"""

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.reading import FRAME_FIELDS, Episode
from rev2fwd_il.data.schema import OPTIONAL_FIELDS
from rev2fwd_il.method.episodes import MAX_STILL, STILL_M
from rev2fwd_il.tasks.success import MAX_LOWERING_STEP_M
from rev2fwd_il.tasks.task import Task

AT_REST_M = 0.005  # what nobody touches moves less


def relabel(task: Task, episode: Episode) -> Episode | None:
    """An episode of Task B as a success for the target where the object first came to rest, cut there.

    A success is kept whole where the object has not moved since: its hand may have left (`rollout.move_away`). Where an
    attempt got stuck and the hand put down what it held, the frames in which it only waited are left out.
    None where it was never lifted and put down, where it was dropped, and where no target of Task B lies.
    """
    frame = length = _put_down(task, episode)
    if frame is None and episode.success:  # its last step's observation, which is no frame, completed the rest
        frame, length = len(episode) - 1, len(episode)
    if frame is None:
        return None
    pose = episode.obj_pose[frame]
    fell = (-np.diff(episode.obj_pose[: frame + 1, 2]) > MAX_LOWERING_STEP_M).any()
    if not task.is_target(pose) or (fell and not episode.success):
        return None
    kept = np.arange(length)
    if not episode.success:
        kept = np.delete(kept, _stuck(episode, frame))
    elif np.ptp(episode.obj_pose[frame:, :3], axis=0).max() < AT_REST_M:
        kept = np.arange(len(episode))
    names = [name for name in FRAME_FIELDS | OPTIONAL_FIELDS if getattr(episode, name) is not None]
    target = np.float32(task.reached_target(keys.TASK_B, pose))
    return episode.replace(
        **{name: getattr(episode, name)[kept] for name in names},
        target_pose=target,
        target_xy=target[:2],
        success=True,
    )


def _stuck(episode: Episode, frame: int) -> np.ndarray:
    """Frames in which the hand waited before it was lowered, straight, to put the object down by `frame`.

    To imitate them is to wait, and a policy that sees that it waits goes on waiting. Without them the hand jumps by
    STILL_M, as far as it moves in a frame anyway.
    """
    command, here = episode.action, episode.ee_pose[:, :3]
    closed = np.flatnonzero(command[:frame, 7] == keys.GRIPPER_CLOSE)
    if not len(closed):
        return closed
    first = int(closed[-1])  # the last frame before it let go
    straight = (command[1:, :2] == command[:-1, :2]).all(-1) & (command[1:, 2] <= command[:-1, 2])
    while first > 0 and straight[first - 1]:
        first -= 1
    away = np.flatnonzero((np.abs(here[:first] - here[first]) >= STILL_M).any(-1))
    since = int(away[-1]) + 1 if len(away) else 0
    return np.arange(since, first) if first - since > MAX_STILL // 2 else np.arange(0)


def _put_down(task: Task, episode: Episode) -> int | None:
    """The frame at which the object, lifted before, has rested and been let go for as long as success takes."""
    detector, everything = task.success_detector(1), (episode.ee_pose, episode.obj_pose, episode.gripper_width)
    detector.start(np.array([0]), [keys.TASK_B], episode.target_pose[None], episode.obj_pose[:1])
    for frame in range(1, len(episode)):
        detector.target_pose[0] = task.reached_target(keys.TASK_B, episode.obj_pose[frame])  # wherever it is
        if detector.update(*(values[frame : frame + 1] for values in everything))[0]:
            return frame
    return None
