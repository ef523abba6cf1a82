"""A study as one DAG: its runs are those that they would be alone, they share demonstrations, and end in one table."""

import itertools
import re
import resource

import pytest
from engine import Workflow
from synthetic import make_episode, write_dataset
from synthetic_study import write_report
from test_dag import full_plan

STUDY = """
name: s
seeds: [0, 1]
iterations: 1
arms: [with_rollouts, no_rollouts]
study:
  tasks:
    plain: {}
    stack: {task: {kind: stack}, train: {steps: 70}}
  policies:
    diffusion: {}
    act: {policy: {type: act, n_obs_steps: 1}}
"""


@pytest.fixture
def study(planner):
    path = planner.folder / "study_of_a_test.yaml"
    path.write_text(STUDY)
    return ("--configfile", path.name)


def commands(plan: str, name: str) -> set[str]:
    return set(re.findall(rf"workflow/scripts/[1-8]\w*\.py.*{name}\b.*", plan))


def test_each_run_is_the_run_that_it_would_be_alone(planner, study):
    plan = planner("-n", "-p", *study).stdout
    for name, config in (
        ("s-stack-diffusion-seed1", ("task={kind: stack}", "train={steps: 70}")),
        ("s-stack-act-seed1", ("task={kind: stack}", "train={steps: 70}", "policy={type: act, n_obs_steps: 1}")),
    ):
        arms = ("iterations=1", "arms=[with_rollouts, no_rollouts]")
        alone = commands(planner("-n", "-p", config=(f"name={name}", "seed=1", *arms, *config)).stdout, name)
        together = {line for line in commands(plan, name) if "8c_" not in line}
        shared = {line for line in alone - together if re.search(r"/(1|3|3b)_", line)}
        assert together <= alone and alone - together == shared
        assert len(shared) == (3 if "act" in name else 0)  # its demonstrations, reversals and replays are taken over


def test_policies_share_demonstrations_and_seeds_and_tasks_do_not(planner, study):
    plan = planner.plan(*study)
    one = full_plan(1)
    assert {rule: plan[rule] for rule in ("collect", "reverse", "replay")} == dict.fromkeys(
        ("collect", "reverse", "replay"), 4
    )
    assert plan["share_demonstrations"] == 4 * 4  # B, reversed A, A, and what the replay says
    assert plan["train"] == 8 * one["train"] and plan["summarize_study"] == 1 and "summarize_seeds" not in plan


def test_shared_demonstrations_are_those_of_the_other_run(tmp_path):
    workflow = Workflow(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    source, target = (tmp_path / f"data/B_s-plain-{policy}-seed0.npz" for policy in ("diffusion", "act"))
    write_dataset(source, [make_episode(0)])
    former = tmp_path / "data/A_s-plain-act-seed0_replay_refused.json"  # of demonstrations that the run had of its own
    former.write_text("{}")
    allowed = ("--allowed-rules", "share_demonstrations", "--configfile", "study.yaml", "--")
    result = workflow(*allowed, str(target.relative_to(tmp_path)))
    assert result.returncode == 0, result.stdout
    assert target.resolve() == source and target.read_bytes() == source.read_bytes() and not former.exists()
    refused = workflow(*allowed, "data/B_s-plain-diffusion-seed1.npz")  # a run that makes its own
    assert refused.returncode != 0 and "MissingRuleException" in refused.stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("demonstrations: [8], tasks: {a: {demos: {num_episodes: 9}}}", "task_kind a and demonstrations 8 contradict"),
        ("tasks: {a: {}, b: {}}", "runs circle-a-seed0 and circle-b-seed0 have the same settings"),
        ("policies: {a: {evaluation: {videos: 1}}}", "its runs have to be tested alike"),
        ("tasks: {a: {train: {num_processes: 2}}}", "which all runs of a study share"),
        ("tasks: {a: {train: {stps: 2}}}", "run circle-a-seed0: the configuration does not hold\n  train.stps = '2'"),
        ("tasks: {a_b: {}}", "should match pattern"),
        ("tasks: {a-b: {}, a: {train: {steps: 3}}}, policies: {c: {}, b-c: {train: {lr: 1}}}", "have the same name"),
    ],
)
def test_a_study_that_contradicts_itself_is_refused_before_the_plan(planner, change, told):
    result = planner("-n", config=(f"study={{{change}}}",))
    assert result.returncode != 0 and told in result.stdout
    assert "Traceback" not in result.stdout and "Building DAG" not in result.stdout


def test_the_plan_of_a_papers_study_takes_seconds(planner):
    """3 tasks x 3 arms x 5 seeds x 10 iterations. Time on the processor, since others work here too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    plan = planner.plan("--configfile", "config/study_full.yaml")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert plan["evaluate"] == 15 * (2 * 11 + 2 * 10 + 1) and plan["report"] == 15
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 20


def test_the_workflow_ends_a_study_in_its_table(tmp_path):
    """From reports as runs leave them; one lacks an evaluation that the study asks for."""
    workflow = Workflow(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    parts = itertools.product(("plain", "stack"), ("diffusion", "act"), (0, 1))
    names = [f"s-{kind}-{policy}-seed{seed}" for kind, policy, seed in parts]
    for name in names:
        write_report(tmp_path / "runs", name, int(name[-1]), "plain")
    report = tmp_path / f"runs/report_{names[0]}/metrics.json"
    report.write_text(report.read_text().replace('"no_rollouts": {"A"', '"no_rollouts": {"C"'))
    arguments = ("--allowed-rules", "summarize_study", "--configfile", "study.yaml", "--", "runs/study_s/table.md")
    result = workflow(*arguments)
    assert result.returncode == 0, result.stdout
    table = (tmp_path / "runs/study_s/table.md").read_text()
    assert "7 of 8 runs finished" in table and f"{names[0]}: no evaluation of task A, no_rollouts, iteration 1" in table
    assert "| stack | act | with rollouts | 1 | 72 % (" in table
    assert "--run s-plain-act-seed1 s-plain-diffusion-seed1 task_kind=plain policy=act seed=1" in table
    assert (tmp_path / "runs/study_s/figures/success_by_minutes.pdf").stat().st_size > 1000


def test_where_jobs_fail_the_study_shows_what_there_is(tmp_path):
    workflow = Workflow(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/B_s-plain-seed0.npz").write_text("broken")
    braces = "policy={others: {vqbet: {n_vqvae_training_steps: 400}}}"  # no wildcards of the command that tells of it
    config = ("--config", "name=s", "study={tasks: {plain: {}}}", "iterations=1", "arms=[with_rollouts]", braces)
    result = workflow("--allowed-rules", "reverse", *config, "--", "data/reversed_A_s-plain-seed0.npz")
    assert result.returncode != 0 and "not a readable NPZ" in result.stdout
    assert (tmp_path / "runs/report_s-plain-seed0_so_far/index.html").is_file()
    table = (tmp_path / "runs/study_s_so_far/table.md").read_text()
    assert (
        "0 of 1 runs finished" in table
        and "s-plain-seed0: no evaluation of task A, with_rollouts, iteration 0 1;" in table
    )
