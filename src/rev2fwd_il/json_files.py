"""JSON files, whole or not at all."""

import json
from pathlib import Path

from rev2fwd_il.atomic import put_in_place, temporary_beside
from rev2fwd_il.errors import DataError


def write_json(path: Path, values: dict) -> None:
    """Write under a temporary name and rename it into place; raises DataError when the disk does not take it."""
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(values, indent=1, sort_keys=True, allow_nan=False) + "\n")
        put_in_place(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: could not be written", found=error, do="free space or mend permissions") from None
    finally:
        temporary.unlink(missing_ok=True)
