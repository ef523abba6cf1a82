"""robomimic's HDF5 datasets, as its SequenceDataset reads them.

/data/demo_i/actions                       (T, 8)  the contract's action: w-first pose, gripper
             obs/ee_pose, obj_pose         (T, 7)  w-first
             obs/gripper_width, target_xy  (T, 1), (T, 2)
             obs/target_pose               (T, 7)  w-first
             obs/object_poses              (T, 7 K)  further objects side by side, w-first; named in meta
             obs/images, wrist_images      (T, H, W, 3)
             rewards, dones                (T,)    1 at the last frame (of a success; of any demo)
/mask/success                              the demos that succeeded, a filter key
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.schema import IMAGE_FIELDS, Episode
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.demo_file import DATA, DemoFile, write_demos
from rev2fwd_il.exchange.imported import DIGEST, META, ContentDigest, Imported
from rev2fwd_il.exchange.isaaclab import env_args, read_header

NOTES = [
    "next_obs is not written: set train.hdf5_load_next_obs to false",
    "actions are metres and quaternions, not scaled to [-1, 1]: robomimic has to normalise them",
    "simulator states are not recorded: robomimic cannot replay these demos in an environment of its own",
]


def write(dataset: EpisodeDataset, path: Path) -> list[str]:
    """Export; returns notes on what the format could not hold."""
    digest, masks = ContentDigest(dataset.meta), {"success": []}

    def demos() -> Iterator[tuple[dict, dict]]:
        for index, episode in enumerate(dataset):
            digest.add(episode)
            if episode.success:
                masks["success"].append(f"demo_{index}")
            yield _arrays(episode), {"success": episode.success}

    def final() -> dict:
        if not masks["success"]:
            masks.clear()
        return {
            "env_args": json.dumps(env_args(dataset) | {"env_kwargs": {}}),
            META: json.dumps(dataset.meta, sort_keys=True),
            DIGEST: digest.hexdigest(),
        }

    write_demos(Path(path), {}, demos(), final, masks)
    return list(NOTES)


def _arrays(episode: Episode) -> dict[str, np.ndarray]:
    last = np.zeros(len(episode), np.float32)
    last[-1] = 1
    out = {
        "actions": episode.action,
        "rewards": last * episode.success,
        "dones": last,
        "obs/ee_pose": episode.ee_pose,
        "obs/obj_pose": episode.obj_pose,
        "obs/gripper_width": episode.gripper_width[:, None],
        "obs/target_xy": np.tile(episode.target_xy, (len(episode), 1)),
        "obs/target_pose": np.tile(episode.target_pose, (len(episode), 1)),
    }
    if episode.object_poses is not None:
        out["obs/object_poses"] = episode.object_poses.reshape(len(episode), -1)
    images = {f"obs/{name}": getattr(episode, name) for name in IMAGE_FIELDS}
    return out | {name: stack for name, stack in images.items() if stack is not None}


def read(path: Path, task: str | None = None) -> Imported:
    """Import a file with the fields above; of another maker's file the task has to be given."""
    with DemoFile(path) as file:
        meta, digest = read_header(file, task)
        file.demos()
    return Imported(Path(path), meta, _episodes(path), digest=digest)


def _episodes(path: Path) -> Iterator[Episode]:
    with DemoFile(path) as file:
        for demo in file.demos():
            frames = file.attribute(f"{DATA}/{demo}", "num_samples")
            present = file.names(f"{DATA}/{demo}/obs")
            cameras = [name for name in IMAGE_FIELDS if name in present]
            optional = {}
            if keys.TARGET_POSE in present:
                optional[keys.TARGET_POSE] = _target(file, demo, keys.TARGET_POSE, (frames, 7))
            if keys.OBJECT_POSES in present:
                poses = file.read(demo, f"obs/{keys.OBJECT_POSES}", (frames, None), np.float32)
                if poses.shape[1] % 7:
                    raise DataError(f"{path}: object_poses of {demo}", expected="(T, 7 K)", found=poses.shape)
                optional[keys.OBJECT_POSES] = poses.reshape(len(poses), -1, 7)
            yield Episode(
                ee_pose=file.read(demo, "obs/ee_pose", (frames, 7), np.float32),
                obj_pose=file.read(demo, "obs/obj_pose", (frames, 7), np.float32),
                action=file.read(demo, "actions", (frames, 8), np.float32),
                gripper_width=file.read(demo, "obs/gripper_width", (frames, 1), np.float32)[:, 0],
                target_xy=_target(file, demo, keys.TARGET_XY, (frames, 2)),
                success=bool(file.attribute(f"{DATA}/{demo}", "success", True)),
                **optional,
                **{name: file.read(demo, f"obs/{name}", (frames, None, None, 3), np.uint8) for name in cameras},
            )


def _target(file: DemoFile, demo: str, name: str, shape: tuple) -> np.ndarray:
    """The one row that is the same in all frames."""
    rows = file.read(demo, f"obs/{name}", shape, np.float32)
    if not len(rows) or (rows != rows[0]).any():
        raise DataError(f"{file.path}: {name} of {demo} changes", expected="one target an episode")
    return rows[0]
