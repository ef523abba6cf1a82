"""A first reading of an HDF5 file in a process of its own, of bounded computing time.

A damaged file can send the HDF5 library round in circles, where nothing can stop it but the end of its process (the
fuzz run found such files, tests/files/endless.hdf5 is one). So another process walks through the whole file first;
whether it comes to an end is the answer. What it finds wrong in an orderly way is left to the reader, which names the
place.
"""

import os
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from rev2fwd_il.errors import DataError

CPU_S, BYTES_PER_CPU_S = 10, 10_000_000  # for any file, and for its size; a busy machine must not refuse a good file
WALK = """
import resource, sys

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]),) * 2)
import h5py

def walk(node, size):
    list(node.attrs.items())
    for name in node:
        if not isinstance(node.get(name, getlink=True), h5py.HardLink):
            continue
        child = node[name]
        if isinstance(child, h5py.Group):
            walk(child, size)
        elif isinstance(child, h5py.Dataset) and not child.external and not child.is_virtual:
            list(child.attrs.items())
            if child.nbytes <= 1100 * size:
                child[()]

try:
    with h5py.File(sys.argv[1], "r") as file:
        walk(file, int(sys.argv[2]))
except Exception:
    pass
"""


def probe(path: str | Path) -> None:
    """Raises DataError when reading the file does not end, or ends the reader. An unchanged file is read once."""
    status = os.stat(path)
    found = _outcome(str(path), status.st_mtime_ns, status.st_size)
    if found:
        raise DataError(f"{path}: damaged HDF5 file", found=found, do="get the file again")


@lru_cache(maxsize=64)
def _outcome(path: str, _modified_ns: int, size: int) -> str | None:
    limit_s = CPU_S + size // BYTES_PER_CPU_S
    done = subprocess.run([sys.executable, "-I", "-c", WALK, path, str(size), str(limit_s)], capture_output=True)
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"reading it does not end within {limit_s} s of computing"
    return f"reading it ends in signal {-done.returncode}" if done.returncode < 0 else None
