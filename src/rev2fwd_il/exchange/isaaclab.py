"""Isaac Lab's HDF5 datasets, as its HDF5DatasetFileHandler reads them (format version 1: quaternions x-first).

    /data/demo_i/actions                       (T, 8)  what environment_cfg's action terms take: x-first pose, gripper
                 obs/ee_pose, object_pose      (T, 7)  what its observation terms give: w-first, robot-base frame
                 obs/gripper_width             (T, 1)
                 obs/object_poses              (T, K, 7)  further objects, w-first; named in meta
                 obs/images, wrist_images      (T, H, W, 3)
                 states, initial_state         poses of the objects x-first, by their names in the scene, for reset_to
                 target_xy, target_pose        (2,), (7,)  the pose w-first
                 attributes num_samples, success

Joint positions are in none of our datasets, so `initial_state` has none either: bring the end effector to
obs/ee_pose[0].
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.schema import IMAGE_FIELDS, Episode, object_names
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.demo_file import DATA, DemoFile, write_demos
from rev2fwd_il.exchange.imported import DIGEST, META, ContentDigest, Imported, with_task
from rev2fwd_il.tasks import task_of

FORMAT_VERSION = 1
ROBOT_ROOT = np.array([[0, 0, 0, 0, 0, 0, 1]], np.float32)
NOTES = ["joint positions are not recorded: initial_state has the objects and the robot's base, not the arm's posture"]


def env_args(dataset: EpisodeDataset) -> dict:
    """The environment's name, and robomimic's number for one of a kind that it does not know."""
    return {"env_name": f"Rev2Fwd-{type(task_of(dataset.meta)).__name__}", "type": 2}


def x_first(pose: np.ndarray) -> np.ndarray:
    """(T, 7 or 8), [x, y, z, qw, qx, qy, qz] to [x, y, z, qx, qy, qz, qw]; what follows stays."""
    return np.ascontiguousarray(pose[:, [0, 1, 2, 4, 5, 6, 3, *range(7, pose.shape[1])]])


def w_first(pose: np.ndarray) -> np.ndarray:
    """The inverse of `x_first`."""
    return np.ascontiguousarray(pose[:, [0, 1, 2, 6, 3, 4, 5, *range(7, pose.shape[1])]])


def write(dataset: EpisodeDataset, path: Path) -> list[str]:
    """Export; returns notes on what the format could not hold."""
    digest, names = ContentDigest(dataset.meta), object_names(dataset.meta) or []
    name = task_of(dataset.meta).object_name

    def demos() -> Iterator[tuple[dict, dict]]:
        for episode in dataset:
            digest.add(episode)
            yield _arrays(episode, name) | _further_objects(episode, names), {"success": episode.success}

    def final() -> dict:
        return {
            "env_args": json.dumps(env_args(dataset)), META: json.dumps(dataset.meta, sort_keys=True),
            DIGEST: digest.hexdigest(),
        }  # fmt: skip

    write_demos(Path(path), {"format_version": FORMAT_VERSION}, demos(), final)
    return list(NOTES)


def _arrays(episode: Episode, name: str) -> dict[str, np.ndarray]:
    out = {
        "actions": x_first(episode.action),
        "obs/ee_pose": episode.ee_pose,
        "obs/object_pose": episode.obj_pose,
        "obs/gripper_width": episode.gripper_width[:, None],
        **_object_states(name, episode.obj_pose),
        "initial_state/articulation/robot/root_pose": ROBOT_ROOT,
        "initial_state/articulation/robot/root_velocity": np.zeros((1, 6), np.float32),
        keys.TARGET_XY: episode.target_xy,
        keys.TARGET_POSE: episode.target_pose,
    }
    images = {f"obs/{name}": getattr(episode, name) for name in IMAGE_FIELDS}
    return out | {name: stack for name, stack in images.items() if stack is not None}


def _further_objects(episode: Episode, names: list[str]) -> dict[str, np.ndarray]:
    """The poses of all together, and of each as a state that Isaac Lab can set."""
    out = {} if episode.object_poses is None else {f"obs/{keys.OBJECT_POSES}": episode.object_poses}
    for index, name in enumerate(names):
        out |= _object_states(name, episode.object_poses[:, index])
    return out


def _object_states(name: str, pose: np.ndarray) -> dict[str, np.ndarray]:
    """(T, 7) w-first -> the states of one object."""
    pose = x_first(pose)
    return {
        f"states/rigid_object/{name}/root_pose": pose,
        f"initial_state/rigid_object/{name}/root_pose": pose[:1],
        f"initial_state/rigid_object/{name}/root_velocity": np.zeros((1, 6), np.float32),
    }


def read(path: Path, task: str | None = None) -> Imported:
    """Import a file with the fields above; of another maker's file the task has to be given, and maybe a target."""
    with DemoFile(path) as file:
        if (version := file.attribute("", "format_version", 0)) != FORMAT_VERSION:
            raise DataError(
                f"{path}: another version of Isaac Lab's format", expected=FORMAT_VERSION, found=version,
                do="convert it with HDF5DatasetFileHandler.convert_dataset_to_xyzw",
            )  # fmt: skip
        meta, digest = read_header(file, task)
        file.demos()
    return Imported(Path(path), meta, _episodes(path), digest=digest)


def read_header(file: DemoFile, task: str | None) -> tuple[dict, str | None]:
    """Meta and digest that an export left in the file; for other files, a meta of what is known."""
    text, digest = file.attribute(DATA, META), file.attribute(DATA, DIGEST)
    try:
        meta = {} if text is None else json.loads(text)
        if not isinstance(meta, dict) or (digest is None) != (text is None):
            raise ValueError(f"{META} or {DIGEST} is missing or no object")
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{file.path}: {META} is damaged", found=error) from None
    if text is None and task is None:
        raise DataError(f"{file.path}: does not say which task it holds", do="give it: --task A or --task B")
    if text is None:
        return with_task({"kind": "imported", "parents": [str(file.path)]}, task), None
    return meta, str(digest)


def _episodes(path: Path) -> Iterator[Episode]:
    with DemoFile(path) as file:
        for demo in file.demos():
            frames = file.attribute(f"{DATA}/{demo}", "num_samples")
            present = {*file.names(f"{DATA}/{demo}"), *file.names(f"{DATA}/{demo}/obs")}
            cameras = [name for name in IMAGE_FIELDS if name in present]
            optional = {}
            if keys.TARGET_POSE in present:
                optional[keys.TARGET_POSE] = file.read(demo, keys.TARGET_POSE, (7,), np.float32)
            if keys.OBJECT_POSES in present:
                optional[keys.OBJECT_POSES] = file.read(demo, f"obs/{keys.OBJECT_POSES}", (frames, None, 7), np.float32)
            yield Episode(
                ee_pose=file.read(demo, "obs/ee_pose", (frames, 7), np.float32),
                obj_pose=file.read(demo, "obs/object_pose", (frames, 7), np.float32),
                action=w_first(file.read(demo, "actions", (frames, 8), np.float32)),
                gripper_width=file.read(demo, "obs/gripper_width", (frames, 1), np.float32)[:, 0],
                target_xy=file.read(demo, keys.TARGET_XY, (2,), np.float32),
                success=bool(file.attribute(f"{DATA}/{demo}", "success", True)),
                **optional,
                **{name: file.read(demo, f"obs/{name}", (frames, None, None, 3), np.uint8) for name in cameras},
            )
