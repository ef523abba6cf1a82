"""What a training is asked to do, and what is written down about it."""

from dataclasses import dataclass, field
from pathlib import Path

from rev2fwd_il.config import Config
from rev2fwd_il.learning.conversion import read_sidecar
from rev2fwd_il.provenance import content_hash, made_by


@dataclass(frozen=True)
class TrainingRun:
    """What one call of `train` is to do. `steps` counts this run only; a finetune adds them to its parent's."""

    dataset: Path
    out: Path
    config: Config
    steps: int
    lr: float
    parent: Path | None = None
    resume: bool = False
    stop_after: int | None = field(default=None, repr=False)  # leave after that step, as if killed (tests)

    def settings(self, processes: int) -> dict:
        """What must be the same for a resume to continue the same training; plain values only."""
        ignored = {"device", "save_every", "num_processes", "steps", "finetune_steps", "lr", "finetune_lr"}
        return {
            "steps": self.steps,
            "lr": self.lr,
            "seed": self.config.seed,
            "processes": processes,
            "data": [entry["fingerprint"] for entry in read_sidecar(self.dataset)["sources"]],
            "parent": content_hash(self.parent) if self.parent else None,
            "policy": self.config.policy.model_dump(mode="json"),
            "train": self.config.train.model_dump(mode="json", exclude=ignored),
            "max_share": self.config.rollout.max_share,
        }

    def record(self, processes: int, total_steps: int, **outcome) -> dict:
        """training.json: what made a checkpoint."""
        steps, lr = ("train.finetune_steps", "train.finetune_lr") if self.parent else ("train.steps", "train.lr")
        record = made_by(
            self.config.with_leaves({steps: self.steps, lr: self.lr, "train.num_processes": processes}),
            kind="finetuned" if self.parent else "trained",
            seed=self.config.seed,
            task=read_sidecar(self.dataset).get("made_by", {}).get("task"),
            parents=[self.dataset, *([self.parent] if self.parent else [])],
        )
        return {
            **self.settings(processes),
            "made_by": record,
            "total_steps": total_steps,
            "data": read_sidecar(self.dataset)["sources"],
            "effective_batch_size": processes * self.config.train.batch_size,
            **outcome,
        }
