"""The numbers of a study in long form: one row a run, arm, task, iteration and measure.

Measures: success rate; mean consecutive cycles of the long chains; share of episodes that failed in each way; yield of
the replay; interventions, where chains go on after failures; minutes of computing behind a policy pair.
"""

from collections.abc import Iterable

from rev2fwd_il import keys
from rev2fwd_il.reporting.runs import ARM, FAILURES, INTERVENTIONS, ITERATION, MINUTES, RATE, YIELD, long_rows
from rev2fwd_il.reporting.selection import METHOD
from rev2fwd_il.reporting.study.reading import StudyRun
from rev2fwd_il.running.benchmarks import Benchmark

BOTH = "A and B"
CLEARANCE = "clearance_m"
DATA_JOBS = ("collect", "reverse", "replay")
FORWARD_JOBS = ("collect_forward", "convert_forward_A", "train_A_forward_demos")


def study_rows(runs: Iterable[StudyRun]) -> list[dict]:
    """Rows of all runs that have a report; `clearance_m` is there where a task has one."""
    runs = [run for run in runs if run.run]
    rows = [row for run in runs for row in _rows_of(run)]
    if not any(row[CLEARANCE] for row in rows):
        rows = [{name: value for name, value in row.items() if name != CLEARANCE} for row in rows]
    return rows


def _rows_of(run: StudyRun) -> list[dict]:
    rates = long_rows([run.run])
    others = [
        {"run": run.name} | run.factors
        | {ARM: arm, "task": task, ITERATION: n, "chosen": n == run.run.chosen_iteration, "measure": measure}
        | {"value": value, "n": count}
        for arm, task, n, measure, value, count in (
            *_failures(rates, run), *_replay(run), *_interventions(run), *_minutes(rates, run)
        )
    ]  # fmt: skip
    clearance = ((run.run.metrics.get("replay") or {}).get("made_by") or {}).get("settings", {}).get("task.clearance")
    return [row | {CLEARANCE: clearance} for row in rates + others]


def _failures(rates: list[dict], run: StudyRun) -> Iterable[tuple]:
    """Every kind that any of the run's evaluations knows, zero where it did not occur."""
    found = {METHOD: run.run.metrics["evaluation"]} | run.run.metrics["arms"]
    tests = [row for row in rates if row["measure"] == RATE]
    metrics = [found[row[ARM]][row["task"]][str(row[ITERATION])] for row in tests]
    kinds = sorted({kind for test in metrics for kind in test.get("failures") or {}})
    for row, test in zip(tests, metrics):
        for kind in kinds if row["n"] else []:
            share = (test.get("failures") or {}).get(kind, 0) / row["n"]
            yield row[ARM], row["task"], row[ITERATION], f"{FAILURES}{kind}", share, row["n"]


def _replay(run: StudyRun) -> Iterable[tuple]:
    replay = run.run.metrics.get("replay") or {}
    if (value := (replay.get("rate") or {}).get("rate")) is not None:
        yield METHOD, keys.TASK_A, 0, YIELD, value, replay.get("attempted")


def _interventions(run: StudyRun) -> Iterable[tuple]:
    """Of the alternating test with the policies of iteration n, or of their long chains, which are longer."""
    tests = {int(n) - 1: test for n, test in (run.run.metrics.get("alternating") or {}).items()}
    tests |= {int(n): test for n, test in run.run.metrics["long_chains"].items() if test.get("practice")}
    for n, test in sorted(tests.items()):
        practice = test.get("practice") or {}
        value = (practice.get("interventions_per_1000_attempts") or {}).get("rate")
        if value is not None:
            yield METHOD, BOTH, n, INTERVENTIONS, value, practice.get("attempts")


def _minutes(rates: list[dict], run: StudyRun) -> Iterable[tuple]:
    for arm, n in dict.fromkeys((row[ARM], row[ITERATION]) for row in rates if row["measure"] == RATE):
        value = minutes_behind(run.benchmarks, arm, n)
        if value is not None:
            yield arm, BOTH, n, MINUTES, value, None


def minutes_behind(benchmarks: dict[str, Benchmark], arm: str, n: int) -> float | None:
    """Minutes of all jobs, one after the other, that the policies of iteration n needed; no test of them counts.

    None where a job was not measured.
    """
    jobs = FORWARD_JOBS if arm == "forward_demos" else jobs_behind(arm, n)
    if any(job not in benchmarks for job in jobs):
        return None
    extra = ["render_forward_views_A"] if arm == "forward_demos" else [f"render_views_{task}" for task in keys.TASKS]
    stages = ["reverse_rollouts", "replay_rollouts", "relabel_rollouts"]
    stages += ["render_rollout", "render_hindsight", "render_replayed"]
    extra += [
        f"{stage}_{task}_iter{i}" for stage in stages for task in keys.TASKS for i in range(1, n + 1) if arm == METHOD
    ]
    not_in_every_run = [job for job in extra if job in benchmarks]
    return sum(benchmarks[job].seconds for job in (*jobs, *not_in_every_run)) / 60


def jobs_behind(arm: str, n: int) -> list[str]:
    """Jobs of the policies of iteration n, both tasks, but for those that not every run has."""
    jobs = [*DATA_JOBS, *(f"{stage}_{task}" for stage in ("convert", "train") for task in keys.TASKS)]
    for i in range(1, n + 1):
        if arm == METHOD:
            jobs += [
                f"alternate_iter{i}",
                *(f"{what}_{task}_iter{i}" for what in ("merge", "finetune") for task in "AB"),
            ]
            continue
        stages = ["collect_corrections_{}", "merge_{}_teacher"] if arm == "teacher" else []
        jobs += [f"{stage.format(task)}_iter{i}" for stage in (*stages, f"finetune_{{}}_{arm}") for task in keys.TASKS]
    return jobs
