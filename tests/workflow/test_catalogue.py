"""Where others look for a workflow: the catalogue's files, another workflow that uses this one, the schema."""

import json
import os
import re
import subprocess
import sys

import jsonschema
import pytest
import yaml
from engine import ROOT, SNAKEMAKE
from synthetic import make_episode, write_dataset
from test_dag import full_plan

from rev2fwd_il.config import json_schema
from rev2fwd_il.config.run import Config
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.running.provenance import made_by

OUTER = f"""
configfile: "outer.yaml"


module rev2fwd:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: config["rev2fwd"]


use rule * from rev2fwd as rev2fwd_*


rule ours:
    default_target: True
    input: rules.rev2fwd_all.input, "any/name_A.txt"


rule note:
    output: "any/{{name}}_{{task}}.txt"  # wildcards that the module constrains for itself
    shell: "echo {{wildcards.name}} > {{output}}"
"""


@pytest.fixture(scope="module")
def outer(tmp_path_factory):
    """Another workflow, elsewhere; returns a call of its Snakemake."""
    folder = tmp_path_factory.mktemp("outer")
    (folder / "Snakefile").write_text(OUTER)
    (folder / "outer.yaml").write_text("rev2fwd: {name: theirs, demos: {num_episodes: 2}}")

    def call(*arguments: str) -> str:
        environment = os.environ | {"REV2FWD_PYTHON": sys.executable}
        command = [SNAKEMAKE, "--cores", "1", *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    call.folder = folder
    return call


def test_another_workflow_plans_this_one_as_a_module(outer):
    plan = outer("-n", "-p")
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", plan, re.M)}
    expected = {f"rev2fwd_{rule}": count for rule, count in full_plan(1).items()}
    assert {rule: jobs.get(rule) for rule in expected} == expected and jobs["note"] == jobs["ours"] == 1
    assert f"{ROOT}/workflow/scripts/1_collect_data_pick_place.py --out data/B_theirs.npz" in plan


def test_its_jobs_run_in_the_other_workflows_folder(outer):
    record = made_by(Config(), kind="demonstrations", seed=0, task="B")
    write_dataset(outer.folder / "data/B_theirs.npz", [make_episode(seed) for seed in range(2)], **record)
    outer("data/reversed_A_theirs.npz", "any/name_A.txt")
    assert len(EpisodeDataset(outer.folder / "data/reversed_A_theirs.npz")) == 2
    assert (outer.folder / "runs/log_theirs/reverse.log").exists()


def test_the_catalogue_finds_what_it_looks_for(planner):
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"].keys() >= {"conda"} and usage["report"] is True
    assert "config.yaml" in (ROOT / "config/README.md").read_text()
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    assert planner.plan("-s", "workflow/Snakefile") == full_plan(1) | {"everything_there": 1}


def test_lint_finds_nothing(planner):
    told = planner("--lint", "-s", "workflow/Snakefile").stdout
    assert "Congratulations" in told, told


def test_every_setting_has_a_place_in_the_readme_of_the_configurations():
    text = (ROOT / "config/README.md").read_text()
    assert [name for name in Config.model_fields if f"`{name}`" not in text] == []
    assert [path.name for path in (ROOT / "config").glob("*.yaml") if f"`{path.name}`" not in text] == []


def test_the_schema_is_that_of_the_settings():
    written = (ROOT / "config/schema.json").read_text()
    assert written == json_schema.as_text(), "config/schema.json and the typed settings disagree: run `make schema`"


@pytest.fixture(scope="module")
def schema():
    out = json.loads((ROOT / "config/schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(out)
    return jsonschema.Draft202012Validator(out)


def test_the_schema_accepts_the_configurations_here(schema):
    for path in (ROOT / "config").glob("*.yaml"):
        assert [*schema.iter_errors(yaml.safe_load(path.read_text()))] == [], path.name


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ({"train": {"stps": 3}}, False),
        ({"iterations": -1}, False),
        ({"task": {"kind": "stack", "clearance": 0.001}}, False),
        ({"task": {"kind": "insert", "clearance": 0.001}}, True),
        ({"task": {"kind": "mine.task:Line", "rail": 1}}, True),
        ({"task": {"kind": "stak"}}, False),
        ({"policy": {"type": "vqbet", "vqbet": {"n_vqvae_training_steps": 1}}}, True),
        ({"policy": {"horizn": 16}}, False),
        ({"study": {"tasks": {"a": {"train": {"steps": 3}}}}}, True),
        ({"study": {"seeds": [1]}}, False),
    ],
)
def test_the_schema_refuses_what_the_settings_refuse(schema, values, holds):
    assert schema.is_valid(values) == holds
