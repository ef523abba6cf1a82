"""The same starts across iterations: where on the table an evaluation fails, before and after.

    maps = [StartMap.of(results, task) for task in ("A", "B")]
    maps[0].starts[17].outcomes[1]      failure of start 17 under the policy of iteration 1; None: it succeeded

Only iterations whose episodes started alike stand beside each other; a start is drawn where the object begins, or where
it has to go if that is what differs between starts.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rev2fwd_il.reporting.analysis import paired_test
from rev2fwd_il.reporting.results import Results

VIDEO = re.compile(r"_start(\d+)\.mp4$")
PLACES = {"object_xy": "object's start", "target_xy": "target"}


@dataclass
class Start:
    """One start: place on the table [m], and by iteration what became of it and its video."""

    index: int
    x: float
    y: float
    outcomes: dict[int, str | None] = field(default_factory=dict)
    videos: dict[int, Path] = field(default_factory=dict)

    @property
    def ever_failed(self) -> bool:
        return any(self.outcomes.values())


@dataclass
class StartMap:
    """All starts of a task, the iterations that met them, and what their places mean."""

    task: str
    iterations: list[int]
    place: str
    starts: list[Start]

    @classmethod
    def of(cls, results: Results, task: str) -> "StartMap | None":
        """None where no evaluation of the task has episodes."""
        tests = {n: metrics for n, metrics in results.evaluation.get(task, {}).items() if metrics.get("episodes")}
        if not tests:
            return None
        last = max(tests)
        alike = [n for n in sorted(tests) if n == last or paired_test(tests[n], tests[last])]
        rows = tests[last]["episodes"]
        place = max(PLACES, key=lambda name: np.ptp([row[name] for row in rows], axis=0).sum())
        starts = [Start(index, *map(float, row[place])) for index, row in enumerate(rows)]
        for n in alike:
            videos = videos_of_starts(results.videos.get(task, {}).get(n, []))
            for start, row in zip(starts, tests[n]["episodes"]):
                start.outcomes[n] = None if row["success"] else row.get("failure") or "failed"
                if start.index in videos:
                    start.videos[n] = videos[start.index]
        return cls(task, alike, PLACES[place], starts)

    def count(self, before: int, after: int) -> dict[str, int]:
        """How many starts succeed in both, only after, only before, or in neither."""
        states = [state(start.outcomes[before], start.outcomes[after]) for start in self.starts]
        return {name: states.count(name) for name in STATES}


STATES = {  # of a start between two iterations: what the legend says
    "kept": "succeeds before and after",
    "gained": "fails before, succeeds after",
    "lost": "succeeds before, fails after",
    "failing": "fails before and after",
}


def state(before: str | None, after: str | None) -> str:
    """One of STATES, from the failures before and after (None: success)."""
    return ("failing" if before else "lost") if after else ("gained" if before else "kept")


def videos_of_starts(paths: list[Path]) -> dict[int, Path]:
    """Start -> its video, from the names of the videos."""
    found = [(VIDEO.search(path.name), path) for path in paths]
    return {int(match[1]): path for match, path in found if match}
