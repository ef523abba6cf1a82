"""What a dataset that keeps the contract can still get wrong: `validate(dataset)` -> findings; `open_checked(path)`.

EpisodeDataset refuses what breaks structure, types, finiteness or unit norms. The checks here ask whether the numbers
mean what they claim. Each is one small function dataset -> findings, listed in CHECKS. Whatever learns from a dataset
or reverses it opens it with `open_checked`.

What a policy did is as it was: where a demonstration would be wrong, a rollout may only be clumsy, and is warned of.
"""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.checks.findings import ERROR, WARNING, Finding, by_episode, inner_frames, robot_of, severity_for
from rev2fwd_il.data.checks.images import IMAGE_CHECKS
from rev2fwd_il.data.checks.meaning import MEANING_CHECKS
from rev2fwd_il.data.npz import damaged_member
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.tasks import task_of

TRACKING_BOUND_M = 0.02  # an action's position is reached within this by the next frame, in 99 % of the frames
SHIFT_MARGIN_M = 1e-3  # an action nearer to another pose than to the next one by this much is out of step
JUMP_M = 0.1  # nothing moves this far in one frame at 30 Hz
WIDTH_MARGIN_M = 0.01  # beyond what the gripper opens to
MIN_WIDTH_M = -0.005  # fingers that close on nothing overshoot by a few millimetres
SETTLED_FRAMES = 15  # after this long under one gripper label the fingers have arrived
STILL_FRAMES = 60
STILL_STEP_M = 2e-4  # less than this in one frame is standing still


def tracking_errors(dataset: EpisodeDataset) -> np.ndarray:
    """(T - E,) distance [m] between the position commanded at t and the one measured at t + 1."""
    at = inner_frames(dataset)
    action, pose = np.asarray(dataset.arrays[keys.ACTION]), np.asarray(dataset.arrays[keys.EE_POSE])
    return np.linalg.norm(action[at, :3] - pose[at + 1, :3], axis=1)


def validate(dataset: EpisodeDataset, tracking_bound_m: float = TRACKING_BOUND_M) -> list[Finding]:
    """Every check on one dataset; errors first. An empty list means that nothing is wrong."""
    if not len(dataset):
        return [replace(finding, file=str(dataset.path)) for finding in check_bytes(dataset)]
    found = [*check_actions(dataset, tracking_bound_m)]
    for check in (*CHECKS, *MEANING_CHECKS, *IMAGE_CHECKS):
        found += check(dataset)
    placed = [replace(finding, file=str(dataset.path)) for finding in found]
    return sorted(placed, key=lambda finding: finding.severity != ERROR)


def open_checked(path: str | Path) -> EpisodeDataset:
    """The dataset, unless a check finds an error: then DataError. Warnings go to standard error."""
    dataset = EpisodeDataset(path)
    findings = validate(dataset)
    errors = [finding for finding in findings if finding.severity == ERROR]
    if errors:
        raise DataError(
            f"{path}: {len(errors)} errors in the data", found=errors[0],
            do=f"see all with workflow/scripts/validate_data.py {path}; docs/data.md explains each",
        )  # fmt: skip
    for finding in findings:
        print(f"{path}: {finding}", file=sys.stderr)
    return dataset


def check_actions(dataset: EpisodeDataset, bound_m: float) -> list[Finding]:
    """The action at t is the pose commanded then, so the end effector is there at t + 1, within the tracking bound.

    A policy may command what the arm cannot follow, so in rollouts that is a warning.
    """
    errors, at = tracking_errors(dataset), inner_frames(dataset)
    if not len(errors):
        return []
    action, pose = np.asarray(dataset.arrays[keys.ACTION]), np.asarray(dataset.arrays[keys.EE_POSE])
    found = []
    p99 = float(np.quantile(errors, 0.99))
    if p99 > bound_m:
        message = f"99 % of the actions are reached within {p99:.3f} m only, the bound is {bound_m} m"
        worst = at[[errors.argmax()]]
        found += by_episode(dataset, worst, severity_for(dataset), "action_not_reached", message, keys.ACTION)
    return found + _check_lag(dataset, action, pose)


def _check_lag(dataset: EpisodeDataset, action: np.ndarray, pose: np.ndarray) -> list[Finding]:
    """While the end effector moves, the next frame's pose fits the actions better than any other frame's."""
    at = inner_frames(dataset)
    at = at[np.isin(at + 1, at) & (np.linalg.norm(pose[at + 1, :3] - pose[at, :3], axis=1) > STILL_STEP_M)]
    if not len(at):
        return []
    misfit = {lag: np.linalg.norm(action[at, :3] - pose[at + lag, :3], axis=1).mean() for lag in (0, 1, 2)}
    best = min(misfit, key=misfit.get)
    if misfit[best] + SHIFT_MARGIN_M >= misfit[1]:
        return []
    where = "their own frame" if best == 0 else "the frame after the next"
    message = f"actions are {misfit[best]:.4f} m from the pose of {where} and {misfit[1]:.4f} m from the next one"
    return [Finding(severity_for(dataset), "action_shifted", message, field=keys.ACTION)]


def check_quaternions(dataset: EpisodeDataset) -> list[Finding]:
    """The sign is canonical, qw >= 0, and does not flip from frame to frame."""
    found, at = [], inner_frames(dataset)
    for field in (keys.EE_POSE, keys.OBJ_POSE, keys.ACTION):
        quaternion = np.asarray(dataset.arrays[field])[:, 3:7]
        negative = np.flatnonzero(quaternion[:, 0] < 0)
        found += by_episode(dataset, negative, ERROR, "quaternion_sign", "qw < 0, the canonical sign is qw >= 0", field)
        flips = at[(quaternion[at] * quaternion[at + 1]).sum(axis=1) < 0]
        message = "q turns into -q from this frame to the next: the same rotation, but a jump to a policy"
        if field != keys.OBJ_POSE:
            found += by_episode(dataset, flips, WARNING, "quaternion_flip", message, field)
    return found


def check_gripper(dataset: EpisodeDataset) -> list[Finding]:
    """Labels are +1 or -1, widths are metres, and the fingers follow the label."""
    label, width = np.asarray(dataset.arrays[keys.ACTION])[:, 7], np.asarray(dataset.arrays[keys.GRIPPER_WIDTH])
    other = np.flatnonzero(~np.isin(label, (keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE)))
    found = by_episode(dataset, other, ERROR, "gripper_label", "the gripper command is neither +1 nor -1", keys.ACTION)
    widest = robot_of(dataset).max_width_m + WIDTH_MARGIN_M
    wide = np.flatnonzero((width > widest) | (width < MIN_WIDTH_M))
    if len(wide):
        guess = ", probably millimetres" if width.max() > 1 else ""
        message = f"the opening is {width[wide[0]]:.4g}, allowed is 0 to {widest:.2g} m{guess}"
        found += by_episode(dataset, wide, severity_for(dataset), "gripper_width", message, keys.GRIPPER_WIDTH)
    for episode, (start, end) in enumerate(zip(dataset.starts, dataset.ends)):
        opening, signs = width[start:end], label[start:end]
        changes = np.flatnonzero(np.diff(signs, prepend=0))
        since = np.arange(end - start) - changes[np.searchsorted(changes, np.arange(end - start), side="right") - 1]
        settled = since >= SETTLED_FRAMES
        opened, closed = (opening[settled & (signs == sign)] for sign in (keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE))
        if len(opened) and len(closed) and opened.mean() <= closed.mean():
            message = f"the gripper is {opened.mean():.3f} m open under `open` and {closed.mean():.3f} m under `close`"
            found.append(
                Finding(severity_for(dataset), "gripper_reversed", message, episode=episode, field=keys.ACTION)
            )
    return found


def check_motion(dataset: EpisodeDataset) -> list[Finding]:
    """No jumps between frames, and no long stretch in which nothing moves."""
    found, at = [], inner_frames(dataset)
    steps = {}
    for field, severity in ((keys.EE_POSE, severity_for(dataset)), (keys.OBJ_POSE, WARNING)):
        position = np.asarray(dataset.arrays[field])[:, :3]
        steps[field] = np.linalg.norm(position[at + 1] - position[at], axis=1)
        message = f"moves more than {JUMP_M} m to the next frame"
        found += by_episode(dataset, at[steps[field] > JUMP_M], severity, "jump", message, field)
    width = np.asarray(dataset.arrays[keys.GRIPPER_WIDTH])
    still = np.zeros(dataset.num_frames, bool)
    still[at] = (np.abs(width[at + 1] - width[at]) < STILL_STEP_M) & (np.maximum(*steps.values()) < STILL_STEP_M)
    edges = np.flatnonzero(np.diff(still, prepend=False, append=False))
    stretches = [begin for begin, end in zip(edges[::2], edges[1::2]) if end - begin > STILL_FRAMES]
    message = f"nothing moves for more than {STILL_FRAMES} frames"
    return found + by_episode(dataset, np.array(stretches, int), WARNING, "still", message, keys.EE_POSE)


def check_object(dataset: EpisodeDataset) -> list[Finding]:
    """The object stays above the table and ends at the target where the episode counts as a success."""
    bounds, position = task_of(dataset.meta).data_bounds, np.asarray(dataset.arrays[keys.OBJ_POSE])[:, :3]
    succeeded = np.repeat(dataset.success, dataset.ends - dataset.starts)
    found = []
    for severity, rows in ((severity_for(dataset), succeeded), (WARNING, ~succeeded)):
        below = np.flatnonzero(rows & (position[:, 2] < bounds.lowest_z_m))
        found += by_episode(dataset, below, severity, "below_table", "the object is below the table", keys.OBJ_POSE)
    far = np.linalg.norm(position[dataset.ends - 1, :2] - dataset.target_xy, axis=1)
    for episode in np.flatnonzero(dataset.success & (far > bounds.placed_m)):
        message = f"counts as a success, but the object ends {far[episode]:.3f} m from the target"
        found.append(Finding(ERROR, "success_far", message, episode=int(episode), field=keys.SUCCESS))
    return found


def episode_digests(dataset: EpisodeDataset) -> list[bytes]:
    """A digest of poses and actions for every episode."""
    fields = [np.asarray(dataset.arrays[name]) for name in (keys.EE_POSE, keys.OBJ_POSE, keys.ACTION)]
    windows = zip(dataset.starts, dataset.ends)
    return [hashlib.sha256(b"".join(field[a:b].tobytes() for field in fields)).digest() for a, b in windows]


def check_duplicates(dataset: EpisodeDataset) -> list[Finding]:
    """No episode occurs twice."""
    first, found = {}, []
    for index, digest in enumerate(episode_digests(dataset)):
        original = first.setdefault(digest, index)
        if original != index:
            found.append(Finding(ERROR, "duplicate", f"equals episode {original}", episode=index))
    return found


def check_bytes(dataset: EpisodeDataset) -> list[Finding]:
    """The file's bytes are those that were written."""
    bad = damaged_member(dataset.path)
    return [Finding(ERROR, "checksum", "the stored checksum does not match", field=bad)] if bad else []


CHECKS = (check_quaternions, check_gripper, check_motion, check_object, check_duplicates, check_bytes)
