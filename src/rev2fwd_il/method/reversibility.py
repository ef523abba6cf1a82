"""Whether a task reverses at all: decided on the yield, the share of its reversed demonstrations that replay.

Below `reversal.min_yield` the run ends: what is left would be the few trajectories that did the task by chance.
"""

from pathlib import Path

from rev2fwd_il.errors import IrreversibleTaskError

MEANING = "Read backwards, these demonstrations do not do task A: they cannot teach it, and no policy is trained"


def refused_record(report: Path) -> Path:
    """Where the replays of a task that does not reverse are recorded, beside where the report would be.

    Not the report's own path: Snakemake deletes the outputs of a job that fails.
    """
    return report.with_stem(f"{report.stem}_refused")


def why_not_reversible(summary: dict, min_yield: float) -> str | None:
    """One sentence where too few replays of `replay.summarize_replays` succeeded, None where enough did."""
    rate = summary["rate"]
    if not rate["attempts"] or (rate["successes"] and rate["rate"] >= min_yield):
        return None
    low, high = (100 * bound for bound in rate["clopper_pearson_95"])
    counted = f"{rate['successes']} of {rate['attempts']} reversed demonstrations succeed on replay"
    share = f"{100 * rate['rate']:.1f} %, exact 95 % interval {low:.1f} to {high:.1f} %"
    return f"this task does not reverse: {counted} ({share})"


def irreversible(source: str, summary: dict, min_yield: float, record: Path) -> IrreversibleTaskError:
    """The error that ends the run."""
    kinds = [episode["failure"] for episode in summary["episodes"] if not episode["success"]]
    counted = ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds)))
    few = ""
    if summary["rate"]["clopper_pearson_95"][1] >= min_yield:
        few = "; the interval reaches the bound, so more demonstrations would tell (demos.num_episodes)"
    return IrreversibleTaskError(
        f"{source}: {why_not_reversible(summary, min_yield)}\n  meaning:  {MEANING}",
        expected=f"a share of at least {min_yield} (reversal.min_yield)", found=f"failures: {counted}",
        do=f"see {record}; demonstrate task A itself, or change task or plant until its reversals replay{few}",
    )  # fmt: skip
