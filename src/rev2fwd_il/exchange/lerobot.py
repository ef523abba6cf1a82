"""LeRobot v3 datasets: exported with LeRobot's own code, read back from the Parquet and video files they consist of.

observation.state and action hold the end effector and its commands, observation.environment_state the target, and the
columns obj_pose, target_pose and object_poses (7 K wide) the object, its target and further objects, which policies
ignore, as they do success and rollout (whether a policy acted). What LeRobot has no place for, meta and a digest, lies
in meta/rev2fwd_exchange.json; LeRobot's tools drop that file when they merge, split or delete.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from rev2fwd_il import keys, tasks
from rev2fwd_il.config.task import DEFAULT_KIND, KINDS, task_class
from rev2fwd_il.data.npz import refuse_existing
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.schema import Episode
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.imported import ContentDigest, Imported, with_task
from rev2fwd_il.exchange.lerobot_files import DAMAGED, inside, rows
from rev2fwd_il.exchange.videos import VideoFrames
from rev2fwd_il.method.reversal import canonical
from rev2fwd_il.running.files import put_in_place, remove, temporary_beside
from rev2fwd_il.running.provenance import by_policy
from rev2fwd_il.tasks import observation
from rev2fwd_il.tasks.task import Task

SIDECAR = Path("meta/rev2fwd_exchange.json")
CAMERAS = {keys.OBS_TABLE_IMAGE: keys.IMAGES, keys.OBS_WRIST_IMAGE: keys.WRIST_IMAGES}
EXACT_COLUMNS = (keys.OBJ_POSE, keys.TARGET_POSE, keys.OBJECT_POSES)
SHAPES = {
    keys.OBS_STATE: len(observation.STATE_NAMES),
    keys.OBS_ENVIRONMENT_STATE: None,  # the task's
    keys.ACTION: len(observation.ACTION_NAMES),
}


def write(dataset: EpisodeDataset, root: Path, *, video: bool = False) -> list[str]:
    """Export every episode, failed ones too; images as PNG without loss, or as `video`. Returns notes."""
    from rev2fwd_il.learning.dataset_writing import ORIGINAL, ROLLOUT, Source, write_lerobot_dataset
    from rev2fwd_il.learning.video_recording import record_videos

    root, notes = Path(root), []
    refuse_existing(root)
    images = all(name in dataset.arrays for name in CAMERAS.values())
    if dataset.has_images and not images:
        notes.append("images are left out: the export takes both cameras or none")
    temporary = temporary_beside(root)
    try:
        if video and images:
            record_videos(dataset, temporary)
            notes.append("images are compressed as video: they come back close, not equal")
        else:
            source = Source(dataset.path, ROLLOUT if by_policy(dataset.meta) else ORIGINAL)
            write_lerobot_dataset(
                [source], temporary, images=images, include_failures=True, exact=True, allow_no_rollouts=True
            )
        exact = images and not video
        digest = ContentDigest(dataset.meta, images=exact)
        for episode in dataset:
            digest.add(episode)
        facts = {"meta": dataset.meta, "success": dataset.success.tolist(), "digest_has_images": exact}
        (temporary / SIDECAR).write_text(json.dumps(facts | {"sha256": digest.hexdigest()}, indent=1) + "\n")
        put_in_place(temporary, root)
    except OSError as error:
        raise DataError(f"{root}: could not be written", found=error, do="free space or fix permissions") from None
    finally:
        remove(temporary)
    return notes


def read(root: Path, task: str | None = None) -> Imported:
    """Import a dataset with this project's features, of this project or edited since with LeRobot's tools."""
    root = Path(root)
    try:
        info = json.loads(inside(root, "meta/info.json").read_text())
        episodes = rows(root, "meta/episodes")
        names = rows(root, "meta/tasks.parquet")
        _check_features(info["features"])
        facts = json.loads(inside(root, SIDECAR).read_text()) if (root / SIDECAR).is_file() else None
        if facts is None:
            known = {"kind": "imported", "fps": info["fps"], "parents": [str(root)]} | _object_names(info["features"])
            kind, direction = _task(names)
            if not (task or direction):
                raise ValueError("instructions of another task: give --task A or --task B")
            known |= {"by_policy": True} if _any_rollout(root, info["features"]) else {}
            meta = with_task(known | {"task_settings": {"kind": kind}}, task or direction)
            success = None
        else:
            meta, success = dict(facts["meta"]), [bool(value) for value in facts["success"]]
        if not episodes or (success is not None and len(success) != len(episodes)):
            raise ValueError(f"{len(episodes)} episodes, {len(success or [])} of them judged")
        exact = facts is None or bool(facts["digest_has_images"])
        digest = None if facts is None else str(facts["sha256"])
    except DAMAGED as error:
        raise DataError(
            f"{root}: not a LeRobot dataset of this project's features", found=repr(error), do="see docs/data.md"
        ) from None
    judged = facts or keys.SUCCESS in info["features"]
    notes = [] if judged else ["success is not recorded: every episode counts as one"]
    if keys.OBJ_POSE not in info["features"]:
        notes.append(
            "the object's orientation is the one of those that look alike which is nearest to the end effector's"
        )
    return Imported(root, meta, _episodes(root, info, episodes, success, tasks.task_of(meta)), notes, digest, exact)


def _check_features(table: dict) -> None:
    exact = {key: 7 for key in (keys.OBJ_POSE, keys.TARGET_POSE) if key in table}
    for key, width in (SHAPES | exact).items():
        if list(table[key]["shape"]) != [width or len(table[key]["names"])]:
            raise ValueError(f"{key} has shape {table[key]['shape']}, expected [{width}]")


def _object_names(table: dict) -> dict:
    """The names of further objects, which are in those of their column: tray.x, tray.y, ..."""
    if keys.OBJECT_POSES not in table:
        return {}
    return {keys.OBJECT_NAMES: [name.removesuffix(".x") for name in table[keys.OBJECT_POSES]["names"][::7]]}


def _any_rollout(root: Path, table: dict) -> bool:
    """Whether a policy acted in an episode, as the rows say it."""
    files = sorted((root / "data").rglob("*.parquet")) if keys.ROLLOUT in table else []
    columns = (pq.read_table(inside(root, file.relative_to(root)), columns=[keys.ROLLOUT]) for file in files)
    return any(True in column[keys.ROLLOUT].to_pylist() for column in columns)


def _task(rows: list[dict]) -> tuple[str, str | None]:
    """Kind and direction of the task whose instruction the dataset holds; the default kind where it is another's."""
    texts = {str(value) for row in rows for value in row.values()}
    known = [(kind, *item) for kind in KINDS for item in task_class(kind).texts.items()]
    found = [(kind, direction) for kind, direction, text in known if text in texts]
    return found[0] if len(found) == 1 else (DEFAULT_KIND, None)


def _episodes(root: Path, info: dict, rows: list[dict], success: list[bool] | None, task: Task) -> Iterator[Episode]:
    videos = {key: VideoFrames() for key in CAMERAS if info["features"].get(key, {}).get("dtype") == "video"}
    path, table = None, None
    try:
        for row, given in zip(rows, success or [None] * len(rows), strict=True):
            indices = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
            wanted = inside(root, info["data_path"].format(**indices))
            if wanted != path:
                path, table = wanted, pq.read_table(wanted)
                numbers = table["episode_index"].to_numpy()
            frames = table.slice(int(np.searchsorted(numbers, row["episode_index"])), row["length"])
            if set(frames["episode_index"].to_pylist()) != {row["episode_index"]} or len(frames) != row["length"]:
                raise ValueError(f"episode {row['episode_index']} is incomplete in {wanted.name}")
            images = _stored_images(frames) | {
                CAMERAS[key]: reader.take(root, info, row, key) for key, reader in videos.items()
            }
            yield _episode(frames, images, _succeeded(frames) if given is None else given, task)
    except DAMAGED as error:
        raise DataError(f"{root}: cannot be read", found=repr(error), do="get the dataset again") from None


def _succeeded(frames: pa.Table) -> bool:
    """What the rows of an episode say; True where they say nothing."""
    return keys.SUCCESS not in frames.column_names or bool(frames[keys.SUCCESS][0].as_py())


def _episode(frames: pa.Table, images: dict[str, np.ndarray], success: bool, task: Task) -> Episode:
    state, environment, action = (_vectors(frames[key], width or -1) for key, width in SHAPES.items())
    observed, targets = task.parse_environment_state(environment)
    exact = {key: _vectors(frames[key]) for key in EXACT_COLUMNS if key in frames.column_names}
    obj_pose = exact.get(keys.OBJ_POSE, canonical(observed))
    target_pose, others = exact.get(keys.TARGET_POSE), exact.get(keys.OBJECT_POSES)
    for target in (targets, target_pose):
        if target is not None and (target != target[0]).any():
            raise ValueError("the target changes within an episode")
    return Episode(
        ee_pose=state[:, :7], gripper_width=state[:, 7], obj_pose=obj_pose, action=action,
        target_xy=targets[0, :2], success=success,
        target_pose=None if target_pose is None else target_pose[0],
        object_poses=None if others is None else others.reshape(len(frames), -1, 7), **images,
    )  # fmt: skip


def _vectors(column: pa.ChunkedArray, width: int = -1) -> np.ndarray:
    """(T, width) float32."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if flat.dtype != np.float32:
        raise ValueError(f"values are {flat.dtype}, expected float32")
    return flat.reshape(len(column), width)


def _stored_images(frames: pa.Table) -> dict[str, np.ndarray]:
    """Cameras stored as PNG: field -> (T, H, W, 3)."""
    present = [key for key in CAMERAS if key in frames.column_names]
    return {
        CAMERAS[key]: np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in frames[key].to_pylist()])
        for key in present
    }
