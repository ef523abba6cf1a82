"""What a training is asked to do, and what is written down about it."""

from dataclasses import dataclass, field
from pathlib import Path

from rev2fwd_il.config.run import Config
from rev2fwd_il.learning.dataset_writing import read_sidecar
from rev2fwd_il.running.provenance import content_hash, made_by
from rev2fwd_il.tasks import task_of
from rev2fwd_il.tasks.task import Task

# 3 had no moved scenes; 2 no precision, noises and auxiliary weight; 1 the settings of policies in one section.
SNAPSHOT_VERSION = 4
# What may differ when a training is resumed, or is named for itself in its settings.
NOT_RESUMED = {"device", "save_every", "memory_gb", "num_processes", "steps", "finetune_steps", "lr", "finetune_lr"}


@dataclass(frozen=True)
class TrainingRun:
    """What one call of `train` is to do. `steps` counts this run only; a finetune adds them to its parent's."""

    dataset: Path
    out: Path
    config: Config
    steps: int
    lr: float
    parent: Path | None = None
    start_from: Path | None = None  # a checkpoint whose weights alone are taken over
    resume: bool = False
    stop_after: int | None = field(default=None, repr=False)  # leave after that step, as if killed (tests)

    def task(self) -> Task:
        """The task that the dataset is of."""
        return task_of(read_sidecar(self.dataset).get("made_by", {}))

    def settings(self, processes: int) -> dict:
        """What must be the same for a resume to continue the same training; plain values only."""
        return {
            "snapshot_version": SNAPSHOT_VERSION,
            "steps": self.steps,
            "lr": self.lr,
            "seed": self.config.seed,
            "processes": processes,
            "data": [source.get("hash") or source["fingerprint"] for source in read_sidecar(self.dataset)["sources"]],
            "parent": content_hash(self.parent) if self.parent else None,
            **({"start_from": content_hash(self.start_from)} if self.start_from else {}),
            "policy": self.config.policy.model_dump(mode="json"),
            "train": self.config.train.model_dump(mode="json", exclude=NOT_RESUMED),
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
            parents=[self.dataset, *(path for path in (self.parent, self.start_from) if path)],
        )
        return {
            **self.settings(processes),
            "made_by": record,
            "total_steps": total_steps,
            "data": read_sidecar(self.dataset)["sources"],
            "effective_batch_size": processes * self.config.train.batch_size,
            **outcome,
        }
