"""Collect demonstrations of Task B with the state-machine expert, all environments at once. Successes are kept."""

from rev2fwd_il.running.command_line import add_viewer_flags, make_parser, run, viewer


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("--out", required=True, help="dataset to write (.npz)")
    parser.add_argument("--task", choices=["A", "B"], default="B", help="A is the forward control of the experiment")
    parser.add_argument("--num_episodes", type=int, default=100, help="successful episodes to record")
    parser.add_argument("--num_envs", type=int, default=32, help="environments side by side")
    parser.add_argument("--horizon", type=int, default=400, help="longest episode [control steps]")
    parser.add_argument("--image_width", type=int, default=64, help="both cameras [px]")
    parser.add_argument("--image_height", type=int, default=64, help="both cameras [px]")
    parser.add_argument("--goal_xy", type=float, nargs=2, default=[0.5, 0.0], help="fixed goal [m]")
    parser.add_argument("--resume", action="store_true", help="continue after the last finished batch of a killed run")
    add_viewer_flags(parser)
    return parser


def main(args) -> None:
    from tqdm import tqdm

    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.data.reading import DatasetWriter
    from rev2fwd_il.method.demonstration import demonstrate, give_up_after
    from rev2fwd_il.running.provenance import made_by
    from rev2fwd_il.sim.cameras import calibration
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    config = with_changes(
        args.settings,
        task={"goal_xy": args.goal_xy},
        sim={"image_width": args.image_width, "image_height": args.image_height},
        demos={"num_episodes": args.num_episodes, "num_envs": args.num_envs},
    )
    meta = made_by(config, task=args.task, seed=args.seed, kind="demonstrations")
    images = config.demos.images
    meta |= calibration(config) if images else {}
    with (
        DatasetWriter(args.out, meta | {"horizon": args.horizon}, resume=args.resume) as writer,
        simulation(config, args.num_envs, cameras=images, seed=args.seed, viewer=viewer(args)) as (env, watch),
        tqdm(total=args.num_episodes, desc=f"expert, task {args.task}", unit="episode") as progress,
    ):
        cell, attempted = Cell(env, watch, config), sum(writer.rewind())
        progress.update(len(writer))
        episodes = demonstrate(
            cell, config, args.task, args.seed, images=images, first_batch=attempted // args.num_envs
        )
        most = config.demos.max_attempts
        while len(writer) < args.num_episodes and (most is None or attempted < most):
            episode = next(episodes)
            attempted += 1
            if episode.success and len(episode) <= args.horizon:
                writer.add(episode)
                progress.update()
            if attempted % args.num_envs == 0:
                writer.finish_batch(args.num_envs)
            give_up_after(attempted, len(writer), most)
        writer.meta |= {"attempted": attempted, "successful": len(writer)}
        kept = len(writer)
    print(f"{args.out}: {kept} episodes of {attempted} attempts")


if __name__ == "__main__":
    run(main, _parser())
