"""How the run was made: what its jobs took, on which machine, by which versions."""

from rev2fwd_il.reporting.formats import duration, words
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.results import Results
from rev2fwd_il.reporting.tables import Table
from rev2fwd_il.running.benchmarks import stage_of

TITLE = "How it was made"


def content(report: Report) -> dict | None:
    record = last_record(report.results)
    jobs = report.results.benchmarks
    if not record and not jobs:
        return None
    table = Table("What the jobs took", ["stage", "jobs", "time", "processor time", "largest memory"], [])
    for stage in sorted({stage_of(job) for job in jobs}, key=lambda one: -_seconds(jobs, one)):
        mine = [benchmark for job, benchmark in jobs.items() if stage_of(job) == stage]
        cpu, memory = ([getattr(one, name) for one in mine] for name in ("cpu_seconds", "max_rss_mb"))
        row = [words(stage), str(len(mine)), duration(sum(one.seconds for one in mine))]
        row.append(duration(sum(cpu)) if None not in cpu else "–")
        table.rows.append([*row, f"{max(memory) / 1000:.1f} GB" if None not in memory else "–"])
    return {"table": table if jobs else None, "record": record}


def last_record(results: Results) -> dict:
    """What made the newest evaluation, or test where there is none; empty where nothing says so."""
    tests = [metrics for tests in results.evaluation.values() for metrics in tests.values()]
    tests = [*results.long_chains.values(), *results.alternating.values(), *tests]
    return next((metrics["made_by"] for metrics in reversed(tests) if metrics.get("made_by")), {})


def _seconds(jobs: dict, stage: str) -> float:
    return sum(benchmark.seconds for job, benchmark in jobs.items() if stage_of(job) == stage)
