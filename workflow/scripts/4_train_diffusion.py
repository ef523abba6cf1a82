"""Train a diffusion policy on a dataset.

    python workflow/scripts/4_train_diffusion.py --dataset data/A_circle.npz --out runs/diffusion_A_circle \
        --batch_size 32 --steps 8000 --include_obj_pose
    torchrun --nproc_per_node=3 workflow/scripts/4_train_diffusion.py ...      # --batch_size is per process

Writes <out>/checkpoints/checkpoints/last/pretrained_model.
"""

import argparse
from pathlib import Path

from rev2fwd_il import cli
from rev2fwd_il.learning.command_line import add_training_flags, run_training
from rev2fwd_il.learning.conversion import Source


def parse() -> argparse.ArgumentParser:
    parser = cli.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="NPZ of demonstrations")
    add_training_flags(
        parser, 8000, 32,
        "include_obj_pose", "wandb", "device", "n_obs_steps", "horizon", "n_action_steps", "num_train_timesteps",
    )  # fmt: skip
    return parser


def main(args: argparse.Namespace) -> None:
    checkpoint = run_training(args, [Source(args.dataset)], "lr")
    if checkpoint:
        print(f"wrote {checkpoint}")


if __name__ == "__main__":
    cli.run(main, parse())
