"""`iterations: auto` in the workflow: the plan to the bound, and the end that a decision makes."""

import json
from pathlib import Path

import pytest
from engine import Workflow
from test_report import planned_report, selected

from rev2fwd_il.reporting.selection import METHOD, Selection

AUTO = ("iterations=auto", "stopping={max_iterations: 3}")
SMOKE = ("--configfile", "config/smoke.yaml")


def test_the_plan_goes_to_the_bound_while_nothing_is_decided(planner):
    plan, fixed = planner.plan(config=AUTO), planner.plan(config=("iterations=3",))
    assert plan == fixed | {"validate": 8, "decide": 4}


def test_a_study_does_not_end_by_itself(planner):
    told = planner("-n", "--configfile", "config/study.yaml", config=AUTO).stdout
    assert "a study needs their number" in told


@pytest.fixture(scope="module")
def decided(tmp_path_factory) -> Workflow:
    """All artifacts of a run that ended after iteration 2, with iteration 1 chosen; empty, but for the decisions."""
    workflow = Workflow(tmp_path_factory.mktemp("decided"))
    scores = [0.5, 0.9, 0.7]
    for n in range(3):
        path = workflow.folder / f"runs/stopping_smoke/iter{n}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        note = {"scores": scores[: n + 1], "chosen": min(n, 1), "goes_on": n < 2, "why": "as it is", "iteration": n}
        path.write_text(json.dumps(note))
    rows = workflow(*SMOKE, "--summary", config=AUTO).stdout.splitlines()
    for output in [line.split("\t")[0] for line in rows if "\t" in line][1:]:
        path = workflow.folder / output
        if path.suffix and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif not path.suffix:
            path.mkdir(parents=True, exist_ok=True)
    return workflow


def test_the_run_ends_where_it_was_decided(decided):
    """Touched, not planned: only there are the decisions waited for, as in a run."""
    touched = decided(*SMOKE, "--touch", "--forceall", config=AUTO)
    assert touched.returncode == 0, touched.stdout
    assert not list(Path(decided.folder / "runs").glob("*/iter3*"))
    assert decided.plan(*SMOKE, config=AUTO) == {}
    further = decided.plan(*SMOKE, config=("iterations=auto", "stopping={max_iterations: 3, patience: 2}"))
    assert further["decide"] == 3  # another rule decides anew


def test_the_report_is_of_the_chosen_iteration(decided):
    decided(*SMOKE, "--touch", "--forceall", config=AUTO)
    inputs, command = planned_report(decided, *AUTO, configfile="config/smoke.yaml")
    arms = (METHOD, "no_rollouts", "forward_demos")
    tests = {path for path in inputs if path.endswith("metrics.json") or "rollout" in path}
    assert tests == selected("smoke", Selection(2, arms, True, chosen=1))
    assert "--iterations 2 --chosen 1" in command
