"""What 4_train_diffusion.py and 7_finetune_with_rollout.py share: their flags, and the way from flags to a training."""

import argparse
import json
from pathlib import Path

import torch
from accelerate import Accelerator

from rev2fwd_il.config.reading import config_from_overrides
from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import Rev2FwdError
from rev2fwd_il.learning.dataset_writing import Source, check_sources, write_lerobot_dataset
from rev2fwd_il.learning.training import make_accelerator, train
from rev2fwd_il.learning.training_run import TrainingRun

DATASET_FOLDER = "lerobot_dataset"
# flag -> setting it stands for; a flag that is left out leaves the setting as --set or the default has it. Settings
# have their former names here, which prevail over the present ones (config/policy.py): a flag has the last word.
FLAGS = {
    "n_obs_steps": (int, "policy.n_obs_steps"),
    "horizon": (int, "policy.horizon"),
    "n_action_steps": (int, "policy.n_action_steps"),
    "num_train_timesteps": (int, "policy.num_train_timesteps"),
    "device": (str, "train.device"),
    "include_obj_pose": (bool, "policy.include_obj_pose"),
    "wandb": (bool, "wandb.enabled"),
}


def add_training_flags(parser: argparse.ArgumentParser, steps: int, batch_size: int, *names: str) -> None:
    """Flags of every training, and of FLAGS the given `names`."""
    parser.add_argument(
        "--out", type=Path, required=True, help="run folder; checkpoints/checkpoints/last appears in it"
    )
    parser.add_argument("--steps", type=int, default=steps, help="optimizer steps")
    parser.add_argument("--batch_size", type=int, default=batch_size, help="windows a step, per process")
    parser.add_argument("--lr", type=float, help="peak learning rate (default: the configuration's)")
    parser.add_argument("--lerobot_dataset_dir", type=Path, help=f"converted data (default: <out>/{DATASET_FOLDER})")
    parser.add_argument("--convert_only", action="store_true", help="write that dataset and stop")
    parser.add_argument("--resume", action="store_true", help="continue from <out>/resume, if there is a snapshot")
    parser.add_argument("--num_threads", type=int, help="CPU threads a process (default: OMP_NUM_THREADS or all)")
    for name in names:
        kind, setting = FLAGS[name]
        if kind is bool:
            parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=f"{setting} (default: as set)")
        else:
            parser.add_argument(f"--{name}", type=kind, help=f"{setting} (default: as set)")


def read_config(args: argparse.Namespace) -> Config:
    """The configuration of `--set`, overruled by the flags that were given. Raises ConfigError."""
    given = {setting: getattr(args, name, None) for name, (_, setting) in FLAGS.items()}
    given |= {"seed": args.seed, "train.batch_size": args.batch_size}
    flags = [f"{setting}={json.dumps(value)}" for setting, value in given.items() if value is not None]
    return config_from_overrides([*args.settings, *flags])


def prepare_dataset(args: argparse.Namespace, config: Config, sources: list[Source]) -> Path:
    """Convert the sources, unless the folder already holds them; an existing folder of other data is an error."""
    root = args.lerobot_dataset_dir or args.out / DATASET_FOLDER
    if root.is_dir() and any(root.iterdir()) and not args.convert_only:
        check_sources(root, sources)
        return root
    sidecar = write_lerobot_dataset(
        sources, root, images=config.policy.images, include_failures=config.rollout.include_failures,
        max_slowness=config.rollout.max_slowness, allow_no_rollouts=bool(getattr(args, "new_rollouts", None)),
    )  # fmt: skip
    for source in sidecar["sources"]:
        print(f"{source['path']}: {source['episodes']} episodes, {source['frames']} frames ({source['kind']})")
    return root


def run_training(
    args: argparse.Namespace,
    sources: list[Source],
    default_lr: str,
    parent: Path | None = None,
    start_from: Path | None = None,
) -> Path | None:
    """Convert, then train; `default_lr` names the setting that --lr stands for. Returns the checkpoint."""
    config = read_config(args)
    if args.convert_only:
        prepare_dataset(args, config, sources)
        return None
    if args.num_threads:
        torch.set_num_threads(args.num_threads)
    accelerator: Accelerator = make_accelerator(config.train.device)
    with accelerator.main_process_first():
        dataset = prepare_dataset(args, config, sources)
    lr = args.lr or getattr(config.train, default_lr)
    run = TrainingRun(dataset, args.out, config, args.steps, lr, parent, start_from, args.resume)
    try:
        return train(run, accelerator)
    except torch.cuda.OutOfMemoryError as error:
        raise Rev2FwdError("CUDA out of memory", found=error, do="reduce --batch_size or use fewer GPUs") from None
