"""What the runs of a study leave: invented reports and benchmark files, as far as a study's summary reads them."""

from synthetic_run import write_json

from rev2fwd_il.method.statistics import rate
from rev2fwd_il.reporting.study.measures import jobs_behind

CLEARANCE = {"insert-1mm": 0.001, "insert-2mm": 0.002}
SECONDS = 90.0  # of every job


def metrics_of(successes: int) -> dict:
    failed = {"dropped": 20 - successes} if successes < 20 else {}
    return {"rate": successes / 20, "num_episodes": 20, "failures": failed}


def write_report(runs_dir, name: str, seed: int, kind: str) -> None:
    """Task A: 8 + seed of 20, after the iteration 6 more with rollouts and 2 more without; task B all of 20."""
    first, last = 8 + seed, 14 + seed
    practice = {"interventions_per_1000_attempts": {"rate": 10.0 * (seed + 1)}, "attempts": 500}
    settings = {"task.clearance": CLEARANCE[kind]} if kind in CLEARANCE else {}
    write_json(runs_dir / f"report_{name}/metrics.json", {
        "name": name, "long_chains": {"1": {"consecutive_success": {"mean": 3.5, "per_chain": [3, 4]}}},
        "evaluation": {
            "A": {"0": metrics_of(first), "1": metrics_of(last)}, "B": {n: metrics_of(20) for n in "01"}
        },
        "arms": {"no_rollouts": {"A": {"1": metrics_of(first + 2)}, "B": {"1": metrics_of(20)}}},
        "alternating": {"1": {"practice": practice}},
        "replay": {"attempted": 20, "rate": rate(10 + seed, 20), "made_by": {"settings": settings}},
    })  # fmt: skip
    folder = runs_dir / f"benchmark_{name}"
    folder.mkdir(parents=True)
    for job in {*jobs_behind("with_rollouts", 1), *jobs_behind("no_rollouts", 1)}:
        (folder / f"{job}.tsv").write_text(f"s\tcpu_time\tmax_rss\n{SECONDS}\t80\t1000\n")
