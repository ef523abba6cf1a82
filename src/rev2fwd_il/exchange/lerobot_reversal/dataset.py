"""From the folder of a LeRobot dataset to that of its reversal, and a report beside it.

Numbers are read twice, before anything is written: once to check every frame and to see what the grippers do, once to
survey it (and to replay it, where it is to be proven). Then episodes are written one at a time, so that memory does not
grow with the dataset. Images stored as PNG stay the bytes they are; videos are decoded backward and encoded once.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pyarrow as pa

from rev2fwd_il.config.lerobot_reversal import ReversalFeatures
from rev2fwd_il.data.npz import refuse_existing
from rev2fwd_il.errors import ConfigError, DataError
from rev2fwd_il.exchange.lerobot_files import DAMAGED
from rev2fwd_il.exchange.lerobot_reversal.frames import Frames, reverse_frames
from rev2fwd_il.exchange.lerobot_reversal.roles import BOOKKEEPING, find_roles, is_numeric
from rev2fwd_il.exchange.lerobot_reversal.source import LeRobotSource, open_source
from rev2fwd_il.exchange.lerobot_reversal.survey import Survey, doubts, measure
from rev2fwd_il.exchange.videos import frames_backward
from rev2fwd_il.running.files import put_in_place, remove, temporary_beside


class LeRobotReversal:
    """A dataset opened and surveyed: `frames` gives its episodes backward, `write` writes them."""

    def __init__(self, root: Path, spec: ReversalFeatures, text: str | None = None):
        """`text` is that of every reversed task that `spec` gives none. Raises DataError, ConfigError."""
        self.source = open_source(root)
        if depth := [key for key, f in self.source.features.items() if (f.get("info") or {}).get("is_depth_map")]:
            raise DataError(
                f"{root}: depth maps are not reversed", found=", ".join(depth),
                do="remove them with lerobot-edit-dataset: --operation.type=remove_feature",
            )  # fmt: skip
        self.roles = find_roles(self.source.features, spec)
        self._texts = _texts(self.source, spec, text)
        numeric = [key for key, feature in self.source.features.items() if is_numeric(feature)]
        self._numeric = [key for key in numeric if key not in BOOKKEEPING]
        self._survey = Survey(self.roles, self.source.fps, measure(self._forward(), self.roles))
        for frames in self._forward():
            self._survey.add(frames)

    def frames(self) -> Iterator[Frames]:
        """The numbers of each episode, backward."""
        return (self._backward(frames) for frames in self._forward())

    def report(self) -> dict:
        """What was read from the names, what was measured, and what probably does not reverse."""
        return {
            "episodes": len(self.source.episodes),
            "frames": self.source.info["total_frames"],
            "fps": self.source.fps,
            "doubts": doubts(self._survey),
            "roles": self.roles.to_dict(),
            "gripper_lead_steps": {str(gripper.command): n for gripper, n in self._survey.lead_steps().items()},
            "command_leads": self._survey.command_leads(),
            "by_episode": self._survey.episodes,
        }

    def write(self, out: Path, kept: list[bool] | None = None) -> None:
        """Write the episodes that are kept, all unless told otherwise, to the new folder `out`, whole or not at all."""
        from rev2fwd_il.learning.table_dataset import TableDataset

        refuse_existing(out)
        temporary = temporary_beside(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        features = {key: f for key, f in self.source.features.items() if key not in (*self.roles.dropped, *BOOKKEEPING)}
        try:
            with TableDataset(temporary, self.source.info, features) as dataset:
                for row, table in zip(self.source.episodes, self.source.tables(), strict=True):
                    if kept is None or kept[row["episode_index"]]:
                        self._add(dataset, features, row, table)
            put_in_place(temporary, out)
        finally:
            remove(temporary)

    def _add(self, dataset, features: dict, row: dict, table: pa.Table) -> None:
        backward = table.take(np.arange(len(table))[::-1])
        columns = {name: backward[name] for name in backward.column_names if name in features}
        columns |= {key: _stored(values) for key, values in self._backward(self._numbers(table)).items()}
        cameras = [key for key, feature in features.items() if feature["dtype"] == "video"]
        videos = {key: self._video(row, key) for key in cameras}
        dataset.add(columns, videos, self._texts[table["task_index"][0].as_py()])

    def _video(self, row: dict, key: str) -> Iterator[av.VideoFrame]:
        try:
            yield from frames_backward(self.source.root, self.source.info, row, key)
        except (*DAMAGED, av.FFmpegError) as error:
            raise DataError(
                f"{self.source.root}: the video {key} of episode {row['episode_index']} cannot be read",
                found=error, do="delete the episode with lerobot-edit-dataset, or get the dataset again",
            ) from None  # fmt: skip

    def _forward(self) -> Iterator[Frames]:
        return (self._numbers(table) for table in self.source.tables(self._numeric))

    def _numbers(self, table: pa.Table) -> Frames:
        frames = {key: _matrix(table[key], int(self.source.features[key]["shape"][0])) for key in self._numeric}
        for key, values in frames.items():
            if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
                raise DataError(
                    f"{self.source.root}: {key} of episode {table['episode_index'][0].as_py()} is not finite",
                    expected="numbers", found=f"{values[~finite][0]} in frame {np.argwhere(~finite)[0][0]}",
                    do="delete the episode with lerobot-edit-dataset",
                )  # fmt: skip
        return frames

    def _backward(self, frames: Frames) -> Frames:
        return reverse_frames(frames, self.roles, self._survey.lead_steps(), self._survey.ranges)


def _matrix(column: pa.ChunkedArray, width: int) -> np.ndarray:
    """(T, width) of a column of lists, or of single numbers."""
    values = column.combine_chunks()
    flat = values.flatten() if pa.types.is_nested(values.type) else values
    return flat.to_numpy(zero_copy_only=False).reshape(len(column), width)


def _stored(values: np.ndarray) -> np.ndarray:
    """As LeRobot stores it: single numbers (T,), else (T, D)."""
    return values[:, 0] if values.shape[1] == 1 else values


def _texts(source: LeRobotSource, spec: ReversalFeatures, text: str | None) -> dict[int, str]:
    """The reversed task's text by the task's number."""
    if unknown := set(spec.tasks) - set(source.tasks.values()):
        raise ConfigError(
            f"the dataset has no task {sorted(unknown)}", expected=f"some of {sorted(source.tasks.values())}",
            do="correct `tasks` in the YAML",
        )  # fmt: skip
    if untold := [old for old in source.tasks.values() if old not in spec.tasks and text is None]:
        raise ConfigError(
            f"what is the reversal of {untold[0]!r} called?", expected="a text for every task",
            do="give --task_text, or `tasks: {OLD: NEW}` in a YAML",
        )  # fmt: skip
    if several := [row["episode_index"] for row in source.episodes if len(row["tasks"]) != 1]:
        raise DataError(
            f"{source.root}: episode {several[0]} has several tasks", expected="one task an episode",
            do="split it into episodes, or give it one with lerobot-edit-dataset",
        )  # fmt: skip
    return {index: spec.tasks.get(old, text) for index, old in source.tasks.items()}
