"""Execute every reversed trajectory in the simulator, open loop from its first state; keep those that do the task.

Where a smaller share than `reversal.min_yield` of demonstrations does, the task does not reverse: exit status 3, no
dataset, and the record of the replays is called <out_report>_refused.json.
"""

from rev2fwd_il.running.command_line import add_viewer_flags, make_parser, run, viewer


def _parser():
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--input", required=True, help="dataset to replay (.npz)")
    parser.add_argument("--out", required=True, help="dataset of what succeeded (.npz)")
    parser.add_argument("--out_report", required=True, help="outcomes (.json)")
    parser.add_argument("--num_envs", type=int, default=64, help="environments side by side")
    parser.add_argument("--resume", action="store_true", help="continue after the last finished batch of a killed run")
    add_viewer_flags(parser)
    return parser


def main(args) -> None:
    from pathlib import Path

    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.data.reading import DatasetWriter, EpisodeDataset
    from rev2fwd_il.method.replay import ReplayOutcome, summarize_replays
    from rev2fwd_il.method.reversibility import irreversible, refused_record, why_not_reversible
    from rev2fwd_il.running.json_files import write_json
    from rev2fwd_il.running.provenance import by_policy, inherited, made_by

    config = with_changes(args.settings, reversal={"replay_num_envs": args.num_envs})
    source = EpisodeDataset(args.input)
    meta = made_by(config, task=source.meta.get("task"), seed=args.seed, kind="replayed", parents=[args.input])
    meta = inherited(source.meta) | meta
    report, min_yield = Path(args.out_report), config.reversal.min_yield
    refused = refused_record(report)
    refused.unlink(missing_ok=True)
    with DatasetWriter(args.out, meta, resume=args.resume, allow_empty=bool(by_policy(source.meta))) as writer:
        outcomes = [ReplayOutcome.from_note(note) for batch in writer.rewind() for note in batch]
        if len(source):
            _replay(args, config, source, writer, outcomes)
        summary, kept = summarize_replays(outcomes) | {"made_by": meta}, len(writer)
        if not by_policy(source.meta) and (reason := why_not_reversible(summary, min_yield)):
            write_json(refused, summary | {"refused": reason})
            writer.discard()
            raise irreversible(args.input, summary, min_yield, refused)
        write_json(report, summary)
    print(f"{args.out}: {kept} of {len(outcomes)} trajectories do the task")


def _replay(args, config, source, writer, outcomes) -> None:
    """Replay what has no outcome yet: successes go to `writer`, all outcomes are appended."""
    from tqdm import tqdm

    from rev2fwd_il.method.replay import replay
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    as_replayed, start = config.reversal.observations == "replayed", len(outcomes)
    images = as_replayed and source.has_images
    with simulation(config, args.num_envs, cameras=images, seed=args.seed, viewer=viewer(args)) as (env, watch):
        cell = Cell(env, watch, config)
        replays = replay(cell, config, source.meta["task"], source, images=images, start=start)
        for outcome in tqdm(replays, desc="replay", unit="episode", total=len(source), initial=start):
            if outcome.success:
                writer.add(outcome.replayed if as_replayed else source[len(outcomes)])
            outcomes.append(outcome.without_frames())
            if len(outcomes) % args.num_envs == 0:
                writer.finish_batch([outcome.to_note() for outcome in outcomes[-args.num_envs :]])


if __name__ == "__main__":
    run(main, _parser())
