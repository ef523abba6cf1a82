"""A finding: one thing a check has to say about a dataset, and where."""

from dataclasses import asdict, dataclass

import numpy as np

from rev2fwd_il.config.sections import SimConfig
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.robots import ROBOTS, Robot
from rev2fwd_il.running.provenance import by_policy

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """`frame` counts from the first frame of `episode`; None where the finding has no single place.

    `file` is for machines and for findings about several datasets; the text of a finding leaves it out.
    """

    severity: str  # ERROR decides the exit status, WARNING does not
    code: str
    message: str
    episode: int | None = None
    frame: int | None = None
    field: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        names = {"episode": self.episode, "frame": self.frame, "field": self.field}
        place = ", ".join(f"{name} {value}" for name, value in names.items() if value is not None)
        return f"{self.severity}: {self.code}: {place + ': ' if place else ''}{self.message}"

    def to_dict(self) -> dict:
        return asdict(self)


def severity_for(dataset: EpisodeDataset) -> str:
    """Severity of what is wrong in a demonstration, but may be mere clumsiness where a policy acted."""
    return WARNING if by_policy(dataset.meta) else ERROR


def robot_of(dataset: EpisodeDataset) -> Robot:
    """The robot that acted; the default one where the dataset does not tell."""
    return ROBOTS[(dataset.meta.get("settings") or {}).get("sim.robot", SimConfig().robot)]


def inner_frames(dataset: EpisodeDataset) -> np.ndarray:
    """(T - E,) indices t along T whose t + 1 belongs to the same episode."""
    inside = np.ones(dataset.num_frames, bool)
    inside[dataset.ends - 1] = False
    return np.flatnonzero(inside)


def by_episode(
    dataset: EpisodeDataset, frames: np.ndarray, severity: str, code: str, message: str, field: str
) -> list[Finding]:
    """One finding per episode that holds some of the offending `frames` (indices along T), at the first of them."""
    episodes = np.searchsorted(dataset.ends, frames, side="right")
    found = []
    for episode in np.unique(episodes):
        mine = frames[episodes == episode]
        count = f" ({len(mine)} frames)" if len(mine) > 1 else ""
        place = {"episode": int(episode), "frame": int(mine.min() - dataset.starts[episode]), "field": field}
        found.append(Finding(severity, code, message + count, **place))
    return found
