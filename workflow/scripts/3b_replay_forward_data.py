"""Execute every reversed trajectory in the simulator, open loop from its first state; keep those that do the task."""

from rev2fwd_il.cli import make_parser, run


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("--input", required=True, help="dataset to replay (.npz)")
    parser.add_argument("--out", required=True, help="dataset of what succeeded (.npz)")
    parser.add_argument("--out_report", required=True, help="verdicts (.json)")
    parser.add_argument("--num_envs", type=int, default=64, help="environments side by side")
    parser.add_argument("--resume", action="store_true", help="continue after the last finished batch of a killed run")
    parser.add_argument("--headless", action="store_true", help="run without a viewer")
    return parser


def main(args) -> None:
    from pathlib import Path

    from tqdm import tqdm

    from rev2fwd_il.config import with_changes
    from rev2fwd_il.episodes import EpisodeDataset, EpisodeWriter
    from rev2fwd_il.errors import DataError
    from rev2fwd_il.json_files import write_json
    from rev2fwd_il.provenance import by_policy, made_by
    from rev2fwd_il.replay import Verdict, replay, summary
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    config = with_changes(args.settings, reversal={"replay_num_envs": args.num_envs})
    source = EpisodeDataset(args.input)
    as_replayed = config.reversal.observations == "replayed"
    images = as_replayed and source.has_images
    meta = made_by(config, task=source.meta.get("task"), seed=args.seed, kind="replayed", parents=[args.input])
    meta |= by_policy(source.meta)
    with (
        EpisodeWriter(args.out, meta, resume=args.resume) as writer,
        simulation(config, args.num_envs, cameras=images, seed=args.seed, headless=args.headless) as (env, watch),
    ):
        cell = Cell(env, watch, config)
        verdicts = [Verdict.from_note(note) for batch in writer.rewind() for note in batch]
        start = len(verdicts)
        replays = replay(cell, config, source, images=images, start=start)
        for verdict in tqdm(replays, desc="replay", unit="episode", total=len(source), initial=start):
            if verdict.success:
                writer.add(verdict.replayed if as_replayed else source[len(verdicts)])
            verdicts.append(verdict.without_frames())
            if len(verdicts) % args.num_envs == 0:
                writer.finish_batch([verdict.to_note() for verdict in verdicts[-args.num_envs :]])
        cell.close()
        if not len(writer):
            raise DataError(f"{args.input}: no trajectory does the task when replayed", do="see docs/decisions.md")
        kept = len(writer)
        write_json(Path(args.out_report), summary(verdicts) | {"made_by": meta})
    print(f"{args.out}: {kept} of {len(verdicts)} trajectories do the task")


if __name__ == "__main__":
    run(main, _parser())
