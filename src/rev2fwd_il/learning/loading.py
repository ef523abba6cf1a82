"""From a LeRobot dataset on disk to frames in memory."""

from pathlib import Path

import numpy as np
import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor

from rev2fwd_il import keys
from rev2fwd_il.learning.conversion import REPO_ID, ROLLOUT, read_sidecar
from rev2fwd_il.learning.windows import FrameStore

VECTORS = (keys.OBS_STATE, keys.OBS_ENVIRONMENT_STATE, keys.ACTION)


def load_frames(root: Path, images: bool = False) -> FrameStore:
    """Read a dataset through LeRobot; images are decoded once and kept as uint8."""
    sidecar = read_sidecar(root)
    dataset = LeRobotDataset(REPO_ID, root=root)
    table = dataset.hf_dataset.with_format("arrow")
    frames = {key: _vector_column(table, key) for key in VECTORS}
    if images:
        decoded = dataset.hf_dataset.with_format("numpy")
        frames |= {key: torch.from_numpy(np.stack(decoded[:][key])) for key in dataset.meta.image_keys}
    lengths = np.asarray(dataset.meta.episodes["length"])
    ends = np.cumsum(lengths)
    rollout = np.repeat([s["kind"] == ROLLOUT for s in sidecar["sources"]], [s["episodes"] for s in sidecar["sources"]])
    per_frame = [torch.from_numpy(np.repeat(values, lengths)) for values in (ends - lengths, ends, rollout)]
    return FrameStore(frames, *per_frame)


def _vector_column(table, key: str) -> Tensor:
    column = table.data.column(key).combine_chunks()
    return torch.from_numpy(column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).copy())
