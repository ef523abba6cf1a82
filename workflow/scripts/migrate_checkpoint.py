"""Write a checkpoint of a former version as one of today, which LeRobot's own loops execute as it was planned.

python workflow/scripts/migrate_checkpoint.py --out migrated/A \
    --checkpoint runs/diffusion_A_circle/iter1/checkpoints/checkpoints/last/pretrained_model

Weights, statistics and plans stay the same to the bit. Nothing here needs it: former checkpoints load as they are.
"""

import argparse
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--checkpoint", type=Path, required=True, help="folder pretrained_model of a checkpoint")
    out.add_argument("--out", type=Path, required=True, help="folder to write")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.learning.checkpoints import migrate_checkpoint

    migrate_checkpoint(args.checkpoint, args.out)
    print(f"{args.out}: migrated from {args.checkpoint}")


if __name__ == "__main__":
    command_line.run(main, parser())
