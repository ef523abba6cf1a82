"""Every image of a LeRobot dataset, decoded once: in memory or, where that would be too much, in a mapped file.

Windows are read from either by index, with the same result. The file lies in the run's folder, outside what the
workflow declares, is shared by all processes of a training, and goes with the snapshot when the training is finished.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor

from rev2fwd_il.running.files import put_in_place, remove, temporary_beside

GB = 10**9
BLOCK_BYTES = 2**26  # images are decoded in blocks of about this size


def decode_images(dataset: LeRobotDataset, memory_gb: float, folder: Path | None) -> dict[str, Tensor]:
    """Feature -> (N, H, W, 3) uint8, for every camera.

    All in memory where they take at most `memory_gb` or there is no `folder`; else mapped from files in it.
    """
    shapes = {key: (len(dataset.hf_dataset), *dataset.meta.features[key]["shape"]) for key in dataset.meta.image_keys}
    total = sum(int(np.prod(shape)) for shape in shapes.values())
    if folder is None or total <= memory_gb * GB:
        return {key: torch.from_numpy(_fill(np.empty(shape, np.uint8), dataset, key)) for key, shape in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    return {key: torch.from_numpy(_mapped(folder, shape, dataset, key)) for key, shape in shapes.items()}


def _mapped(folder: Path, shape: tuple[int, ...], dataset: LeRobotDataset, key: str) -> np.ndarray:
    """The images in a file, which an interrupted training over the same data may have left behind."""
    path = folder / f"{key}_{_digest(dataset)}.npy"
    if not path.exists():
        temporary = temporary_beside(path)
        try:
            _fill(np.lib.format.open_memmap(temporary, "w+", np.uint8, shape), dataset, key).flush()
            put_in_place(temporary, path)
        finally:
            remove(temporary)
    return np.lib.format.open_memmap(path, "r+")  # torch takes no read-only arrays


def _fill(images: np.ndarray, dataset: LeRobotDataset, key: str) -> np.ndarray:
    column = dataset.hf_dataset.select_columns([key]).with_format("numpy")
    rows = max(1, BLOCK_BYTES // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), rows):
        images[start : start + rows] = np.stack(column[start : start + rows][key])
    return images


def _digest(dataset: LeRobotDataset) -> str:
    """Of the data files' names and sizes and of the dataset's description: other data, another file."""
    files = sorted((Path(dataset.root) / "data").rglob("*.parquet"))
    what = [(str(file.relative_to(dataset.root)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
