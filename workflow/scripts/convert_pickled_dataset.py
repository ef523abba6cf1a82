"""Convert an older, pickled NPZ of this method. Opening a pickle is a risk: read this first.

A pickle is a program; loading it can run anything on your machine. This command reads arrays, dictionaries and numbers
and stops at any other name, but Python's unpickler is no sandbox and a hostile file may still take much memory and
time. Convert only files whose maker you know, and say so with --trust-pickle.

python workflow/scripts/convert_pickled_dataset.py --input old/B.npz --out data/B_old.npz --task B --trust-pickle
"""

import argparse
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__)
    out.add_argument("--input", type=Path, required=True, help="NPZ with pickled `episodes`")
    out.add_argument("--out", type=Path, required=True, help="NPZ to write")
    out.add_argument("--task", choices=("A", "B"), required=True, help="task of the episodes")
    out.add_argument("--relabel", action="store_true", help="replace actions that are waypoints by the next pose")
    out.add_argument("--trust-pickle", action="store_true", help="unpickle the file all the same")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.exchange import pickled
    from rev2fwd_il.exchange.conversion import write_imported

    imported = pickled.read(args.input, args.task, trusted=args.trust_pickle, relabel=args.relabel)
    for assumption in write_imported(imported, args.out):
        print(f"assumed: {assumption}")
    print(f"{args.out}: converted from {args.input}; check it with 2_inspect_data.py")


if __name__ == "__main__":
    command_line.run(main, parser())
