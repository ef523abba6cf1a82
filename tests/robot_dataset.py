"""A LeRobot dataset of another robot, recorded with LeRobot's own recorder: three joints and a gripper that lags."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from lerobot.datasets import LeRobotDataset

from rev2fwd_il.running.processes import scheduling_restored

JOINTS = ["shoulder.pos", "elbow.pos", "wrist.pos"]
LAG, DWELL, TEXT = 3, 8, "put the cube into the box"
CAMERA = "observation.images.front"


def make_motion(seed: int) -> dict[str, np.ndarray]:
    """Reach, dwell and close, carry, dwell and open, leave: (T, D) float32 by feature."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-1, 1, (4, len(JOINTS)))
    joints, labels = [], []
    for leg, (start, end) in enumerate(pairwise(places)):
        ramp = (1 - np.cos(np.linspace(0, np.pi, 20 + 5 * leg))) / 2
        joints += list(start + (end - start) * ramp[:, None]) + [end] * (2 * DWELL if leg < 2 else 0)
        labels += [100.0 if leg != 1 else 2.0] * len(ramp)
        labels += ([100.0] * DWELL + [2.0] * DWELL if leg == 0 else [2.0] * DWELL + [100.0] * DWELL) if leg < 2 else []
    joints, command = np.array(joints), np.array(labels)
    delayed = np.concatenate([np.full(LAG, command[0]), command])[: len(command)]
    opening = np.where(delayed > 50, 98.0, 30.0)  # stalls at the object
    following = np.concatenate([joints[1:], joints[-1:]])
    return {
        "observation.state": np.column_stack([joints, opening]).astype(np.float32),
        "action": np.column_stack([following, command]).astype(np.float32),
        "observation.velocity": np.gradient(joints, axis=0).astype(np.float32) * 30,
        "object_height": np.full((len(joints), 1), 0.02, np.float32),
    }


def make_pictures(seed: int, count: int, size: int = 64) -> np.ndarray:
    """(T, size, size, 3) uint8: a bright square that moves over a still texture."""
    view = np.tile(np.random.default_rng(seed).integers(60, 120, (size, size, 3), np.uint8), (count, 1, 1, 1))
    for t in range(count):
        column = int(t / count * (size - 16))
        view[t, 20:36, column : column + 16] = (250, 250 - seed, int(t * 255 / count))
    return view


def features(pictures: str | None = None, names=JOINTS) -> dict:
    """LeRobot's feature table; `pictures` is "image" or "video"."""
    vector = {"dtype": "float32", "shape": (4,), "names": {"motors": [*names, "gripper.pos"]}}
    table = {"observation.state": vector, "action": vector}
    table["observation.velocity"] = {"dtype": "float32", "shape": (3,), "names": [f"{name}.vel" for name in names]}
    table["object_height"] = {"dtype": "float32", "shape": (1,), "names": ["z"]}
    table["next.done"] = {"dtype": "bool", "shape": (1,), "names": None}
    if pictures:
        table[CAMERA] = {"dtype": pictures, "shape": (64, 64, 3), "names": ["height", "width", "channels"]}
    return table


def record(root: Path, pictures: str | None = None, episodes: int = 3, table: dict | None = None) -> Path:
    """Record it, and return its folder."""
    table = table or features(pictures)
    dataset = LeRobotDataset.create("local/arm", 30, table, root=root, robot_type="arm", use_videos=pictures == "video")
    for seed in range(episodes):
        motion = make_motion(seed)
        count = len(motion["action"])
        views = make_pictures(seed, count) if pictures else None
        for t in range(count):
            frame = {key: values[t] for key, values in motion.items() if key in table}
            frame |= {"next.done": np.array([t == count - 1])} if "next.done" in table else {}
            frame |= {CAMERA: views[t]} if pictures else {}
            dataset.add_frame(frame | {"task": TEXT})
        with scheduling_restored():  # which the video encoder changes
            dataset.save_episode(parallel_encoding=False)
    dataset.finalize()
    return root
