"""When `iterations: auto` ends, and which iteration it chooses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rev2fwd_il.config.sections import StoppingConfig
from rev2fwd_il.errors import DataError
from rev2fwd_il.method.stopping import decide, read_decision, validation_seed

ROOT = Path(__file__).parents[2]


def decisions(scores, **settings):
    """The decisions after each iteration, until the run ends."""
    made, before = [], None
    for score in scores:
        before = decide(before, score, StoppingConfig(**settings))
        made.append(before)
        if not before.goes_on:
            break
    return made


@pytest.mark.parametrize(
    ("scores", "settings", "last", "chosen"),
    [
        ([0.8, 0.9, 0.9, 0.99], {}, 2, 1),  # as good is not better
        ([0.8, 0.9, 0.85, 0.95, 0.95, 0.9], {"patience": 2}, 5, 3),
        ([0.8, 0.9, 0.92, 0.99], {"min_gain": 0.05}, 2, 1),
        ([0.80, 0.84, 0.88, 0.90, 0.91], {"min_gain": 0.05, "patience": 2}, 4, 2),  # small gains add up
        ([0.1, 0.2, 0.3, 0.4], {"max_iterations": 2}, 2, 2),
        ([0.9, 0.8], {}, 1, 0),
        ([(0.85 + 0.95) / 2, (0.86 + 0.94) / 2 + 1e-15], {}, 1, 0),  # the same but for rounding
    ],
)
def test_it_ends_where_nothing_is_gained(scores, settings, last, chosen):
    made = decisions(scores, **settings)
    assert (made[-1].iteration, made[-1].chosen, made[-1].goes_on) == (last, chosen, False)
    assert all(decision.goes_on for decision in made[:-1])


def test_validation_starts_are_not_those_of_the_evaluation():
    assert len({validation_seed(seed) for seed in range(100)} | set(range(100))) == 200


def metrics(path: Path, task: str, rate: float | None) -> str:
    path.write_text(json.dumps({"task": task, "rate": rate}))
    return str(path)


def test_the_script_goes_on_from_the_decision_before(tmp_path):
    def run(n: int, a: float | None, b: float, *more: str):
        out = tmp_path / f"iter{n}.json"
        both = [metrics(tmp_path / f"{task}{n}.json", task, rate) for task, rate in (("A", a), ("B", b))]
        command = [sys.executable, str(ROOT / "workflow/scripts/7b_decide_iteration.py"), "--validation", *both]
        result = subprocess.run([*command, "--out", str(out), *more], capture_output=True, text=True)
        return result, out

    first, before = run(0, 0.7, 0.9)
    assert "the run goes on" in first.stdout, first.stderr
    second, out = run(1, 0.6, 0.9, "--before", str(before))
    assert "ends, with iteration 0 chosen" in second.stdout, second.stderr
    assert read_decision(out).scores == pytest.approx((0.8, 0.75))
    failed, nothing = run(2, None, 0.9, "--before", str(out))
    assert failed.returncode == 1 and "no success rate" in failed.stderr and not nothing.exists()


def test_something_else_is_no_decision(tmp_path):
    (tmp_path / "iter0.json").write_text("{}")
    with pytest.raises(DataError, match="not a decision whether to go on"):
        read_decision(tmp_path / "iter0.json")
