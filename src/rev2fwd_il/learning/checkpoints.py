"""Where checkpoints lie, and how they appear complete or not at all.

    <out>/checkpoints/checkpoints/004000/pretrained_model/   config.json, model.safetensors,
                                                             policy_preprocessor.json, policy_postprocessor.json,
                                                             preprocessors/, training.json
    <out>/checkpoints/checkpoints/last -> 004000             relative link, switched in one rename, as LeRobot has it
    <out>/resume/snapshot.pt, images/                        only while a training is unfinished

`preprocessors/` holds links to the processor files, which LeRobot's loader wants beside config.json.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError

from rev2fwd_il.errors import CheckpointError
from rev2fwd_il.learning.policy import PolicyBundle, load_bundle
from rev2fwd_il.running.files import put_in_place, remove, temporary_beside
from rev2fwd_il.running.provenance import WEIGHTS

CHECKPOINTS = Path("checkpoints/checkpoints")
PRETRAINED = "pretrained_model"
LAST = "last"
TRAINING = "training.json"
PREPROCESSORS = "preprocessors"


def last_checkpoint(out: Path) -> Path:
    """The path the workflow declares, whether or not it exists yet."""
    return Path(out) / CHECKPOINTS / LAST / PRETRAINED


def step_checkpoint(out: Path, steps: int) -> Path:
    """The checkpoint after `steps` optimizer steps in all."""
    return Path(out) / CHECKPOINTS / f"{steps:06d}" / PRETRAINED


def is_finished(pretrained: Path) -> bool:
    """Weights are written last and removed first (Snakemake removes them before a rerun), so they decide."""
    return (Path(pretrained) / WEIGHTS).is_file()


def steps_done(pretrained: Path) -> int:
    """Optimizer steps in all behind a checkpoint; 0 for one that this project did not write."""
    record = Path(pretrained) / TRAINING
    return int(json.loads(record.read_text())["total_steps"]) if record.is_file() else 0


def check_output(out: Path, steps: int, parent: Path | None = None) -> None:
    """Raise CheckpointError where training would overwrite a finished checkpoint other than its own parent."""
    last = last_checkpoint(out)
    taken = [path for path in (last, step_checkpoint(out, steps)) if is_finished(path)]
    if parent is not None and taken == [last] and last.resolve() == Path(parent).resolve():
        return
    if taken:
        raise CheckpointError(
            f"{taken[0]}: output exists already", do="choose another --out, or remove that checkpoint to train anew"
        )


def write_checkpoint(out: Path, bundle: PolicyBundle, record: dict) -> Path:
    """Write the checkpoint of `record["total_steps"]` and point `last` to it; returns its pretrained_model folder."""
    target = step_checkpoint(out, record["total_steps"])
    with _written_to(target.parent) as temporary:
        folder = temporary / PRETRAINED
        _save(folder, bundle)
        (folder / TRAINING).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        if target.parent.exists():  # an unfinished one: `check_output` has seen to that
            shutil.rmtree(target.parent)
    _point_last_to(target.parent)
    return target


def _save(folder: Path, bundle: PolicyBundle) -> None:
    bundle.policy.save_pretrained(folder)
    bundle.preprocessor.save_pretrained(folder)
    bundle.postprocessor.save_pretrained(folder)
    (folder / PREPROCESSORS).mkdir()
    for file in sorted(folder.glob("policy_p*processor*")):
        (folder / PREPROCESSORS / file.name).symlink_to(Path("..") / file.name)


def migrate_checkpoint(source: Path, out: Path) -> None:
    """Write the checkpoint in the folder `source` as one of today into the new folder `out`, with its record."""
    if out.exists():
        raise CheckpointError(f"{out}: output exists already", do="choose another --out")
    bundle = load_bundle(source)
    with _written_to(out) as temporary:
        _save(temporary, bundle)
        if (source / TRAINING).is_file():
            shutil.copy(source / TRAINING, temporary / TRAINING)


def copy_checkpoint(out: Path, parent: Path, record: dict) -> Path:
    """Write the checkpoint `parent` again into another run, with a record of its own; returns its new folder."""
    target = step_checkpoint(out, steps_done(parent))
    with _written_to(target.parent) as temporary:
        shutil.copytree(parent, temporary / PRETRAINED, symlinks=True)
        (temporary / PRETRAINED / TRAINING).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        if target.parent.exists():
            shutil.rmtree(target.parent)
    _point_last_to(target.parent)
    return target


@contextlib.contextmanager
def _written_to(path: Path) -> Iterator[Path]:
    """A temporary name that is renamed to `path`; raises CheckpointError where the disk does not take it."""
    temporary = temporary_beside(path)
    try:
        yield temporary
        put_in_place(temporary, path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch.save says RuntimeError for a full disk
        raise CheckpointError(
            f"{path}: could not be written", found=error,
            do="free space or correct permissions, then start again: the last snapshot is continued",
        ) from error  # fmt: skip
    finally:
        remove(temporary)


def _point_last_to(folder: Path) -> None:
    last = folder.with_name(LAST)
    if last.is_dir() and not last.is_symlink():  # Snakemake makes the folders of the outputs it expects
        if is_finished(last / PRETRAINED):
            raise CheckpointError(f"{last}: is a folder with a checkpoint", expected="a link", do="move it away")
        shutil.rmtree(last)
    link = temporary_beside(last)
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    os.replace(link, last)


def snapshot_path(out: Path) -> Path:
    """Where an unfinished training leaves what a resume needs."""
    return Path(out) / "resume" / "snapshot.pt"


def save_snapshot(path: Path, state: dict) -> None:
    """Write tensors and plain values, replacing the previous snapshot in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _written_to(path) as temporary:
        torch.save(state, temporary)


def load_snapshot(path: Path, settings: dict) -> dict | None:
    """Read a snapshot of a training with these settings; None where code from before SNAPSHOT_VERSION wrote it.

    Raises CheckpointError where it belongs to a training with other settings.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, unpickling and I/O errors alike
        raise CheckpointError(f"{path}: not a readable snapshot", found=error, do="remove it to start anew") from error
    if state["settings"].get("snapshot_version") != settings["snapshot_version"]:
        return None
    differing = sorted(key for key in settings if state["settings"].get(key) != settings[key])
    if differing:
        raise CheckpointError(
            f"{path}: belongs to a training with other settings",
            expected={key: settings[key] for key in differing},
            found={key: state["settings"].get(key) for key in differing},
            do="repeat those settings; to start anew remove that file, or leave out --resume",
        )  # fmt: skip
    return state


def image_folder(out: Path) -> Path:
    """Where an unfinished training keeps decoded images that do not fit into memory."""
    return snapshot_path(out).with_name("images")


def remove_leftovers(out: Path) -> None:
    """Drop what a finished training needs no more."""
    shutil.rmtree(snapshot_path(out).parent, ignore_errors=True)
