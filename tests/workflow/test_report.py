"""What the report is told to show, and the report of a run that failed."""

import json
import re

import pytest
from engine import Workflow
from synthetic_run import write_json, write_run

from rev2fwd_il.keys import TASKS
from rev2fwd_il.reporting.selection import ARMS, METHOD, Selection


def planned_report(workflow, *config: str, configfile: str = "config/config.yaml") -> tuple[set[str], str]:
    """Input files and command of the rule `report` in a dry run."""
    plan = workflow("-n", "-p", "--configfile", configfile, "--forcerun", "report", config=config).stdout
    inputs = re.search(r"Write the report of .*?input: (.*?)\n", plan, re.S)[1]
    (command,) = [line for line in plan.splitlines() if "8_report.py" in line]
    return set(inputs.split(", ")), command


def selected(name: str, selection: Selection) -> set[str]:
    """Tests that `selection` lets into a report, of all that a run could have made."""
    paths = set()
    for n in range(5):
        if not selection.why_not("rollouts", n):
            paths.add(f"runs/alternating_{name}/iter{n}/metrics.json")
            paths |= {f"data/rollout_{task}_{name}_iter{n}.npz" for task in TASKS}
        if not selection.why_not("chains", n):
            paths.add(f"runs/chains_{name}/iter{n}/metrics.json")
        for arm in ARMS:
            suffix, tasks = ("" if arm == METHOD else f"_{arm}"), ["A"] if arm == "forward_demos" else TASKS
            if not selection.why_not("evaluation", n, arm):
                paths |= {f"runs/evaluation_{task}_{name}{suffix}/iter{n}/metrics.json" for task in tasks}
    return paths


@pytest.mark.parametrize(
    ("iterations", "arms", "chains"),
    [(0, [METHOD], 32), (1, [METHOD], 0), (2, [METHOD, "no_rollouts"], 4), (3, [*ARMS], 4)],
)
def test_the_command_line_says_what_the_inputs_name(planner, iterations, arms, chains):
    config = (f"iterations={iterations}", f"arms=[{','.join(arms)}]", f"evaluation={{chains: {chains}}}")
    config += ("teacher={run: circle, iteration: 0}",)
    inputs, command = planned_report(planner, *config)
    tests = {path for path in inputs if path.endswith("metrics.json") or "rollout" in path}
    assert tests == selected("circle", Selection(iterations, tuple(arms), chains > 0))
    assert {f"data/{stem}_circle.npz" for stem in ("B", "reversed_A", "A")} < inputs
    shown = f"--iterations {iterations} --arms {' '.join(arms)} --{'' if chains else 'no-'}chains"
    assert shown in command


def test_the_report_of_a_failed_run_leaves_out_what_an_older_configuration_made(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("failed"))
    write_run(workflow.folder, iterations=2)
    metrics = json.loads((workflow.folder / "runs/evaluation_B_circle/iter0/metrics.json").read_text())
    metrics["made_by"]["settings"]["task.cube_edge"] = 0.05
    write_json(workflow.folder / "runs/evaluation_B_circle/iter0/metrics.json", metrics)
    (workflow.folder / "data/B_circle.npz").write_bytes(b"PK")
    failed = workflow("data/reversed_A_circle.npz", "--forcerun", "reverse", config=("iterations=1",))
    assert failed.returncode != 0, failed.stdout
    report = json.loads((workflow.folder / "runs/report_circle_so_far/metrics.json").read_text())
    assert {task: [*tests] for task, tests in report["evaluation"].items()} == {"A": ["0", "1"], "B": ["1"]}
    left_out = " ".join(report["left_out"])
    assert "task.cube_edge was 0.05, the configuration says 0.04" in left_out
    assert "iteration 2 of a run to iteration 1" in left_out
