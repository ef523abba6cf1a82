"""NPZ files as this project writes and reads them: streamed, atomic, mapped, and never pickled.

Members are stored uncompressed, so each array is one contiguous block of the file that `map_npz` maps instead of
reading; `numpy.load(path)` opens the same file. Compressed members written elsewhere are read into memory, where the
file unpacks to no more than MAX_UNPACK_RATIO times its size (64 MiB are always allowed): deflate alone packs zeros
1032 : 1, so that a small file could claim all memory.
"""

import contextlib
import math
import os
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

from rev2fwd_il.errors import DataError
from rev2fwd_il.running.files import put_in_place, temporary_beside

BLOCK_BYTES = 2**24  # rows are copied in blocks of about this size
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp: the same arrays give the same bytes
MAX_UNPACK_RATIO, FREE_UNPACK_BYTES = 100, 2**26
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError),
    *(RuntimeError, SyntaxError, TokenError, OverflowError, MemoryError, TypeError, KeyError),
)


def refuse_existing(path: str | Path) -> None:
    """Raises DataError if `path` is taken: nothing here is updated in place."""
    if Path(path).exists():
        raise DataError(f"{path}: exists already", do="remove it or choose another output path")


def write_arrays(path: str | Path, arrays: dict) -> None:
    """Write arrays (NumPy or h5py; the first axis is streamed) to a temporary name, then rename it to `path`.

    Raises DataError when `path` exists, an array holds Python objects, or the disk does not take it.
    """
    path = Path(path)
    refuse_existing(path)
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, array in arrays.items():
                _write_member(archive, path, name, array)
        put_in_place(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: could not be written", found=error, do="free space or fix permissions") from None
    finally:
        temporary.unlink(missing_ok=True)


def _write_member(archive: zipfile.ZipFile, path: Path, name: str, array) -> None:
    if array.dtype.hasobject:
        raise DataError(f"{path}: field `{name}` holds Python objects", expected="numbers or text", found=array.dtype)
    with archive.open(zipfile.ZipInfo(f"{name}.npy", ZIP_TIME), "w", force_zip64=True) as member:
        header = {
            "descr": np.lib.format.dtype_to_descr(array.dtype),
            "fortran_order": False,
            "shape": tuple(array.shape),
        }
        np.lib.format.write_array_header_2_0(member, header)
        if array.ndim == 0:
            member.write(np.asarray(array).tobytes())
            return
        rows = max(1, BLOCK_BYTES // max(1, array.dtype.itemsize * math.prod(array.shape[1:])))
        for start in range(0, len(array), rows):
            member.write(np.ascontiguousarray(array[start : start + rows]).tobytes())


def map_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Name -> read-only memory-mapped array. Raises DataError for a missing, damaged or pickled file."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such dataset", do="build it (`snakemake -n` shows how) or check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            check_unpacked_size(path, archive)
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            return {info.filename.removesuffix(".npy"): _map_member(path, archive, info) for info in members}
    except UNREADABLE as error:
        raise DataError(
            f"{path}: not a readable NPZ", expected="an NPZ without object arrays (no pickle)",
            found=error or type(error).__name__,
            do="if a writer was killed or the disk was full, delete the file and build it again",
        ) from None  # fmt: skip


def check_unpacked_size(path: Path, archive: zipfile.ZipFile) -> None:
    """Raises DataError where the members, as the archive states them, are too many bytes for a file of its size."""
    unpacked, packed = sum(info.file_size for info in archive.infolist()), path.stat().st_size
    if unpacked > max(FREE_UNPACK_BYTES, MAX_UNPACK_RATIO * packed):
        raise DataError(
            f"{path}: unpacks to too much",
            expected=f"at most {MAX_UNPACK_RATIO} times its {packed} bytes, or {FREE_UNPACK_BYTES} bytes",
            found=f"{unpacked} bytes, {unpacked / max(1, packed):.0f} times its size",
            do="if you trust it, unpack it and write it again with numpy.savez, without compression",
        )  # fmt: skip


def read_rows(arrays: dict[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
    """Copies of `array[start:stop]`, 0 <= start <= stop; of arrays of `map_npz`, by reading these bytes alone.

    Touching a map instead makes the kernel read ahead, which for a window here and there can be most of the file. It is
    told of all reads before the first waits. Raises DataError when the file was cut short meanwhile.
    """
    rows = {name: np.array(array[start:stop]) for name, array in arrays.items() if not isinstance(array, np.memmap)}
    with contextlib.ExitStack() as stack:
        reads = []
        for name, array in arrays.items():
            if name in rows:
                continue
            rows[name] = np.empty((max(0, min(stop, len(array)) - start), *array.shape[1:]), array.dtype)
            file = stack.enter_context(open(array.filename, "rb"))
            file.seek(array.offset + start * array[:1].nbytes)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            if rows[name].nbytes:  # of 0 bytes it takes the whole file
                os.posix_fadvise(file.fileno(), file.tell(), rows[name].nbytes, os.POSIX_FADV_WILLNEED)
            reads.append((file, rows[name].reshape(-1).view(np.uint8)))
        for file, destination in reads:
            if file.readinto(destination) != destination.nbytes:
                raise DataError(f"{file.name}: was cut short while it was read", do="build it again")
    return rows


def damaged_member(path: str | Path) -> str | None:
    """Name of the first array whose bytes differ from their stored checksum (reads the whole file), or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except UNREADABLE as error:
        return f"? ({error})"
    return bad and bad.removesuffix(".npy")


def _map_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
            version
        )
        if read_header is None:
            raise ValueError(f"{info.filename} is in NPY format {version}")
        shape, fortran, dtype = read_header(member)
        header_size = member.tell()
    if dtype.hasobject:
        raise ValueError(f"{info.filename} holds Python objects (pickle)")
    size = math.prod(shape) * dtype.itemsize
    no_rows = len(shape) > 0 and shape[0] == 0  # of a dataset without episodes
    if (size <= 0 and not no_rows) or min(shape, default=1) < 0 or size + header_size != info.file_size:
        raise ValueError(f"{info.filename} is empty, cut short or too long")
    if info.compress_type != zipfile.ZIP_STORED or not shape or fortran or no_rows:
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)
    with open(path, "rb") as file:  # the local header's name and extra lengths may differ from the directory's
        file.seek(info.header_offset + 26)
        name_length, extra_length = np.frombuffer(file.read(4), "<u2")
    offset = info.header_offset + 30 + int(name_length) + int(extra_length) + header_size
    if offset + size > path.stat().st_size:
        raise ValueError(f"{info.filename} is cut short")
    return np.memmap(path, dtype, "r", offset, shape)
