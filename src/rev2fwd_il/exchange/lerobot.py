"""LeRobot v3 datasets: exported with LeRobot's own code, read back from the Parquet and video files they consist of.

observation.state and action hold the hand and its commands, observation.environment_state the target (features.py), and
the column obj_pose the object, which policies ignore. What LeRobot has no place for, success and meta, lies in
meta/rev2fwd_exchange.json; LeRobot's tools drop that file when they merge or split.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from rev2fwd_il import features, keys
from rev2fwd_il.contract import Episode
from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.imported import ContentDigest, Imported, task_of
from rev2fwd_il.exchange.videos import VideoFrames
from rev2fwd_il.npz import refuse_existing
from rev2fwd_il.reversal import canonical

SIDECAR = Path("meta/rev2fwd_exchange.json")
CAMERAS = {keys.OBS_TABLE_IMAGE: keys.IMAGES, keys.OBS_WRIST_IMAGE: keys.WRIST_IMAGES}
DAMAGED = (*(OSError, KeyError, ValueError, TypeError, pa.ArrowException, RecursionError), *(IndexError, MemoryError))
SHAPES = {
    keys.OBS_STATE: len(features.STATE_NAMES),
    keys.OBS_ENVIRONMENT_STATE: len(features.ENVIRONMENT_STATE_NAMES),
    keys.ACTION: len(features.ACTION_NAMES),
}


def write(dataset: EpisodeDataset, root: Path, *, video: bool = False) -> list[str]:
    """Export every episode, failed ones too; images as PNG without loss, or as `video`. Returns notes."""
    from rev2fwd_il.learning.conversion import Source, convert
    from rev2fwd_il.learning.video_recording import record_videos

    root, notes = Path(root), []
    refuse_existing(root)
    images = all(name in dataset.arrays for name in CAMERAS.values())
    if dataset.has_images and not images:
        notes.append("images are left out: the export takes both cameras or none")
    temporary = root.with_name(f".{root.name}.{os.getpid()}.tmp")
    try:
        if video and images:
            record_videos(dataset, temporary)
            notes.append("images are compressed as video: they come back close, not equal")
        else:
            convert([Source(dataset.path)], temporary, images=images, include_failures=True, exact=True)
        exact = images and not video
        digest = ContentDigest(dataset.meta, images=exact)
        for episode in dataset:
            digest.add(episode)
        facts = {"meta": dataset.meta, "success": dataset.success.tolist(), "digest_has_images": exact}
        (temporary / SIDECAR).write_text(json.dumps(facts | {"sha256": digest.hexdigest()}, indent=1) + "\n")
        os.replace(temporary, root)
    except OSError as error:
        raise DataError(f"{root}: could not be written", found=error, do="free space or mend permissions") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return notes


def read(root: Path, task: str | None = None) -> Imported:
    """Import a dataset with the features of features.py, of this project or edited since with LeRobot's tools."""
    root = Path(root)
    try:
        info = json.loads((root / "meta/info.json").read_text())
        episodes = _rows(root / "meta/episodes")
        names = _rows(root / "meta/tasks.parquet")
        _check_features(info["features"])
        facts = json.loads((root / SIDECAR).read_text()) if (root / SIDECAR).is_file() else None
        if facts is None:
            meta = task_of({"kind": "imported", "fps": info["fps"], "parents": [str(root)]}, task or _task(names))
            success = [True] * len(episodes)
        else:
            meta, success = dict(facts["meta"]), [bool(value) for value in facts["success"]]
        if len(success) != len(episodes) or not episodes:
            raise ValueError(f"{len(episodes)} episodes, {len(success)} of them judged")
        exact = facts is None or bool(facts["digest_has_images"])
        digest = None if facts is None else str(facts["sha256"])
    except DAMAGED as error:
        raise DataError(
            f"{root}: not a LeRobot dataset of this project's features", found=repr(error), do="see docs/data.md"
        ) from None
    notes = [] if facts else ["success is not recorded: every episode counts as one"]
    if keys.OBJ_POSE not in info["features"]:
        notes.append("the object's orientation is the one of those that look alike which is nearest to the hand's")
    return Imported(root, meta, _episodes(root, info, episodes, success), notes, digest, exact)


def _check_features(table: dict) -> None:
    for key, width in (SHAPES | ({keys.OBJ_POSE: 7} if keys.OBJ_POSE in table else {})).items():
        if list(table[key]["shape"]) != [width]:
            raise ValueError(f"{key} has shape {table[key]['shape']}, expected [{width}]")


def _rows(place: Path) -> list[dict]:
    """Rows of one Parquet file, or of all in a folder, without the statistics."""
    files = sorted(place.rglob("*.parquet")) if place.is_dir() else [place]
    rows = []
    for file in files:
        wanted = [name for name in pq.read_schema(file).names if not name.startswith("stats/")]
        rows += pq.read_table(file, columns=wanted).to_pylist()
    return sorted(rows, key=lambda row: row.get("episode_index", 0))


def _task(rows: list[dict]) -> str:
    texts = {str(value) for row in rows for value in row.values()}
    found = [task for task, text in keys.TASK_TEXT.items() if text in texts]
    if len(found) != 1:
        raise ValueError(f"tasks {texts}: give --task A or --task B")
    return found[0]


def _episodes(root: Path, info: dict, rows: list[dict], success: list[bool]) -> Iterator[Episode]:
    videos = {key: VideoFrames() for key in CAMERAS if info["features"].get(key, {}).get("dtype") == "video"}
    path, table = None, None
    try:
        for row, succeeded in zip(rows, success, strict=True):
            indices = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
            wanted = root / info["data_path"].format(**indices)
            if wanted != path:
                path, table = wanted, pq.read_table(wanted)
                numbers = table["episode_index"].to_numpy()
            frames = table.slice(int(np.searchsorted(numbers, row["episode_index"])), row["length"])
            if set(frames["episode_index"].to_pylist()) != {row["episode_index"]} or len(frames) != row["length"]:
                raise ValueError(f"episode {row['episode_index']} is incomplete in {wanted.name}")
            images = _pictures(frames) | {
                CAMERAS[key]: reader.take(root, info, row, key) for key, reader in videos.items()
            }
            yield _episode(frames, images, succeeded)
    except DAMAGED as error:
        raise DataError(f"{root}: cannot be read", found=repr(error), do="get the dataset again") from None


def _episode(frames: pa.Table, images: dict[str, np.ndarray], success: bool) -> Episode:
    state, environment, action = (_vectors(frames[key], width) for key, width in SHAPES.items())
    exact = keys.OBJ_POSE in frames.column_names
    obj_pose = _vectors(frames[keys.OBJ_POSE], 7) if exact else canonical(environment[:, features.OBJECT])
    if (environment[:, features.TARGET] != environment[0, features.TARGET]).any():
        raise ValueError("the target changes within an episode")
    return Episode(
        ee_pose=state[:, :7], gripper_width=state[:, 7], obj_pose=obj_pose, action=action,
        target_xy=environment[0, features.TARGET], success=success, **images,
    )  # fmt: skip


def _vectors(column: pa.ChunkedArray, width: int) -> np.ndarray:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if flat.dtype != np.float32:
        raise ValueError(f"values are {flat.dtype}, expected float32")
    return flat.reshape(len(column), width)


def _pictures(frames: pa.Table) -> dict[str, np.ndarray]:
    """Cameras stored as PNG: field -> (T, H, W, 3)."""
    present = [key for key in CAMERAS if key in frames.column_names]
    return {
        CAMERAS[key]: np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in frames[key].to_pylist()])
        for key in present
    }
