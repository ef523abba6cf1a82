"""`iterations: auto`: whether another iteration is worth its time, decided on starts that no reported rate rests on.

    decision = decide(None, 0.93, settings)                  # iteration 0 is always followed by another one
    decision = decide(decision, 0.96, settings)              # of iteration 1; decision.goes_on, decision.chosen

The score of an iteration is the mean success rate of A and B on the validation starts. It improves if it exceeds the
score of the last iteration that improved by more than `min_gain`; that one is the chosen iteration. The run ends after
`patience` iterations in a row without improvement, or at `max_iterations`.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from rev2fwd_il.config.sections import StoppingConfig
from rev2fwd_il.errors import DataError
from rev2fwd_il.running.json_files import read_json
from rev2fwd_il.seeds import derive

ROUNDING = 1e-9  # equal means of rates differ by less


@dataclass(frozen=True)
class Decision:
    """What was decided after an iteration, on all scores so far."""

    scores: tuple[float, ...]  # by iteration
    chosen: int  # the last iteration that improved
    goes_on: bool
    why: str

    @property
    def iteration(self) -> int:
        """The iteration it was decided after."""
        return len(self.scores) - 1

    def to_note(self) -> dict:
        """For JSON."""
        return asdict(self) | {"iteration": self.iteration}


def validation_seed(seed: int) -> int:
    """Of the validation starts of a run; those of its reported evaluations follow from `seed` itself."""
    return derive(seed, "validation")


def decide(before: Decision | None, score: float, settings: StoppingConfig) -> Decision:
    """Decide after one more iteration with this score; `before` is the decision after the one before it."""
    scores = (*(before.scores if before else ()), score)
    last = len(scores) - 1
    improved = before is None or score > before.scores[before.chosen] + settings.min_gain + ROUNDING
    chosen = last if improved else before.chosen
    if last - chosen >= settings.patience:
        since = f"iteration {last} is" if last == chosen + 1 else f"iterations {chosen + 1} to {last} are"
        goes_on, why = False, f"{since} no better than iteration {chosen}"
    elif last >= settings.max_iterations:
        goes_on, why = False, f"iteration {last} is the last one allowed"
    else:
        how = "the first" if before is None else "better than all before" if improved else "no better"
        goes_on, why = True, f"iteration {last} is {how}"
    return Decision(scores, chosen, goes_on, why)


def read_decision(path: Path) -> Decision:
    """Raises DataError where it is none."""
    note = read_json(path)
    try:
        return Decision(tuple(map(float, note["scores"])), int(note["chosen"]), bool(note["goes_on"]), str(note["why"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not a decision whether to go on",
            expected="as 7b_decide_iteration.py writes it",
            found=repr(error),
        ) from None
