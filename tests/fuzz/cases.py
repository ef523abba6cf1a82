"""One fuzz case: an original, a damaged copy, and what the readers of this project make of it.

    refused   a Rev2FwdError says why, or the checksum check finds the damage
    equal     what is read equals the original
    other     another content in a file whose own checksums are right (only where the mutation made it so)
    WRONG     another content, unnoticed

Anything else is an exception, and the case has failed.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic import make_episode, with_objects, write_dataset
from synthetic_run import write_run

from fuzz.mutations import mutated, rezipped
from rev2fwd_il.data.checks.validation import validate
from rev2fwd_il.data.npz import damaged_member
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.schema import FRAME_FIELDS, OPTIONAL_FIELDS
from rev2fwd_il.errors import Rev2FwdError
from rev2fwd_il.exchange.conversion import MODULES, convert_dataset, format_of
from rev2fwd_il.exchange.imported import ContentDigest
from rev2fwd_il.reporting.gathering import gather
from rev2fwd_il.running.json_files import read_json, write_json

REFUSED, EQUAL, OTHER, WRONG = "refused", "equal", "other", "WRONG"
KINDS = ("npz", "npz", "npz", "packed", "rezipped", "isaaclab", "robomimic", "lerobot", "json", "json")


def write_originals(folder: Path) -> None:
    """Small datasets in every format, and the results of a run."""
    frames = slice(0, 120, 6)
    episodes = []
    for seed in (0, 1):
        whole = with_objects(make_episode(seed, size=8))
        cut = {name: getattr(whole, name)[frames] for name in (*FRAME_FIELDS, *OPTIONAL_FIELDS)}
        episodes.append(whole.replace(**cut, success=seed == 0))
    npz = write_dataset(folder / "npz.npz", episodes, object_names=["lid", "tray"])
    np.savez_compressed(folder / "packed.npz", **EpisodeDataset(npz).arrays)
    for form in ("isaaclab", "robomimic"):
        convert_dataset(npz, folder / f"{form}.hdf5", form)
    convert_dataset(npz, folder / "lerobot", "lerobot")
    write_run(folder / "run", iterations=1)
    for path in (folder / "run").rglob("*.json"):
        write_json(path, json.loads(path.read_text()))


class Cases:
    """Cases by number: the same number is the same damage to the same originals."""

    def __init__(self, originals: Path, work: Path):
        self.originals, self.work = originals, work
        work.mkdir(parents=True, exist_ok=True)
        self.truth = {kind: self.read(kind, originals) for kind in set(KINDS) - {"rezipped"}}
        self.truth["rezipped"] = self.truth["npz"]

    def run(self, number: int) -> tuple[str, str]:
        """(kind, outcome) of a case; raises what a reader raises beyond Rev2FwdError."""
        rng = np.random.default_rng(number)
        kind = KINDS[rng.integers(len(KINDS))]
        name = {"lerobot": "lerobot", "json": "run", "rezipped": "npz.npz"}.get(kind) or next(
            path.name for path in self.originals.glob(f"{kind}.*")
        )
        target = self.work / name
        if target.is_dir():
            shutil.rmtree(target)
        if (self.originals / name).is_dir():
            shutil.copytree(self.originals / name, target)
            files = sorted(path for path in target.rglob("*") if path.suffix in (".json", ".parquet"))
            victim = files[rng.integers(len(files))]
        else:
            victim = target
            shutil.copyfile(self.originals / name, target)
        content = victim.read_bytes()
        victim.write_bytes(rezipped(content, rng) if kind == "rezipped" else mutated(content, rng))
        try:
            found = self.read(kind, self.work)
        except Rev2FwdError:
            return kind, REFUSED
        if found == self.truth[kind]:
            return kind, EQUAL
        return kind, OTHER if kind == "rezipped" else WRONG

    def read(self, kind: str, folder: Path) -> str:
        """A digest of everything that is read."""
        if kind == "json":
            return _results(folder / "run")
        if kind in ("npz", "packed", "rezipped"):
            return _npz(folder / ("packed.npz" if kind == "packed" else "npz.npz"))
        path = folder / ("lerobot" if kind == "lerobot" else f"{kind}.hdf5")
        imported = MODULES[format_of(path) if folder != self.originals else kind].read(path, "B")
        return _content(imported.meta, imported)


def _content(meta: dict, episodes) -> str:
    digest = ContentDigest(meta)
    for episode in episodes:
        digest.add(episode)
    return digest.hexdigest()


def _npz(path: Path) -> str:
    dataset = EpisodeDataset(path)
    validate(dataset)
    if (bad := damaged_member(path)) is not None:
        raise Rev2FwdError(f"{path}: `{bad}` is damaged")
    return _content(dataset.meta, dataset)


def _results(root: Path) -> str:
    """Refuses like the report does, by naming the file; every file is read, and so is the table made of them."""
    results = gather("circle", root / "data", root / "runs")
    table = json.dumps([results.rows(), results.to_dict()], sort_keys=True)
    for path in sorted(root.rglob("*.json")):
        read_json(path, signed=True)
    return hashlib.sha256(table.encode()).hexdigest()
