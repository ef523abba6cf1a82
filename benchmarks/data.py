"""Writing and reading data: conversion, memory while collecting, random windows of a large file."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import RESULTS, Effort, Row, run_script, seconds

DEMONSTRATIONS = Path(__file__).parents[1] / "tests" / "files" / "demonstrations_B.npz"
WINDOWS, WINDOW_FRAMES, IMAGE_PX = 64, 16, 96


def conversion(effort: Effort) -> list[Row]:
    """State frames to LeRobot v3, ours against LeRobot's recorder; what is read back has to be equal."""
    frames = effort.pick(20_000, 1_000)
    row = Row(f"conversion of {frames} state frames to LeRobot v3", "`add_frame`, `save_episode`", "≥ 5", "frames/s")
    with tempfile.TemporaryDirectory() as folder:
        source, ours, theirs = (Path(folder) / name for name in ("B.npz", "ours", "theirs"))
        count = tiled(source, frames)
        _convert(DEMONSTRATIONS, Path(folder) / "untimed")  # what is imported
        for repetition in effort.at_most(3):
            mine, other = Path(f"{ours}{repetition}"), Path(f"{theirs}{repetition}")
            row.ours.append(count / seconds(lambda out=mine: _convert(source, out)))
            row.theirs.append(count / seconds(lambda out=other, like=mine: _record(like, out)))
            _check_equal(mine, other)
    row.note = "equal when read back"
    return [row]


def memory(effort: Effort) -> list[Row]:
    """Peak memory of the collecting process."""
    many, few, num_envs = effort.pick((400, 40, 40), (8, 4, 4))
    row = Row(f"peak memory while collecting {many} episodes with images", f"collecting {few}", "≤ 1.15", "MB")

    def peak(episodes: int) -> float:
        with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
            size = ["--num_episodes", episodes, "--num_envs", num_envs, "--headless"]
            process = run_script("1_collect_data_pick_place.py", "--out", Path(folder) / "B.npz", *size)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise RuntimeError("collecting failed: see above")
            return usage.ru_maxrss / 1024

    return [row.measure(effort.at_most(1), lambda: peak(many), lambda: peak(few))]


def windows(effort: Effort) -> list[Row]:
    """Random windows against reading everything, both from a cold page cache."""
    size = effort.pick(2.0, 0.05)
    what = f"reading {WINDOWS} random windows of {WINDOW_FRAMES} frames from a {size:g} GB NPZ"
    row = Row(what, "loading the file", "≤ 0.05", "s")
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        path = Path(folder) / "big.npz"
        tiled(path, int(size * 1e9 / (2 * 3 * IMAGE_PX**2)), images=True)
        _read(path, _windows)  # what is imported
        return [row.measure(range(effort.repetitions), lambda: _read(path, _windows), lambda: _read(path, _load))]


ROWS = {"conversion": conversion, "memory": memory, "windows": windows}


def tiled(path: Path, frames: int, images: bool = False) -> int:
    """Repeat the shipped demonstrations until there are `frames` frames; returns how many there are.

    Each repetition lies a tenth of a millimetre further from the robot, since equal episodes are refused.
    """
    from rev2fwd_il import keys
    from rev2fwd_il.data.reading import EpisodeDataset, write_npz

    source = EpisodeDataset(DEMONSTRATIONS)
    times = -(-frames // source.num_frames)
    left_out = (keys.META, keys.EPISODE_ENDS, keys.IMAGES, keys.WRIST_IMAGES)
    arrays = {name: np.concatenate([array] * times) for name, array in source.arrays.items() if name not in left_out}
    arrays[keys.EPISODE_ENDS] = np.concatenate([source.ends + i * source.num_frames for i in range(times)])
    for name in (keys.EE_POSE, keys.OBJ_POSE, keys.ACTION, keys.TARGET_XY, keys.TARGET_POSE):
        further = np.arange(times, dtype=np.float32) * 1e-4  # [m]
        arrays[name][:, 0] += np.repeat(further, len(arrays[name]) // times)
    if images:
        image = np.random.default_rng(0).integers(0, 255, (1, IMAGE_PX, IMAGE_PX, 3), np.uint8)
        every = np.broadcast_to(image, (times * source.num_frames, *image.shape[1:]))
        arrays |= {keys.IMAGES: every, keys.WRIST_IMAGES: every}
    write_npz(path, arrays, source.meta)
    return times * source.num_frames


def _convert(source: Path, out: Path) -> None:
    from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset

    write_lerobot_dataset([Source(source)], out, include_failures=True)


def _record(like: Path, out: Path) -> None:
    """The frames of a dataset, recorded with LeRobot's own recorder."""
    from lerobot.datasets import LeRobotDataset
    from lerobot.utils.constants import DEFAULT_FEATURES

    from rev2fwd_il.learning.dataset_writing import DEFAULT_FPS, REPO_ID

    source = LeRobotDataset(REPO_ID, root=like)
    features = {name: feature for name, feature in source.features.items() if name not in DEFAULT_FEATURES}
    table = source.hf_dataset.with_format("numpy")[:]
    columns = {name: table[name].reshape(-1, *feature["shape"]) for name, feature in features.items()}
    task, episode = source.meta.tasks.index[0], table["episode_index"]
    last = np.append(episode[1:] != episode[:-1], True)
    recorded = LeRobotDataset.create(REPO_ID, DEFAULT_FPS, features, root=out, use_videos=False)
    for frame in range(len(episode)):
        recorded.add_frame({name: values[frame] for name, values in columns.items()} | {"task": task})
        if last[frame]:
            recorded.save_episode()
    recorded.finalize()


def _check_equal(ours: Path, theirs: Path) -> None:
    from lerobot.datasets import LeRobotDataset

    from rev2fwd_il.learning.dataset_writing import REPO_ID

    mine, other = (LeRobotDataset(REPO_ID, root=root).hf_dataset.with_format("numpy")[:] for root in (ours, theirs))
    for name in other:
        np.testing.assert_array_equal(mine[name], other[name], err_msg=name)


def _read(path: Path, reader) -> float:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.perf_counter()
    reader(path)
    return time.perf_counter() - started


def _load(path: Path) -> None:
    with np.load(path) as archive:
        _ = {name: archive[name] for name in archive.files}


def _windows(path: Path) -> None:
    from rev2fwd_il.data.reading import EpisodeDataset

    dataset = EpisodeDataset(path)
    for start in np.random.default_rng(0).integers(0, dataset.num_frames - WINDOW_FRAMES, WINDOWS):
        dataset.frames(start, start + WINDOW_FRAMES)
