"""JSON files, whole or not at all: written under a temporary name, with a digest of their content inside.

`read_json` compares the digest where a file has one, so that a damaged number does not pass for a result.
"""

import hashlib
import json
from pathlib import Path

from rev2fwd_il.errors import DataError
from rev2fwd_il.running.files import put_in_place, temporary_beside

DIGEST = "sha256"


def content_digest(values: dict) -> str:
    """SHA-256 of everything but the digest itself."""
    content = {name: value for name, value in values.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_json(path: Path, values: dict) -> None:
    """Write under a temporary name and rename it into place; raises DataError when the disk does not take it."""
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = json.loads(json.dumps(values, allow_nan=False))  # as it will be read: keys are text, tuples are lists
        text = json.dumps(plain | {DIGEST: content_digest(plain)}, indent=1, sort_keys=True)
        temporary.write_text(text + "\n")
        put_in_place(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: could not be written", found=error, do="free space or fix permissions") from None
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path, *, signed: bool = False) -> dict:
    """The object in a JSON file, without its digest; raises DataError where it is no object or was changed.

    A file without a digest, such as one written by hand, is read as it is unless `signed`.
    """
    try:
        content = json.loads(Path(path).read_text())
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        found = content_digest(content)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    expected = content.pop(DIGEST, "none" if signed else found)
    if expected != found:
        raise DataError(f"{path}: was changed after it was written", expected=f"SHA-256 {expected}", found=found)
    return content
