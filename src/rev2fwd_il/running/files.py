"""Files and folders that appear whole or not at all, a kill or a power loss in between included.

temporary = temporary_beside(path)        # .{name}.{host}-{pid}.tmp, on the same file system
...                                       # write the file or the folder
put_in_place(temporary, path)
"""

import glob
import os
import platform
import shutil
from pathlib import Path

import psutil


def temporary_beside(path: Path) -> Path:
    """A name to write under. What a process that is gone left under such a name of this path is removed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if is_stale(left):
            remove(left)
    return path.with_name(f".{path.name}.{_host()}-{os.getpid()}.tmp")


def is_stale(temporary: Path) -> bool:
    """Whether a process of this machine wrote under this temporary name, and is gone."""
    host, _, pid = temporary.name.split(".")[-2].rpartition("-")
    return host == _host() and pid.isdigit() and not psutil.pid_exists(int(pid))


def _host() -> str:
    return platform.node().replace(".", "_")


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename, with the contents on the disk before the name and the name before the return. Raises OSError."""
    for each in [*temporary.rglob("*"), temporary] if temporary.is_dir() else [temporary]:
        if not each.is_symlink():
            _sync(each)
    os.replace(temporary, path)
    _sync(path.parent)


def remove(path: Path) -> None:
    """Delete a file or a folder, there or not."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
