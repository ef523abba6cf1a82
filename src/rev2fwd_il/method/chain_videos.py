"""Videos of chains: the longest one, and runs of failures with the attempt before them and the one that ended them.

Each frame says the attempt's task and what became of it. Every second control step is shown: to render one takes longer
than the test took for it.
States are kept while chains run and rendered at the end. What is kept does not grow with the number of attempts: the
first of each chain, and those of few runs of failures.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from rev2fwd_il.data.video_files import with_caption, write_mp4
from rev2fwd_il.keys import CONTROL_HZ
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.episodes import EpisodeResult
from rev2fwd_il.method.parallel import Simulations

MAX_SHOWN_ATTEMPTS = 10  # of the longest chain
EVERY = 2  # control steps
FRAMES_AT_ONCE = 256  # 200 MB at 512 px
MAX_SHOWN_RUNS = 2  # of failures, for each way in which they end
RECOVERED, INTERVENTION = "recovered", "intervention"


class Shot(NamedTuple):
    """The states of one attempt and of what freed the hand before it, its caption, and whether it succeeded."""

    joint_pos: np.ndarray  # (S + T, J) [rad, m]
    obj_pose: np.ndarray  # (S + T, 7)
    target_xy: np.ndarray  # (2,) [m]
    caption: str
    success: bool


class ChainVideos:
    """Keeps what the videos of `chains` need."""

    def __init__(self, chains: Chains):
        self._chains = chains
        self._first: dict[int, list[Shot]] = defaultdict(list)  # environment -> the first attempts of its chain
        self._latest: dict[int, list[Shot]] = defaultdict(list)  # since the last success before a failure
        self._runs: dict[str, list[list[Shot]]] = {RECOVERED: [], INTERVENTION: []}

    def add(self, result: EpisodeResult) -> None:
        """An attempt that `chains` has counted."""
        caption = f"{result.spec.task}: {(result.failure or 'success').replace('_', ' ')}"
        obj_pose = np.concatenate([result.freeing_obj_pose, result.episode.obj_pose])
        shot = Shot(result.joint_pos, obj_pose, result.episode.target_xy, caption, result.success)
        if len(self._first[result.env]) < MAX_SHOWN_ATTEMPTS:
            self._first[result.env].append(shot)
        if self._chains.practice is None:
            return
        latest = self._latest[result.env]
        latest.append(shot)
        if self._chains.recovers(result.env):
            return
        outcome = RECOVERED if result.success else INTERVENTION
        if not all(each.success for each in latest) and len(self._runs[outcome]) < MAX_SHOWN_RUNS:
            self._runs[outcome].append(list(latest))
        self._latest[result.env] = [shot] if result.success else []

    def write_longest(self, simulations: Simulations, path: str | Path) -> Path:
        """The chain with most cycles in a row, its first MAX_SHOWN_ATTEMPTS attempts."""
        longest = max(self._first, key=lambda env: (self._chains.cycles[env], len(self._first[env])))
        return _write(simulations, self._first[longest], path)

    def write_recoveries(self, simulations: Simulations, folder: Path) -> list[Path]:
        """Runs of failures, one video each: recovered1.mp4, ..., intervention1.mp4, ..."""
        return [
            _write(simulations, shots, folder / f"{outcome}{number}.mp4")
            for outcome, runs in self._runs.items()
            for number, shots in enumerate(runs, 1)
        ]


def _write(simulations: Simulations, shots: list[Shot], path: str | Path) -> Path:
    return write_mp4(path, _frames(simulations, shots, Path(path).stem), CONTROL_HZ / EVERY)


def _frames(simulations: Simulations, shots: list[Shot], name: str) -> Iterator[np.ndarray]:
    """Attempts one after the other, rendered as one: a render of fewer states than environments costs as much."""
    lengths = [len(shot.obj_pose[::EVERY]) for shot in shots]
    joint_pos, obj_pose = (
        np.concatenate([getattr(shot, states)[::EVERY] for shot in shots]) for states in ("joint_pos", "obj_pose")
    )
    target_xy = np.repeat([shot.target_xy for shot in shots], lengths, axis=0)
    captions = np.repeat([shot.caption for shot in shots], lengths)
    with tqdm(total=len(captions), desc=name, unit="frame") as progress:
        for first in range(0, len(captions), FRAMES_AT_ONCE):
            part = slice(first, first + FRAMES_AT_ONCE)
            frames = simulations.render_video(joint_pos[part], obj_pose[part], target_xy[part])
            yield from map(with_caption, frames, captions[part].tolist())
            progress.update(len(frames))
