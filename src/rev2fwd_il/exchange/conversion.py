"""From any format here to any other: `convert_dataset(source, out, to)` -> notes on what was assumed or left out."""

from pathlib import Path

from rev2fwd_il.data.npz import refuse_existing
from rev2fwd_il.data.reading import DatasetWriter, EpisodeDataset
from rev2fwd_il.data.schema import EPISODE_FIELDS, FRAME_FIELDS, OPTIONAL_FIELDS
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange import isaaclab, lerobot, robomimic
from rev2fwd_il.exchange.demo_file import DemoFile
from rev2fwd_il.exchange.imported import Imported
from rev2fwd_il.keys import EPISODE_ENDS, META
from rev2fwd_il.running.files import put_in_place, remove, temporary_beside

NPZ, LEROBOT, ISAACLAB, ROBOMIMIC = FORMATS = ("npz", "lerobot", "isaaclab", "robomimic")
MODULES = {LEROBOT: lerobot, ISAACLAB: isaaclab, ROBOMIMIC: robomimic}


def format_of(path: str | Path) -> str:
    """The format of an existing dataset. Raises DataError where it is none of FORMATS."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such dataset")
    if (path / "meta" / "info.json").is_file():
        return LEROBOT
    if path.suffix == ".npz":
        return NPZ
    with DemoFile(path) as file:
        return ROBOMIMIC if file.attribute("", "format_version") is None else ISAACLAB


def convert_dataset(
    source: str | Path, out: str | Path, to: str, *, task: str | None = None, video: bool = False
) -> list[str]:
    """Write `source` to the new `out` in the format `to`, one of FORMATS; `task` where the source does not say it.

    Raises DataError when `source` is damaged or not what was exported, or `out` exists; then nothing is written.
    """
    source, out, found = Path(source), Path(out), format_of(source)
    refuse_existing(out)
    if found == to:
        raise DataError(f"{source}: is in that format already", found=to, do="copy it")
    if found == NPZ:
        return _export(EpisodeDataset(source), out, to, video)
    imported = MODULES[found].read(source, task)
    if to == NPZ:
        return write_imported(imported, out)
    folder = temporary_beside(out.with_name(out.name + "_as_npz"))
    try:
        between = folder / "between.npz"
        return write_imported(imported, between) + _export(EpisodeDataset(between), out, to, video)
    finally:
        remove(folder)


def _export(dataset: EpisodeDataset, out: Path, to: str, video: bool) -> list[str]:
    known = {*FRAME_FIELDS, *OPTIONAL_FIELDS, *EPISODE_FIELDS, EPISODE_ENDS, META}
    notes = [f"field `{name}` is not in the data contract: left out" for name in sorted(set(dataset.arrays) - known)]
    options = {"video": video} if to == LEROBOT else {}
    return notes + MODULES[to].write(dataset, out, **options)


def write_imported(imported: Imported, out: Path) -> list[str]:
    """Write what was imported as an NPZ that keeps the contract, or not at all."""
    refuse_existing(out)
    folder = temporary_beside(out)
    temporary = folder / out.name
    try:
        writer = DatasetWriter(temporary, imported.meta)
        with writer:
            for episode in imported:
                writer.add(episode)
        EpisodeDataset(temporary)
        put_in_place(temporary, out)
    except DataError as error:
        message = str(error).replace(str(temporary), str(imported.path))
        raise DataError(message) from None
    finally:
        remove(folder)
    return imported.notes
