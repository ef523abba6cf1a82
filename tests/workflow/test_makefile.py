"""Where `make run` writes what several experiments could share."""

import os
import subprocess

import pytest
from engine import ROOT, SNAKEMAKE


def report_path(workflow, args: str, **variables: str) -> str:
    """The page that `make run` with these ARGS would have Snakemake write; nothing is set up or run."""
    settings = [f"{name}={value}" for name, value in variables.items()]
    command = ["make", "--silent", "-f", ROOT / "Makefile", "report-path", f"ARGS={args}", *settings]
    command += [f"SNAKEMAKE={SNAKEMAKE} --configfile $(CONFIG)"]
    done = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("args", "config", "name"),
    [
        ("", "config/config.yaml", "circle"),
        ("--config name=seed1", "config/config.yaml", "seed1"),
        ("-n --config iterations=2 name=seed1", "config/smoke.yaml", "seed1"),
        ("", "config/smoke.yaml", "smoke"),
    ],
)
def test_the_page_of_snakemake_bears_the_name_that_snakemake_knows(planner, args, config, name):
    assert report_path(planner, args, CONFIG=config) == f"runs/report_{name}/snakemake_report.html"


def test_of_several_seeds_the_page_lies_beside_the_summary(planner):
    assert report_path(planner, "--config 'seeds=[0,1]'") == "runs/seeds_circle/snakemake_report.html"


def test_of_a_study_the_page_lies_beside_its_table(planner):
    assert report_path(planner, "", CONFIG="config/study.yaml") == "runs/study_study/snakemake_report.html"


def test_where_no_report_is_asked_for_there_is_no_page(planner):
    assert report_path(planner, "data/B_circle.npz") == ""


def test_two_names_share_no_file(planner):
    def files(name):
        config = (f"name={name}", "iterations=2", "arms=[with_rollouts,no_rollouts]")
        plan, summary = planner("-n", "-p", config=config), planner("--summary", config=config).stdout
        assert plan.returncode == 0, plan.stdout
        outputs = {line.split("\t")[0] for line in summary.splitlines() if "\t" in line} - {"output_file"}
        logs = {word for word in plan.stdout.split() if word.startswith("runs/log_")}
        return outputs | logs | {report_path(planner, f"--config name={name}")}

    first, second = files("one"), files("two")
    assert len(first) == len(second) > 50 and not first & second


@pytest.mark.parametrize(
    ("arguments", "config"),
    [(["study"], "study"), (["study", "CONFIG=config/study_full.yaml"], "study_full"), (["smoke"], "smoke")],
)
def test_a_study_that_is_named_is_the_one_that_runs(arguments, config):
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"snakemake --configfile config/{config}.yaml --logger rev2fwd" in done.stdout
