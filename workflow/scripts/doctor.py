"""Name what killed runs left here: orphaned jobs, stale locks, half-written files, held GPUs; and what to do.

`--fix` removes what is safe to remove: locks and temporary files of processes that are gone.
"""

import argparse
from pathlib import Path

from rev2fwd_il.running.doctor import examine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="remove stale locks and temporary files")
    args = parser.parse_args()
    findings = examine(Path("."))
    for finding in findings:
        if args.fix and finding.fix:
            finding.fix()
            print(f"removed: {finding.what}")
        else:
            print(finding)
    if not findings and not args.fix:
        print("nothing: no run is at work here, none left anything")


if __name__ == "__main__":
    main()
