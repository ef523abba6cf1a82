"""Replay demonstrations or rollouts with images, also turned about the goal, and show frames from beside their path.

The dataset holds the replays that succeed, of each successful episode and its `views.turned` versions, and of each of
these `views.copies` copies with the end effector moved, whose commands are the same. Rollouts may come to nothing.
"""

import math

import numpy as np

from rev2fwd_il.running.command_line import make_parser, run


def _parser():
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--input", required=True, help="demonstrations or rollouts (.npz)")
    parser.add_argument("--out", required=True, help="dataset to write (.npz)")
    parser.add_argument("--resume", action="store_true", help="continue after the last episode of a killed run")
    return parser


def main(args) -> None:
    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.data.reading import DatasetWriter, EpisodeDataset
    from rev2fwd_il.method.turned import TurnedDemonstrations
    from rev2fwd_il.running.provenance import by_policy, inherited, made_by
    from rev2fwd_il.sim.cameras import calibration
    from rev2fwd_il.tasks import make_task

    config = with_changes(args.settings)
    recorded = EpisodeDataset(args.input)
    meta = made_by(config, task=recorded.meta.get("task"), seed=args.seed, kind="views", parents=[args.input])
    meta = inherited(recorded.meta) | meta | calibration(config)
    successes = [recorded[int(index)] for index in np.flatnonzero(recorded.success)]
    source = TurnedDemonstrations(make_task(config.task), successes, config.views.turned, args.seed)
    with DatasetWriter(args.out, meta, resume=args.resume, allow_empty=bool(by_policy(recorded.meta))) as writer:
        if len(source):
            _render(args, config, source, writer)
        kept = len(writer) // (1 + config.views.copies)
    versions = f", {config.views.turned} of {1 + config.views.turned} turned" if config.views.turned else ""
    print(f"{args.out}: {kept} of {len(source)} episodes{versions}, and {config.views.copies} moved copies of each")


def _render(args, config, source, writer) -> None:
    """Render what is not yet there: what succeeds goes to `writer`, batch by batch."""
    from tqdm import tqdm

    from rev2fwd_il.method.views import views
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    batches = math.ceil(len(source) / config.views.num_envs)
    batch = math.ceil(len(source) / batches)  # what is idle would be rendered all the same
    with simulation(config, batch, cameras=True, seed=args.seed) as (env, watch):
        cell, first = Cell(env, watch, config), sum(writer.rewind())
        rendered = views(cell, config, writer.meta["task"], source, args.seed, first)
        for episodes in tqdm(rendered, desc="render", unit="batch", total=batches, initial=first // batch):
            for episode in episodes:
                writer.add(episode)
            writer.finish_batch(batch)
        cell.check_solver()


if __name__ == "__main__":
    run(main, _parser())
