"""The HDF5 layout that robomimic defined and Isaac Lab took over: /data/demo_0, /data/demo_1, ... with attributes.

    write_demos(path, {"env_args": ...}, demos)        demos: ({"obs/ee_pose": (T, 7), ...}, {"success": True}), ...
    with open_demos(path) as file: file.demos(); file.read("demo_0", "obs/ee_pose")

Files are written in HDF5's newest format, in chunks with checksums. Reading follows no link out of the file, opens no
external storage and allocates nothing that the file could not hold.
"""

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from rev2fwd_il.data.npz import refuse_existing
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.hdf5_probe import probe
from rev2fwd_il.running.files import put_in_place, temporary_beside

DATA = "data"
GZIP_LEVEL, GZIP_RATIO = 2, 1100  # deflate cannot pack tighter than 1032 : 1
CHUNK_BYTES = 2**20
DAMAGED = (*(OSError, KeyError, ValueError, TypeError, RuntimeError), *(MemoryError, OverflowError, AttributeError))


def write_demos(
    path: Path, file_attributes: dict, demos: Iterable[tuple[dict, dict]], final: callable, masks: dict | None = None
) -> None:
    """Write arrays and attributes of each demo, then the attributes of /data that `final()` gives, whole or not at all.

    `masks` is filled while demos are written: name -> demo names, as robomimic's filter keys.
    """
    refuse_existing(path)
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(temporary, "w", libver="latest") as file:
            file.attrs.update(file_attributes)
            group, total = file.create_group(DATA), 0
            for index, (arrays, attributes) in enumerate(demos):
                demo = group.create_group(f"demo_{index}")
                demo.attrs.update(attributes | {"num_samples": len(arrays["actions"])})
                total += len(arrays["actions"])
                for name, array in arrays.items():
                    _write_array(demo, name, array)
            group.attrs.update({"total": total} | final())
            for name, members in (masks or {}).items():
                file[f"mask/{name}"] = np.array(members, dtype="S")
        put_in_place(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: could not be written", found=error, do="free space or fix permissions") from None
    finally:
        temporary.unlink(missing_ok=True)


def _write_array(demo: h5py.Group, name: str, array: np.ndarray) -> None:
    rows = max(1, min(len(array), CHUNK_BYTES // max(1, array[:1].nbytes)))
    demo.create_dataset(
        name, data=array, chunks=(rows, *array.shape[1:]), compression="gzip", compression_opts=GZIP_LEVEL,
        fletcher32=True,
    )  # fmt: skip


class DemoFile:
    """An open HDF5 file of demos. Everything that goes wrong in it is a DataError that names the place."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise DataError(
                f"{path}: no such file", do="check the path; a LeRobot dataset is a folder with meta/info.json"
            )
        probe(self.path)
        try:
            self._file = h5py.File(self.path, "r")
        except DAMAGED as error:
            raise DataError(
                f"{path}: not a readable HDF5 file", found=error,
                do="get it again; a LeRobot dataset is a folder, for pickled files see convert_pickled_dataset.py",
            ) from None  # fmt: skip

    def __enter__(self) -> "DemoFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def demos(self) -> list[str]:
        """Names of the demos by number."""
        try:
            names = list(self._node(DATA))
            return sorted(names, key=lambda name: int(name.rsplit("_", 1)[1]))
        except (*DAMAGED, IndexError) as error:
            raise DataError(f"{self.path}: has no demos", expected="/data/demo_0, ...", found=error) from None

    def attribute(self, place: str, name: str, default: object = None) -> object:
        """An attribute of a group ("" for the file itself), or `default` where it is absent."""
        try:
            attributes = self._node(place).attrs
            return attributes[name] if name in attributes else default  # noqa: SIM401 (`get` hides a damaged attribute)
        except DAMAGED as error:
            raise DataError(f"{self.path}: attribute {place}/{name} cannot be read", found=error) from None

    def names(self, place: str) -> list[str]:
        """What a group holds; empty where it is absent."""
        try:
            return sorted(self._node(place)) if place in self._file else []
        except DAMAGED as error:
            raise DataError(f"{self.path}: {place} cannot be read", found=error) from None

    def read(self, demo: str, name: str, shape: tuple, dtype: type) -> np.ndarray:
        """The array of a demo; `shape` with None where anything goes."""
        place = f"{DATA}/{demo}/{name}"
        try:
            dataset = self._node(place)
            if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
                raise ValueError("no array stored in this file")
            if dataset.dtype != dtype or len(dataset.shape) != len(shape) or any(
                want not in (None, have) for want, have in zip(shape, dataset.shape)
            ):  # fmt: skip
                raise ValueError(f"{dataset.shape} {dataset.dtype}, expected {shape} {np.dtype(dtype)}")
            if dataset.nbytes > GZIP_RATIO * min(dataset.id.get_storage_size(), self.path.stat().st_size):
                raise ValueError(f"claims {dataset.nbytes} bytes, more than the file can hold")
            return dataset[()]
        except DAMAGED as error:
            raise DataError(
                f"{self.path}: {place} cannot be read", expected=f"{shape} {np.dtype(dtype)}", found=error
            ) from None

    def _node(self, place: str) -> h5py.Group | h5py.Dataset:
        """The object at a path, reached by hard links alone: soft and external links may lead anywhere."""
        node = self._file
        for part in filter(None, place.split("/")):
            if not isinstance(node.get(part, getlink=True), h5py.HardLink):
                raise ValueError(f"{part} in {place} is a link, not an object of this file")
            node = node[part]
        return node
