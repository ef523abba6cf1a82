"""Checks on what the numbers stand for: frames, units, labels and the task. Each is dataset -> findings.

The end effector's frame points up while the gripper points down (tasks/geometry.py): quaternions near (1, 0, 0, 0).
"""

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.checks.findings import ERROR, WARNING, Finding, by_episode, robot_of, severity_for
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.tasks import task_of

HALF_TURN_QZ = 0.85  # |qz| above this: the end effector is turned by more than 116 degrees, which no grasp here needs
TARGET_MARGIN_M = 1e-3  # of targets against the bounds of the task
LATE_FRAMES = 8  # a command and the crossing it causes are at most this far apart


def check_reach(dataset: EpisodeDataset) -> list[Finding]:
    """Positions are metres in the robot-base frame, within the arm's reach; an object may be thrown in a failure."""
    succeeded = np.repeat(dataset.success, dataset.ends - dataset.starts)
    found, reach = [], robot_of(dataset).reach_m
    for field in (keys.EE_POSE, keys.OBJ_POSE, keys.ACTION):
        distance = np.linalg.norm(np.asarray(dataset.arrays[field])[:, :3], axis=1)
        tolerated = ~succeeded if field == keys.OBJ_POSE else np.zeros_like(succeeded)
        for severity, rows in ((ERROR, ~tolerated), (WARNING, tolerated)):
            far = np.flatnonzero((distance > reach) & rows)
            if len(far):
                message = f"{distance[far[0]]:.4g} from the robot's base, the arm reaches less than {reach} m"
                found += by_episode(dataset, far, severity, "out_of_reach", message, field)
    return found


def check_ee_frame(dataset: EpisodeDataset) -> list[Finding]:
    """The end effector's quaternion is w-first and of the frame that points up while the gripper points down."""
    found = []
    for field in (keys.EE_POSE, keys.ACTION):
        qw, qx, qy, qz = np.asarray(dataset.arrays[field])[:, 3:7].T
        up = 1 - 2 * (qx**2 + qy**2)  # z component of the frame's z axis
        median = [round(float(np.median(q)), 2) for q in (qw, qx, qy, qz)]
        if np.median(up) < 0:
            message = f"the end-effector frame points down, median quaternion {median}: turn it by 180 degrees about x"
            found.append(Finding(ERROR, "ee_frame", message, field=field))
        elif np.median(np.abs(qz)) > HALF_TURN_QZ and np.median(np.abs(qw)) < 0.5:
            message = f"the end effector is turned by 180 degrees, quaternion {median}: stored x-first?"
            found.append(Finding(ERROR, "quaternion_order", message, field=field))
    return found


def check_gripper_lead(dataset: EpisodeDataset) -> list[Finding]:
    """A gripper command comes before the fingers cross the middle of their range, never after.

    Reversed data whose command was merely read backwards fails here: there the command follows its effect.
    """
    label, width = np.asarray(dataset.arrays[keys.ACTION])[:, 7], np.asarray(dataset.arrays[keys.GRIPPER_WIDTH])
    found = []
    for episode, (start, end) in enumerate(zip(dataset.starts, dataset.ends)):
        opening, signs = width[start:end], label[start:end]
        wide = opening > (opening.max() + opening.min()) / 2
        commands, crossings = np.flatnonzero(np.diff(signs)), np.flatnonzero(np.diff(wide))
        for crossing in crossings:
            same_way = commands[np.sign(np.diff(signs)[commands]) == (1 if wide[crossing + 1] else -1)]
            near = same_way[np.abs(same_way - crossing) <= LATE_FRAMES]
            if len(near) and near.min() > crossing:
                message = "the gripper command comes after the fingers moved: was it reversed with the time?"
                place = {"episode": episode, "frame": int(crossing), "field": keys.ACTION}
                found.append(Finding(severity_for(dataset), "gripper_late", message, **place))
                break
    return found


def check_task(dataset: EpisodeDataset) -> list[Finding]:
    """The task is A or B; A's targets lie around the goal, B's away from it."""
    task = dataset.meta.get("task")
    if task not in keys.TASKS:
        return [Finding(ERROR, "task_label", f"task is {task!r}, allowed are {', '.join(keys.TASKS)}", field=keys.META)]
    bounds = task_of(dataset.meta).data_bounds
    if bounds.goal_xy is None:
        return []
    distance = np.linalg.norm(dataset.target_xy - np.float32(bounds.goal_xy), axis=1)
    if task == keys.TASK_A and distance.max() > bounds.goal_radius_m + TARGET_MARGIN_M:
        expected, worst = f"within {bounds.goal_radius_m:.3f} m of the goal", int(distance.argmax())
    elif task == keys.TASK_B and distance.min() < bounds.min_goal_distance_m - TARGET_MARGIN_M:
        expected, worst = f"at least {bounds.min_goal_distance_m:.3f} m from the goal", int(distance.argmin())
    else:
        return []
    message = f"called task {task}, whose targets lie {expected}, but one lies {distance[worst]:.3f} m from it"
    return [Finding(ERROR, "task_label", message, episode=worst, field=keys.TARGET_XY)]


def check_lifted(dataset: EpisodeDataset) -> list[Finding]:
    """A success lifted its object: pushing does not count."""
    height, raised = np.asarray(dataset.arrays[keys.OBJ_POSE])[:, 2], task_of(dataset.meta).data_bounds.raised_m
    found = []
    for episode in np.flatnonzero(dataset.success):
        rows = height[dataset.starts[episode] : dataset.ends[episode]]
        if rows.max() - rows[-1] < raised:
            message = f"counts as a success, but the object rose by {rows.max() - rows[-1]:.3f} m only"
            found.append(Finding(WARNING, "success_not_lifted", message, episode=int(episode), field=keys.SUCCESS))
    return found


MEANING_CHECKS = (check_reach, check_ee_frame, check_gripper_lead, check_task, check_lifted)
