"""Train a diffusion policy on a dataset.

    python workflow/scripts/4_train_diffusion.py --dataset data/A_circle.npz --out runs/diffusion_A_circle \
        --batch_size 32 --steps 8000 --include_obj_pose
    torchrun --nproc_per_node=3 workflow/scripts/4_train_diffusion.py ...      # --batch_size is per process

Writes <out>/checkpoints/checkpoints/last/pretrained_model.
"""

import argparse
from pathlib import Path

from rev2fwd_il.learning.dataset_writing import Source
from rev2fwd_il.learning.training_command import add_training_flags, run_training
from rev2fwd_il.running import command_line


def parse() -> argparse.ArgumentParser:
    parser = command_line.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="NPZ of demonstrations")
    parser.add_argument("--start_from", type=Path, help="pretrained_model of another task, whose weights are the first")
    add_training_flags(
        parser, 8000, 32,
        "include_obj_pose", "wandb", "device", "n_obs_steps", "horizon", "n_action_steps", "num_train_timesteps",
    )  # fmt: skip
    return parser


def main(args: argparse.Namespace) -> None:
    checkpoint = run_training(args, [Source(args.dataset)], "lr", start_from=args.start_from)
    if checkpoint:
        print(f"wrote {checkpoint}")


if __name__ == "__main__":
    command_line.run(main, parse())
