"""Checks of a LeRobot dataset of any maker: that its frames are complete, and that its statistics are its own."""

from pathlib import Path

from rev2fwd_il.data.checks.findings import ERROR, Finding
from rev2fwd_il.exchange.lerobot_reversal.source import open_source


def check_lerobot_dataset(root: Path, *, rewrite_stats: bool = False) -> list[Finding]:
    """Findings; raises DataError where the dataset cannot be read. `rewrite_stats` puts statistics right first."""
    for _ in open_source(root).tables(["index"]):
        pass
    from rev2fwd_il.learning.dataset_statistics import rewrite_stats as rewrite
    from rev2fwd_il.learning.dataset_statistics import stale_features

    if rewrite_stats:
        rewrite(root)
    return [
        Finding(ERROR, "stale_statistics", f"{what}: --rewrite_stats puts it right", field=key, file=str(root))
        for key, what in stale_features(root).items()
    ]
