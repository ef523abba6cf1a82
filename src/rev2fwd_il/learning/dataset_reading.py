"""From a LeRobot dataset on disk to frames that windows are cut from."""

from pathlib import Path

import numpy as np
import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor

from rev2fwd_il import keys
from rev2fwd_il.learning.dataset_writing import REPO_ID, ROLLOUT, read_sidecar
from rev2fwd_il.learning.image_frames import decode_images
from rev2fwd_il.learning.windows import FrameStore

VECTORS = (keys.OBS_STATE, keys.OBS_ENVIRONMENT_STATE, keys.ACTION)


def load_frames(
    root: Path, images: bool = False, memory_gb: float = float("inf"), folder: Path | None = None
) -> FrameStore:
    """Read a dataset through LeRobot; images beyond `memory_gb` are mapped from files in `folder`.

    Which frames are of rollouts stands in their rows; a dataset of former code has it in its sidecar only.
    """
    dataset = LeRobotDataset(REPO_ID, root=root)
    table = dataset.hf_dataset.with_format("arrow")
    frames = {key: _vector_column(table, key) for key in VECTORS}
    if images:
        frames |= decode_images(dataset, memory_gb, folder)
    lengths = np.asarray(dataset.meta.episodes["length"])
    ends = np.cumsum(lengths)
    starts, ends = (torch.from_numpy(np.repeat(values, lengths)) for values in (ends - lengths, ends))
    per_frame = [starts, ends, _is_rollout(root, table, lengths)]
    names = {key: list(dataset.meta.features[key]["names"]) for key in VECTORS}
    return FrameStore(frames, *per_frame, names)


def _vector_column(table, key: str) -> Tensor:
    column = table.data.column(key).combine_chunks()
    return torch.from_numpy(column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).copy())


def _is_rollout(root: Path, table, lengths: np.ndarray) -> Tensor:
    if keys.ROLLOUT in table.column_names:
        return torch.from_numpy(table.data.column(keys.ROLLOUT).to_numpy().astype(bool))
    sources = read_sidecar(root)["sources"]
    by_episode = np.repeat([s["kind"] == ROLLOUT for s in sources], [s["episodes"] for s in sources])
    return torch.from_numpy(np.repeat(by_episode, lengths))
