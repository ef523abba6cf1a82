"""Copies of the workflow in several states."""

import pytest
from engine import Workflow


def pytest_collection_modifyitems(config, items):
    """What takes minutes goes last; where processes share the tests, first, so that none is left alone with it."""
    shared = hasattr(config, "workerinput")
    items.sort(key=lambda item: (item.get_closest_marker("last") is not None) != shared)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Workflow:
    """The smoke configuration, built for real: minutes."""
    workflow = Workflow(tmp_path_factory.mktemp("smoke"))
    report = ("--report", "runs/report_smoke/snakemake_report.html", "--report-after-run")
    result = workflow("--configfile", "config/smoke.yaml", *report, timeout_s=3000)
    assert result.returncode == 0, result.stdout[-20000:]
    return workflow


@pytest.fixture(scope="module")
def planner(tmp_path_factory) -> Workflow:
    """Nothing is built here: for dry runs."""
    return Workflow(tmp_path_factory.mktemp("planner"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """Every artifact of the smoke configuration exists (empty), and Snakemake holds it for its own: for dry runs."""
    workflow = Workflow(tmp_path_factory.mktemp("finished"))
    smoke = ("--configfile", "config/smoke.yaml")
    summary = workflow(*smoke, "--summary").stdout
    rows = [line.split("\t")[0] for line in summary.splitlines() if "\t" in line]
    for output in rows[1:]:
        path = workflow.folder / output
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    touched = workflow(*smoke, "--touch", "--forceall")
    assert touched.returncode == 0, touched.stdout
    return workflow
