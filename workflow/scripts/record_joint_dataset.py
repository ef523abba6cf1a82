"""Replay demonstrations in the cell and record them in joint space, as a LeRobot dataset of joints and gripper.

python workflow/scripts/record_joint_dataset.py --input data/B_circle.npz --out data/joints_B_circle --headless
"""

from itertools import islice
from pathlib import Path

from rev2fwd_il.running.command_line import add_viewer_flags, make_parser, run, viewer


def _parser():
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--input", required=True, help="demonstrations (.npz)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--num_episodes", type=int, help="only the first ones (default: all)")
    parser.add_argument("--num_envs", type=int, default=64, help="environments side by side")
    parser.add_argument("--images", action="store_true", help="record both cameras, as PNG")
    add_viewer_flags(parser)
    return parser


def main(args) -> None:
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.data.npz import refuse_existing
    from rev2fwd_il.data.reading import EpisodeDataset
    from rev2fwd_il.exchange.joint_dataset import write_joint_dataset
    from rev2fwd_il.method.joint_replay import record_joints
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation
    from rev2fwd_il.tasks import make_task

    refuse_existing(args.out)
    config, source = config_from_overrides(args.settings), EpisodeDataset(args.input)
    task = source.meta["task"]
    count = min(args.num_episodes or len(source), len(source))
    num_envs = min(args.num_envs, count)
    shape = (config.sim.image_height, config.sim.image_width, 3) if args.images else None
    with simulation(config, num_envs, cameras=args.images, seed=args.seed, viewer=viewer(args)) as (env, watch):
        cell = Cell(env, watch, config)
        recorded = islice(record_joints(cell, config, task, source, images=args.images), count)
        text = make_task(config.task).texts[task]
        written, attempted = write_joint_dataset(args.out, config, text, recorded, shape)
        cell.check_solver()
    print(f"{args.out}: {written} of {attempted} demonstrations, in joint space")


if __name__ == "__main__":
    run(main, _parser())
