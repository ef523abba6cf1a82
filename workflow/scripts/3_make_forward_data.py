"""Reverse Task B demonstrations in time into Task A data (NPZ), or convert a dataset to LeRobot v3 (a folder).

--out data/reversed_A_circle.npz   reverses;   --out data/lerobot_B_circle   converts
"""

import sys

from rev2fwd_il.running.command_line import make_parser, run


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("--input", required=True, help="dataset of Task B (.npz)")
    parser.add_argument("--out", required=True, help=".npz: time reversal; a folder: LeRobot v3")
    parser.add_argument("--success_only", action="store_true", help="leave out episodes that failed")
    parser.add_argument("--verify", action="store_true", help="check the result against the input before it is kept")
    return parser


def main(args) -> None:
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.data.checks.validation import open_checked

    config = config_from_overrides(args.settings)
    source = open_checked(args.input)
    if args.out.endswith(".npz"):
        _reverse(args, config, source)
    else:
        from pathlib import Path

        from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset

        sources = [Source(Path(args.input))]
        write_lerobot_dataset(sources, Path(args.out), images=source.has_images, include_failures=not args.success_only)
        print(f"{args.out}: LeRobot dataset of {args.input}")


def _reverse(args, config, source) -> None:
    from tqdm import tqdm

    from rev2fwd_il.data.reading import DatasetWriter
    from rev2fwd_il.errors import DataError
    from rev2fwd_il.method.reversal import check_reversal, goal_of, reverse_episode
    from rev2fwd_il.running.provenance import by_policy, inherited, made_by
    from rev2fwd_il.tasks import task_of

    task = "A" if source.meta.get("task") == "B" else "B"
    meta = made_by(config, task=task, seed=args.seed, kind="reversed", parents=[args.input])
    meta |= inherited(source.meta)
    practised, which = bool(by_policy(source.meta)), task_of(source.meta)
    with DatasetWriter(args.out, meta, allow_empty=practised) as writer:
        for episode in tqdm(source, desc="reverse", unit="episode", total=len(source)):
            if args.success_only and not episode.success:
                continue
            if practised and task == "B" and not which.is_target(goal_of(episode)):
                continue  # after a failure A may begin with the object at the goal, where B does not end
            settings = config.reversal
            lead, label = settings.gripper_lead_steps, settings.gripper_label
            try:
                backwards = reverse_episode(episode, goal_of(episode), lead, label)
                if args.verify:
                    check_reversal(episode, backwards, label)
            except DataError as error:
                if not practised:
                    raise
                print(f"left out, a rollout that cannot be reversed: {error}", file=sys.stderr)
                continue
            writer.add(backwards)
        count = len(writer)
    print(f"{args.out}: {count} reversed episodes")


if __name__ == "__main__":
    run(main, _parser())
