"""Relabel rollouts of Task B with hindsight targets: where the object was put down is a target that was reached.

Episodes that put it down become successes for that target; the others stay as they are.
"""

from rev2fwd_il.running.command_line import make_parser, run


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("--input", required=True, help="rollouts of Task B (.npz)")
    parser.add_argument("--out", required=True, help="the same episodes with hindsight targets (.npz)")
    return parser


def main(args) -> None:
    from tqdm import tqdm

    from rev2fwd_il import keys
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.data.checks.validation import open_checked
    from rev2fwd_il.data.reading import DatasetWriter
    from rev2fwd_il.errors import DataError
    from rev2fwd_il.method.hindsight import relabel
    from rev2fwd_il.running.provenance import inherited, made_by
    from rev2fwd_il.tasks import task_of

    source = open_checked(args.input)
    if (found := source.meta.get("task")) != keys.TASK_B:
        raise DataError(f"{args.input}: only Task B has targets that differ", expected=keys.TASK_B, found=found)
    config, task = config_from_overrides(args.settings), task_of(source.meta)
    meta = made_by(config, task=keys.TASK_B, seed=None, kind="relabelled", parents=[args.input])
    meta |= inherited(source.meta)
    counts = {"successes": 0, "failures": 0}
    with DatasetWriter(args.out, meta, allow_empty=True) as writer:
        for episode in tqdm(source, desc="relabel", unit="episode", total=len(source)):
            reached = relabel(task, episode)
            if reached is not None:
                counts["successes" if episode.success else "failures"] += 1
            writer.add(episode if reached is None else reached)
        writer.meta["relabelled"] = counts
    print(f"{args.out}: {counts['failures']} failures have become successes for the target that they reached")
    print(f"{counts['successes']} successes have the target at which they ended")


if __name__ == "__main__":
    run(main, _parser())
