"""NPZ datasets -> one LeRobot v3 dataset folder: original demonstrations first, rollouts after them.

    sources = [Source(Path("data/A_circle.npz")), Source(Path("data/rollout_A_circle_iter1.npz"), ROLLOUT)]
    write_lerobot_dataset(sources, Path("data/merged_A_circle_iter1"))

LeRobot records frame by frame (`add_frame`, `save_episode`); here an episode is one Arrow table and one call of
LeRobot's own statistics and metadata functions. What is read back is the same (tests/learning/test_dataset_writing.py),
and images are stored without loss, as PNG inside the Parquet files. The folder appears complete or not at all.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata

from rev2fwd_il import keys
from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.data.checks.validation import open_checked
from rev2fwd_il.data.reading import Episode, EpisodeDataset
from rev2fwd_il.errors import DataError, EmptyRolloutError
from rev2fwd_il.learning.episode_tables import EpisodeTables, dataset_features
from rev2fwd_il.learning.table_files import sort_stats
from rev2fwd_il.running.files import put_in_place, temporary_beside
from rev2fwd_il.running.provenance import SIDECAR, content_hash, inherited, made_by
from rev2fwd_il.tasks import task_of
from rev2fwd_il.tasks.task import Task

ORIGINAL, ROLLOUT = "original", "rollout"
DEFAULT_FPS = 30
REPO_ID = "local/rev2fwd"
NO_DATA_ADVICE = "the policy failed immediately: try reducing distance_threshold or check the policy's training"


@dataclass(frozen=True)
class Source:
    """One NPZ file and what it holds: the original demonstrations, or rollouts of a policy."""

    path: Path
    kind: str = ORIGINAL


def write_lerobot_dataset(
    sources: list[Source],
    out: Path,
    *,
    images: bool = False,
    include_failures: bool = False,
    max_slowness: float = 0.0,
    exact: bool = False,
    allow_no_rollouts: bool = False,
) -> dict:
    """Write the LeRobot dataset `out` and return its sidecar (what `read_sidecar(out)` gives).

    Failed attempts are left out unless `include_failures`; so are, with `max_slowness` above 0, rollouts longer than
    this times the longest original: a policy that imitates its own detours keeps them. `exact` adds what exchange needs
    (episode_tables.py). Raises EmptyRolloutError where nothing is left of the originals or, unless `allow_no_rollouts`,
    of all the rollouts; DataError where `out` is in use or a source lacks the images asked for.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: exists already", do="remove it or choose another --lerobot_dataset_dir")
    opened = EpisodeDataset if exact else open_checked  # exchange carries what is there, training refuses what is wrong
    datasets = [(source, opened(source.path)) for source in sources]
    kept = _kept(datasets, include_failures, max_slowness)
    counts = [_counts(source, dataset, which) for (source, dataset), which in zip(datasets, kept)]
    _check_not_empty([entry for entry in counts if entry["kind"] == ORIGINAL or not allow_no_rollouts])
    if images:
        _check_images([(source, dataset) for source, dataset in datasets if len(dataset)])
    temporary = temporary_beside(out)
    shutil.rmtree(temporary, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(temporary, datasets, kept, images, exact)
        selection = {"include_failures": include_failures, "max_slowness": max_slowness}
        config = with_changes([], policy={"images": images}, rollout=selection)
        kind = "merged" if any(source.kind == ROLLOUT for source in sources) else "converted"
        parents, task = [source.path for source in sources], datasets[0][1].meta.get("task")
        sidecar = {"sources": counts, "images": images} | selection
        sidecar["made_by"] = made_by(config, kind=kind, seed=None, task=task, parents=parents)
        sidecar["made_by"] |= inherited(datasets[0][1].meta)
        (temporary / SIDECAR).write_text(json.dumps(sidecar, indent=2) + "\n")
        put_in_place(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sidecar


def read_sidecar(root: Path) -> dict:
    """{"sources": [{path, kind, episodes, frames, hash}, ...], ...}, as `write_lerobot_dataset` wrote it."""
    try:
        return json.loads((Path(root) / SIDECAR).read_text())
    except FileNotFoundError:
        raise DataError(
            f"{root}: not a dataset of this project", expected=f"{SIDECAR} inside it", found="no such file",
            do="write it with 4_train_diffusion.py or 7_finetune_with_rollout.py, --convert_only",
        ) from None  # fmt: skip


def check_sources(root: Path, sources: list[Source]) -> None:
    """Raise DataError unless `root` was converted from exactly these files with exactly their present contents."""
    sidecar = read_sidecar(root)
    recorded = [(entry["kind"], found) for entry, found in zip(sidecar["sources"], _source_hashes(sidecar))]
    wanted = [(source.kind, content_hash(source.path)) for source in sources]
    if recorded != wanted:
        raise DataError(
            f"{root}: was converted from other data",
            expected=[str(source.path) for source in sources], found=[e["path"] for e in sidecar["sources"]],
            do="remove it to convert anew, or choose another --lerobot_dataset_dir",
        )  # fmt: skip


def _source_hashes(sidecar: dict) -> list[str]:
    """Content hashes of the sources; a sidecar of former code has them in its record only."""
    parents = [parent["hash"] for parent in sidecar.get("made_by", {}).get("parents", [])]
    return [entry.get("hash") or remembered for entry, remembered in zip(sidecar["sources"], parents)]


def longest_rollout(demonstrations: list[EpisodeDataset], max_slowness: float) -> float:
    """How long a rollout that is trained on may be [control steps]; `max_slowness` 0: as long as it is."""
    lengths = [int((each.ends - each.starts)[each.success].max(initial=0)) for each in demonstrations]
    return max_slowness * max(lengths, default=np.inf) if max_slowness else np.inf


def to_learn_from(dataset: EpisodeDataset, include_failures: bool, longest: float = np.inf) -> np.ndarray:
    """The numbers of the episodes that a dataset for training keeps."""
    return np.flatnonzero((dataset.success | include_failures) & (dataset.ends - dataset.starts <= longest))


def _kept(
    datasets: list[tuple[Source, EpisodeDataset]], include_failures: bool, max_slowness: float
) -> list[np.ndarray]:
    longest = longest_rollout([dataset for source, dataset in datasets if source.kind == ORIGINAL], max_slowness)
    bounds = {ORIGINAL: np.inf, ROLLOUT: longest}
    return [to_learn_from(dataset, include_failures, bounds[source.kind]) for source, dataset in datasets]


def _counts(source: Source, dataset: EpisodeDataset, kept: np.ndarray) -> dict:
    return {
        "path": str(source.path),
        "kind": source.kind,
        "episodes": len(kept),
        "frames": int((dataset.ends - dataset.starts)[kept].sum()),
        "hash": content_hash(source.path),
    }


def _check_not_empty(counts: list[dict]) -> None:
    for kind in (ORIGINAL, ROLLOUT):
        entries = [entry for entry in counts if entry["kind"] == kind]
        if entries and not sum(entry["episodes"] for entry in entries):
            what = "No rollout data collected" if kind == ROLLOUT else "No training data"
            raise EmptyRolloutError(
                f"{what}: no successful episode in {', '.join(entry['path'] for entry in entries)}", do=NO_DATA_ADVICE
            )


def _check_images(datasets: list[tuple[Source, EpisodeDataset]]) -> None:
    for source, dataset in datasets:
        missing = [name for name in (keys.IMAGES, keys.WRIST_IMAGES) if name not in dataset.arrays]
        if missing:
            raise DataError(
                f"{source.path}: has no images for a policy that sees", expected=[keys.IMAGES, keys.WRIST_IMAGES],
                found=f"without {', '.join(missing)}", do="record with cameras, or train with policy.images=false",
            )  # fmt: skip
    shapes = {str(source.path): dataset.arrays[keys.IMAGES].shape[1:] for source, dataset in datasets}
    if len(set(shapes.values())) > 1:
        raise DataError("image sizes differ between the sources", expected="one size", found=shapes)


def _write(
    root: Path, datasets: list[tuple[Source, EpisodeDataset]], kept: list[np.ndarray], images: bool, exact: bool
) -> None:
    first = datasets[0][1]
    image_shape = first.arrays[keys.IMAGES].shape[1:] if images else None
    fps = int(first.meta.get("fps", DEFAULT_FPS))
    objects, task = first.meta.get(keys.OBJECT_NAMES, ()), task_of(first.meta)
    table = dataset_features(task, image_shape, exact=exact, objects=objects)
    meta = LeRobotDatasetMetadata.create(REPO_ID, fps, table, root=root, use_videos=False, metadata_buffer_size=1000)
    with EpisodeTables(meta, task) as tables:
        for text, episode, rollout in _episodes(task, datasets, kept):
            tables.add(episode, text, rollout=rollout)
    sort_stats(root)


def _episodes(
    task: Task, datasets: list[tuple[Source, EpisodeDataset]], kept: list[np.ndarray]
) -> Iterator[tuple[str, Episode, bool]]:
    """Instruction, episode, and whether it is a rollout."""
    for (source, dataset), which in zip(datasets, kept):
        text = task.texts.get(dataset.meta.get("task"))
        if text is None:
            raise DataError(f"{source.path}: unknown task", expected=keys.TASKS, found=dataset.meta.get("task"))
        yield from ((text, dataset[int(i)], source.kind == ROLLOUT) for i in which)
