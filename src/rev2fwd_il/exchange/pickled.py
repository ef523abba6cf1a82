"""Older public files of this method: an NPZ whose `episodes` is a pickled array of dictionaries.

A pickle is a program, and loading one runs it. This reader executes none of it beyond building lists, dictionaries and
numbers: the few NumPy names a plain file mentions stand for the classes below, and any other name ends the reading.
What remains is that a hostile file may ask for much memory and time, and that Python's unpickler itself may have flaws;
so it is asked for by name, in a command of its own, and nothing else here opens such a file.
"""

import math
import pickle
import re
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from rev2fwd_il.data.npz import UNREADABLE, check_unpacked_size
from rev2fwd_il.errors import DataError
from rev2fwd_il.exchange.imported import Imported
from rev2fwd_il.exchange.plain import Completion

MEMBER = "episodes.npy"
NUMBER = re.compile(r"[fiu][1248]|b1")
RISK = (
    "a pickle can run any program on your machine; this reader allows arrays and dictionaries only, and is no sandbox"
)


class _Dtype:
    """Stands for numpy.dtype: a number, or "O" for an array of objects."""

    def __init__(self, name: str, *_):
        if name != "O8" and not NUMBER.fullmatch(name):
            raise pickle.UnpicklingError(f"array of {name!r}")
        self.name, self.order = name, "<"

    def __setstate__(self, state: tuple) -> None:
        self.order = ">" if state[1] == ">" else "<"

    def values(self, data: bytes) -> np.ndarray:
        array = np.frombuffer(data, np.dtype(self.name).newbyteorder(self.order))
        return array.astype(array.dtype.newbyteorder("="))


class _Array:
    """Stands for numpy.ndarray; `value` is an array of numbers, or a list where it held objects."""

    def __init__(self, *_):
        self.value = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        if dtype.name == "O8":
            self.value = list(data)
        elif isinstance(data, bytes) and all(isinstance(n, int) and n >= 0 for n in shape):
            values = dtype.values(data)
            if math.prod(shape) != len(values):
                raise pickle.UnpicklingError(f"array of {len(values)} numbers in shape {shape}")
            self.value = values.reshape(shape, order="F" if fortran else "C")
        else:
            raise pickle.UnpicklingError("array without data")


def _scalar(dtype: _Dtype, data: bytes) -> object:
    return dtype.values(data)[0].item()


NAMES = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Dtype}
for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    NAMES |= {(module, "_reconstruct"): _Array, (module, "scalar"): _scalar}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"names {module}.{name}, which is neither array nor dictionary")
        return NAMES[module, name]


def read(path: str | Path, task: str, *, trusted: bool, relabel: bool = False) -> Imported:
    """Open such a file. Raises DataError unless `trusted`, and for anything but dictionaries of arrays."""
    path = Path(path)
    if not trusted:
        raise DataError(f"{path}: would be unpickled", found=RISK, do="if you know its maker: --trust-pickle")
    completion = Completion(task, relabel=relabel)
    dictionaries = _load(path)
    episodes = (completion.episode(fields, f"{path}, episode {index}") for index, fields in enumerate(dictionaries))
    meta = {"task": task, "kind": "imported", "parents": [str(path)]}
    return Imported(path, meta, episodes, completion.assumed)


def _load(path: Path) -> list[dict]:
    try:
        with zipfile.ZipFile(path) as archive:
            check_unpacked_size(path, archive)
            with archive.open(MEMBER) as member:
                loaded = _load_member(member)
        if not isinstance(loaded, _Array) or not isinstance(loaded.value, list) or not loaded.value:
            raise ValueError("not an array of episodes")
        return [_fields(episode) for episode in loaded.value]
    except (*UNREADABLE, pickle.UnpicklingError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path}: not a pickled dataset of this method", expected=f"`{MEMBER}`, an array of dictionaries",
            found=error,
        ) from None  # fmt: skip


def _load_member(member: IO[bytes]) -> object:
    version = np.lib.format.read_magic(member)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = header(member)
    if not dtype.hasobject:
        raise ValueError(f"`{MEMBER}` is not pickled: it holds {dtype}")
    return _Unpickler(member).load()


def _fields(episode: object) -> dict:
    if not isinstance(episode, dict) or not all(isinstance(name, str) for name in episode):
        raise ValueError(f"an episode is a {type(episode).__name__}")
    return {name: value.value if isinstance(value, _Array) else value for name, value in episode.items()}
