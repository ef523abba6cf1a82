"""Whether a checkpoint is there, without importing LeRobot: that takes longer than anything else a check would do."""

from pathlib import Path

from rev2fwd_il.errors import CheckpointError
from rev2fwd_il.provenance import WEIGHTS

REQUIRED = ("config.json", WEIGHTS, "policy_preprocessor.json")


def check_checkpoint(path: str | Path) -> None:
    """Raise CheckpointError where `path` is no folder pretrained_model with all it needs."""
    path = Path(path)
    missing = [name for name in REQUIRED if not (path / name).is_file()]
    if missing:
        raise CheckpointError(
            f"Policy checkpoint not found: {path}", expected="a pretrained_model folder with config.json and weights",
            found=f"no {', '.join(missing)}" if path.is_dir() else "no such folder",
            do="make sure the initial training completed; the path ends in checkpoints/last/pretrained_model",
        )  # fmt: skip
