"""Alternate A -> B -> A -> B ... without reset until the first failure, and keep the rollouts of both tasks.

`--num_envs` chains run side by side, each until its own first failure; 1 is one arm in one environment.
`--set rollout.num_processes=2` shares them between two processes. With `--set rollout.after_failure=recover` a chain
goes on from where things lie, up to `--max_cycles` times two attempts, and resets by hand are counted.
"""

from rev2fwd_il.running.command_line import add_viewer_flags, make_parser, run, viewer

NO_DATA_ADVICE = "The policy failed immediately: try reducing distance_threshold or check its training"


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("--policy_A", required=True, help="checkpoint of Task A (folder pretrained_model)")
    parser.add_argument("--policy_B", required=True, help="checkpoint of Task B (folder pretrained_model)")
    parser.add_argument("--out_A", default="data/rollout_A_iter.npz", help="rollouts of Task A")
    parser.add_argument("--out_B", default="data/rollout_B_iter.npz", help="rollouts of Task B")
    parser.add_argument("--out_metrics", help="metrics (.json)")
    parser.add_argument("--out_video", help="video of the longest chain (.mp4)")
    parser.add_argument("--out_recoveries", help="folder for videos of runs of failures and how they ended")
    parser.add_argument("--max_cycles", type=int, default=50, help="A->B cycles a chain may run")
    parser.add_argument("--horizon", type=int, default=400, help="longest attempt [control steps]")
    parser.add_argument("--height_threshold", type=float, default=0.15, help="lowest z that counts as lifted [m]")
    parser.add_argument("--distance_threshold", type=float, default=0.05, help="largest xy error that counts [m]")
    parser.add_argument("--goal_xy", type=float, nargs=2, default=[0.5, 0.0], help="fixed goal, the green marker [m]")
    parser.add_argument("--num_envs", type=int, default=1, help="chains side by side")
    parser.add_argument(
        "--kind", choices=["rollouts", "chains"], default="rollouts",
        help="recorded: rollouts to learn from, or the long chains that test the last policies",
    )  # fmt: skip
    add_viewer_flags(parser)
    return parser


def main(args) -> None:
    from pathlib import Path

    from tqdm import tqdm

    from rev2fwd_il import keys
    from rev2fwd_il.config.reading import explicit, with_changes
    from rev2fwd_il.data.reading import DatasetWriter
    from rev2fwd_il.method.alternating import Chains
    from rev2fwd_il.method.chain_videos import ChainVideos
    from rev2fwd_il.method.parallel import SimulationSetup, simulations
    from rev2fwd_il.running.checkpoint_files import check_checkpoint, planning_steps
    from rev2fwd_il.running.json_files import write_json
    from rev2fwd_il.running.provenance import made_by
    from rev2fwd_il.running.wandb_run import wandb_run
    from rev2fwd_il.sim.cameras import calibration

    thresholds = {"height_threshold": args.height_threshold, "distance_threshold": args.distance_threshold}
    test = {"max_cycles": args.max_cycles, "max_episode_steps": args.horizon}
    test = {"rollout": test | {"num_envs": args.num_envs}, "evaluation": test | {"chains": args.num_envs}}
    section = "evaluation" if args.kind == "chains" else "rollout"
    fixed = {"task": {**thresholds, "goal_xy": args.goal_xy}, section: test[section]}
    config = with_changes(args.settings, **fixed)
    if args.kind == "chains":
        config = with_changes([*args.settings, f"evaluation.video_size={config.evaluation.chain_video_size}"], **fixed)
    rules = getattr(config, section)
    paths = {"A": args.policy_A, "B": args.policy_B}
    for path in paths.values():
        check_checkpoint(path)
    steps = explicit(config, "policy.diffusion.num_inference_steps")
    used = {task: planning_steps(path, steps) for task, path in paths.items()}
    images = config.rollout.images
    cameras = images or bool(args.out_video or args.out_recoveries)
    setup = SimulationSetup(
        config, paths, num_envs=args.num_envs, seed=args.seed, num_processes=rules.num_processes,
        cameras=cameras, viewer=viewer(args), num_inference_steps=steps,
    )  # fmt: skip
    going_on = {"after_failure": rules.after_failure, "max_retries": rules.max_retries}
    if args.kind == "rollouts":
        going_on["move_away"] = rules.move_away
    chains = Chains(config, args.num_envs, args.max_cycles, args.seed, **going_on)
    made = {"seed": args.seed, "kind": args.kind, "parents": [*paths.values()]}
    seen = calibration(config) if images else {}
    metas = {task: made_by(config, task=task, policy=used[task], **made) | seen for task in paths}
    counted = (
        ("cycle", args.num_envs * args.max_cycles) if chains.practice is None else ("attempt", chains.max_attempts)
    )
    with (
        DatasetWriter(args.out_A, metas["A"], allow_empty=True) as writer_a,
        DatasetWriter(args.out_B, metas["B"], allow_empty=True) as writer_b,
        simulations(setup) as cells,
        tqdm(total=counted[1], desc="alternate", unit=counted[0]) as progress,
    ):
        writers, videos = {"A": writer_a, "B": writer_b}, ChainVideos(chains)
        for result in cells.attempts(chains, max_episode_steps=args.horizon, images=images):
            writer = writers[result.spec.task]
            if chains.recovers(result.env):
                writer.meta.setdefault(keys.AFTER_FAILURE, []).append(len(writer))
            chains.count(result.env, result)
            writer.add(result.episode)
            videos.add(result)
            progress.update(chains.practice is not None or (result.success and result.spec.task == "B"))
        if args.out_video:
            videos.write_longest(cells, args.out_video)
        if args.out_recoveries:
            videos.write_recoveries(cells, Path(args.out_recoveries))
        cells.close()
    metrics = chains.metrics() | vars(args) | {"planning": used, "made_by": metas["A"] | {"task": "A, B"}}
    if args.out_metrics:
        write_json(Path(args.out_metrics), metrics)
    with wandb_run(config, "alternate", Path(args.out_metrics or args.out_A).parent) as run:
        run.summarize(metrics)
    row = metrics["consecutive_success"]
    print(f"consecutive_success: mean {row['mean']:.2f}, median {row['median']}, max {row['max']}")
    if chains.practice:
        row = metrics["practice"]
        print(f"interventions: {row['interventions']} in {row['attempts']} attempts, {row['simulated_hours']:.2f} h")
    for task in paths:
        counts = metrics[task]
        print(f"{task}_success_rate: {counts['successes']} of {counts['attempts']}")
        if not counts["successes"] + metrics["after_failure"][task]["successes"]:
            print(f"No rollout data collected for task {task}. {NO_DATA_ADVICE}")


if __name__ == "__main__":
    run(main, _parser())
