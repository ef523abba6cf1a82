"""Which artifacts belong to a run: what its configuration asks for, among all that lies on disk under its name.

selection = Selection(iterations=1, arms=("with_rollouts",), chains=True)
selection.why_not("evaluation", 2)      -> "iteration 2 of a run to iteration 1"
selection.why_outdated(record)          -> what differs between its settings and `selection.config`
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from rev2fwd_il.config.run import Arm, Config, evaluated_in
from rev2fwd_il.errors import ConfigError, DataError
from rev2fwd_il.running.lineage import differing_settings, read_record
from rev2fwd_il.running.provenance import OTHER_RUN, SETTINGS, WEIGHTS, content_hash

METHOD, *OTHER_ARMS = ARMS = get_args(Arm)
SEEDED = ("demonstrations", "evaluation")  # kinds whose seed is that of the run
EVERYTHING_SHOWN = "everything under this name, whatever configuration made it"


@dataclass(frozen=True)
class Selection:
    """What a report shows. None sets no limit; with a `config`, what other settings have made is left out.

    Raises ConfigError for an arm that does not exist.
    """

    iterations: int | None = None
    arms: tuple[str, ...] | None = None
    chains: bool | None = None  # the long chains of the last policies
    config: Config | None = None
    chosen: int | None = None  # of `iterations: auto`, whose long chains are run and which the run is judged by
    root: Path = Path()  # what the paths in records are relative to
    _outdated: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self):
        if unknown := set(self.arms or ()) - set(ARMS):
            raise ConfigError("no such arm", expected=", ".join(ARMS), found=", ".join(sorted(unknown)))

    def describe(self) -> str:
        """In words, for the page and metrics.json."""
        limits = [] if self.iterations is None else [f"iterations 0 to {self.iterations}"]
        limits += [] if self.chosen is None else [f"iteration {self.chosen} chosen"]
        limits += [] if self.arms is None else [f"arms {', '.join(self.arms)}"]
        limits += [] if self.chains is None else ["with long chains" if self.chains else "without long chains"]
        limits += [] if self.config is None else ["no artifact of other settings"]
        return "; ".join(limits) or EVERYTHING_SHOWN

    def why_not(self, kind: str, n: int, arm: str = METHOD) -> str | None:
        """Why an evaluation, an alternating test ("rollouts") or long chains of iteration n do not belong to the run.

        None where they do.
        """
        if arm not in ARMS:
            return f"no arm of this project: {arm}"
        if self.arms is not None and arm not in self.arms:
            return f"arm {arm} is not part of this run"
        if kind == "chains" and self.chains is False:
            return "this run has no long chains"
        if self.iterations is None:
            return None
        of_arm = evaluated_in(arm, self.iterations)[1]
        first, last = 1 if kind == "rollouts" else of_arm.start, of_arm.stop - 1
        if kind == "chains" and self.chains:
            first = last = self.iterations if self.chosen is None else self.chosen
        asked = f"to iteration {self.iterations}" + (
            "" if self.chosen is None else f", of which {self.chosen} is chosen"
        )
        return None if first <= n <= last else f"iteration {n} of a run {asked}"

    def why_outdated(self, record: dict | None) -> str | None:
        """What differs between the settings behind an artifact, or its parents, and `config`; None without `config`."""
        if self.config is None:
            return None
        if not record or record.get("kind") not in SETTINGS:
            return "without a record of what made it"
        if differing := differing_settings(record, self.config):
            return differing[0]
        if record["kind"] in SEEDED and record.get("seed") != self.config.seed:
            return f"seed was {record.get('seed')}, the configuration says {self.config.seed}"
        reasons = (self._why_parent_outdated(parent) for parent in record.get("parents") or [])
        return next((reason for reason in reasons if reason), None)

    def _why_parent_outdated(self, parent: dict) -> str | None:
        """As `why_outdated`; weights are also compared with those that were used, which costs little."""
        name, path = parent["path"], self.root / parent["path"]
        if (path / WEIGHTS).is_file() and content_hash(path) != parent["hash"]:
            return f"{name} has changed since"
        if parent.get(OTHER_RUN):
            return None
        if name not in self._outdated:
            try:
                reason = self.why_outdated(read_record(path))
            except DataError:
                reason = "gone, or without a record"
            self._outdated[name] = reason and (reason if ": " in reason else f"{name}: {reason}")
        return self._outdated[name]


EVERYTHING = Selection()
