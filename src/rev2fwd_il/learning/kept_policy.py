"""An iteration that collected no data for a task ends cleanly: the policy it started from is its policy."""

import json
import os
from pathlib import Path

from rev2fwd_il.config.run import Config
from rev2fwd_il.config.sections import RolloutConfig
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.learning.checkpoints import TRAINING, check_output, copy_checkpoint, last_checkpoint, steps_done
from rev2fwd_il.learning.dataset_writing import longest_rollout, read_sidecar, to_learn_from
from rev2fwd_il.running.provenance import made_by, shown_path


def collected_nothing(rollouts: list[Path], demonstrations: Path, config: RolloutConfig) -> bool:
    """Whether no episode of these datasets is one to learn from beside the demonstrations."""
    longest = longest_rollout([EpisodeDataset(demonstrations)], config.max_slowness)
    datasets = [EpisodeDataset(path) for path in rollouts]
    return not any(len(to_learn_from(dataset, config.include_failures, longest)) for dataset in datasets)


def keep_policy(config: Config, dataset: Path, parent: Path, out: Path) -> Path:
    """Make the checkpoint `parent` that of the run `out`, unchanged; its record says why. Returns its folder."""
    if last_checkpoint(out).resolve() == parent.resolve():
        return parent
    check_output(out, steps_done(parent))
    source = parent / TRAINING
    record = json.loads(source.read_text()) if source.is_file() else {"total_steps": 0}
    sidecar = read_sidecar(dataset)
    task = sidecar.get("made_by", {}).get("task")
    record |= {
        "note": f"No rollout data collected: the policy of {shown_path(parent)} is kept",
        "data": sidecar["sources"],
        "made_by": made_by(config, kind="kept", seed=config.seed, task=task, parents=[dataset, parent]),
    }
    if int(os.environ.get("RANK", 0)):  # the first of torchrun's processes writes
        return last_checkpoint(out)
    return copy_checkpoint(out, parent, record)
