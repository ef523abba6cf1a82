"""What is computed for the report beyond the stored metrics: which episodes belong together, and what they did."""

from collections import Counter

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.reading import Episode, EpisodeDataset
from rev2fwd_il.method.statistics import mcnemar

SAME_PLACE_M = 0.01
START_FIELDS = ("object_pose", "ee_pose", "target_pose", "object_xy", "target_xy")  # of an evaluation's rows
CONDITIONS = ("task", "seed", "horizon", "distance_threshold", "num_episodes")
WORK_SHARING = ("evaluation.num_envs", "evaluation.num_processes", "evaluation.videos", "evaluation.video_size")


def reversal_of(episode: Episode, candidates: EpisodeDataset) -> int | None:
    """Index of the candidate whose object starts and ends where that of `episode` ended and started; None if none.

    Reversal drops episodes, so that numbers do not agree.
    """
    positions = np.asarray(candidates.arrays[keys.OBJ_POSE])[:, :3]
    ends = np.stack([positions[candidates.starts], positions[candidates.ends - 1]])
    distance = np.linalg.norm(ends - episode.obj_pose[[-1, 0], None, :3], axis=-1).max(axis=0)
    best = int(distance.argmin())
    return best if distance[best] < SAME_PLACE_M else None


def worst_replay(outcomes: list[dict]) -> int:
    """Index of the replay that ended farthest from the target, a failure before any success."""
    return max(range(len(outcomes)), key=lambda i: (not outcomes[i]["success"], outcomes[i]["final_error_m"]))


def gripper_events(episode: Episode) -> list[tuple[int, str]]:
    """(frame, "open" | "close") wherever the commanded gripper changes."""
    label = episode.action[:, 7]
    frames = np.flatnonzero(np.diff(np.sign(label))) + 1
    return [(int(frame), "open" if label[frame] > 0 else "close") for frame in frames]


def final_errors_m(dataset: EpisodeDataset) -> np.ndarray:
    """(E,): xy distance of the object from its target at the end of each episode [m]."""
    last = np.asarray(dataset.arrays[keys.OBJ_POSE])[dataset.ends - 1, :2]
    return np.linalg.norm(last - dataset.target_xy, axis=1)


def count_chain_lengths(metrics: dict) -> dict[int, int]:
    """Consecutive successes -> how many chains of an alternating test had so many, ascending."""
    return dict(sorted(Counter((metrics.get("consecutive_success") or {}).get("per_chain") or []).items()))


def count_chain_endings(metrics: dict) -> Counter:
    """What ended the chains of an alternating test: "max_cycles" or TASK:KIND_OF_FAILURE -> number of chains."""
    return Counter(chain.get("ended_by", "unknown") for chain in metrics.get("chains") or [])


def paired_test(first: dict | None, second: dict | None) -> dict | None:
    """McNemar test of two evaluations; None unless their episodes started alike in every respect.

    Alike are the task, the seed, the tolerance, the longest episode, all settings but the policy's, and of each episode
    the poses of object, end effector and target. Evaluations of former versions hold only xy of object and target: for
    these, the record of seed and settings has to stand for the rest.
    """
    before, after = ((metrics or {}).get("episodes") or [] for metrics in (first, second))
    if not before or len(before) != len(after) or _conditions(first) != _conditions(second):
        return None
    recorded = [field for field in START_FIELDS if all(field in row for row in (*before, *after))]
    complete = {"object_pose", "ee_pose"} <= {*recorded} or bool((first.get("made_by") or {}).get("settings"))
    if not complete or any(one.get(field) != two.get(field) for one, two in zip(before, after) for field in recorded):
        return None
    return mcnemar([row["success"] for row in before], [row["success"] for row in after])


def _conditions(metrics: dict) -> dict:
    """What an evaluation's episodes have in common, other than the policy and how its work was shared out."""
    record = metrics.get("made_by") or {}
    settings = {
        key: value for key, value in (record.get("settings") or {}).items()
        if not key.startswith("policy.") and key not in WORK_SHARING
    }  # fmt: skip
    return {name: metrics.get(name) for name in CONDITIONS} | {"kind": record.get("kind")} | settings
