"""Convert a dataset from or to another project's format; the format of --input is recognised.

    python workflow/scripts/convert_dataset.py --input data/B_circle.npz --out out/B.hdf5 --format isaaclab
    python workflow/scripts/convert_dataset.py --input out/B.hdf5 --out data/B_again.npz --format npz

Prints what was assumed or could not be held. What comes back is bit for bit what went out, or is refused.
"""

import argparse
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--input", type=Path, required=True, help="NPZ, HDF5 or LeRobot folder")
    out.add_argument("--out", type=Path, required=True, help="file or folder to write")
    out.add_argument("--format", choices=("npz", "lerobot", "isaaclab", "robomimic"), required=True, help="of --out")
    out.add_argument("--task", choices=("A", "B"), help="task of an --input that does not say it")
    out.add_argument("--video", action="store_true", help="lerobot: images as video, which is not exact, not as PNG")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.exchange.conversion import convert_dataset

    for note in convert_dataset(args.input, args.out, args.format, task=args.task, video=args.video):
        print(f"note: {note}")
    print(f"{args.out}: {args.format} dataset of {args.input}")


if __name__ == "__main__":
    command_line.run(main, parser())
