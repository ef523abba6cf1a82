"""Merge the original data with rollouts, and continue training a checkpoint on both.

    python workflow/scripts/7_finetune_with_rollout.py --original_data data/A_circle.npz \
        --rollout_data data/rollout_A_circle_iter1.npz \
        --checkpoint runs/diffusion_A_circle/checkpoints/checkpoints/last/pretrained_model \
        --out runs/diffusion_A_circle --steps 5000 --include_obj_pose

Several rollout files accumulate; none at all trains on the original data alone. With --out the checkpoint's own run,
the new checkpoint lies beside the old one and `last` moves on to it.
"""

import argparse
from pathlib import Path

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import CheckpointError
from rev2fwd_il.learning.dataset_writing import ROLLOUT, Source
from rev2fwd_il.learning.kept_policy import collected_nothing, keep_policy
from rev2fwd_il.learning.training_command import add_training_flags, prepare_dataset, read_config, run_training
from rev2fwd_il.running import command_line


def parse() -> argparse.ArgumentParser:
    parser = command_line.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--original_data", type=Path, required=True, help="NPZ the first policy was trained on")
    parser.add_argument("--rollout_data", type=Path, nargs="*", required=True, help="NPZs of 6_test_alternating.py")
    parser.add_argument(
        "--new_rollouts", type=Path, nargs="*", default=[],
        help="of --rollout_data, what this iteration collected: without an episode to learn from among it the "
        "checkpoint is kept as it is, where otherwise a lack of data is an error",
    )  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, help="pretrained_model to continue from")
    add_training_flags(parser, 5000, 32, "include_obj_pose", "wandb", "device")
    return parser


def main(args: argparse.Namespace) -> None:
    if args.checkpoint is None and not args.convert_only:
        raise CheckpointError("--checkpoint is missing", do="name the pretrained_model folder to continue from")
    sources = [Source(args.original_data), *(Source(path, ROLLOUT) for path in args.rollout_data)]
    config = read_config(args)
    nothing = collected_nothing(args.new_rollouts, args.original_data, config.rollout)
    if args.new_rollouts and nothing:
        task = EpisodeDataset(args.new_rollouts[0]).meta.get("task")
        print(f"No rollout data collected for task {task} in this iteration: its policy is kept as it is")
        if not args.convert_only:
            dataset = prepare_dataset(args, config, sources)
            print(f"wrote {keep_policy(config, dataset, args.checkpoint, args.out)}")
            return
    checkpoint = run_training(args, sources, "finetune_lr", args.checkpoint)
    if checkpoint:
        print(f"wrote {checkpoint}")


if __name__ == "__main__":
    command_line.run(main, parse())
