"""Bring a dataset of an older schema version to the present one; prints what had to be assumed.

python workflow/scripts/migrate_dataset.py --input old/B.npz --out data/B_circle.npz --task B
"""

import argparse
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--input", type=Path, required=True, help="NPZ of an older version")
    out.add_argument("--out", type=Path, required=True, help="NPZ to write")
    out.add_argument("--task", choices=("A", "B"), help="task of an --input that does not say it")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.exchange.migration import migrate

    for assumption in migrate(args.input, args.out, args.task):
        print(f"assumed: {assumption}")
    print(f"{args.out}: migrated from {args.input}")


if __name__ == "__main__":
    command_line.run(main, parser())
