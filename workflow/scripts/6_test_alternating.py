"""Alternate A -> B -> A -> B ... without reset until the first failure, and keep the rollouts of both tasks.

`--num_envs` chains run side by side, each until its own first failure; 1 is one arm in one environment.
`--set rollout.num_processes=2` shares them between two processes.
"""

from rev2fwd_il.cli import make_parser, run


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("--policy_A", required=True, help="checkpoint of Task A (folder pretrained_model)")
    parser.add_argument("--policy_B", required=True, help="checkpoint of Task B (folder pretrained_model)")
    parser.add_argument("--out_A", default="data/rollout_A_iter.npz", help="rollouts of Task A")
    parser.add_argument("--out_B", default="data/rollout_B_iter.npz", help="rollouts of Task B")
    parser.add_argument("--out_metrics", help="metrics (.json)")
    parser.add_argument("--out_film", help="film of the longest chain (.mp4)")
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
    parser.add_argument("--headless", action="store_true", help="run without a viewer")
    return parser


def main(args) -> None:
    from collections import defaultdict
    from pathlib import Path

    from tqdm import tqdm

    from rev2fwd_il.alternating import Chains, film_longest
    from rev2fwd_il.checkpoint_files import check_checkpoint
    from rev2fwd_il.config import with_changes
    from rev2fwd_il.episodes import EpisodeWriter
    from rev2fwd_il.errors import EmptyRolloutError
    from rev2fwd_il.json_files import write_json
    from rev2fwd_il.parallel import Plan, simulations
    from rev2fwd_il.provenance import made_by
    from rev2fwd_il.wandb_run import wandb_run

    thresholds = {"height_threshold": args.height_threshold, "distance_threshold": args.distance_threshold}
    test = {"max_cycles": args.max_cycles, "horizon": args.horizon}
    test = {"rollout": test | {"num_envs": args.num_envs}, "evaluation": test | {"chains": args.num_envs}}
    section = "evaluation" if args.kind == "chains" else "rollout"
    config = with_changes(args.settings, task={**thresholds, "goal_xy": args.goal_xy}, **{section: test[section]})
    paths = {"A": args.policy_A, "B": args.policy_B}
    for path in paths.values():
        check_checkpoint(path)
    images = config.rollout.images
    cameras = images or bool(args.out_film) or not args.headless
    plan = Plan(
        config, paths, num_envs=args.num_envs, seed=args.seed, num_processes=getattr(config, section).num_processes,
        cameras=cameras, headless=args.headless,
    )  # fmt: skip
    chains = Chains(config, args.num_envs, args.max_cycles, args.seed)
    metas = {t: made_by(config, task=t, seed=args.seed, kind=args.kind, parents=[*paths.values()]) for t in paths}
    with (
        EpisodeWriter(args.out_A, metas["A"]) as writer_a,
        EpisodeWriter(args.out_B, metas["B"]) as writer_b,
        simulations(plan) as cells,
        tqdm(total=args.num_envs * args.max_cycles, desc="alternate", unit="cycle") as progress,
    ):
        writers, shots = {"A": writer_a, "B": writer_b}, defaultdict(list)
        for outcome in cells.attempts(chains, horizon=args.horizon, images=images):
            chains.count(outcome.env, outcome)
            writers[outcome.assignment.task].add(outcome.episode)
            shots[outcome.env].append((outcome.joint_pos, outcome.episode.obj_pose, outcome.episode.target_xy))
            progress.update(outcome.success and outcome.assignment.task == "B")
        if args.out_film:
            film_longest(cells, chains, shots, args.out_film)
        cells.close()
        for task, writer in writers.items():
            if not len(writer):
                raise EmptyRolloutError(
                    f"No rollout data collected: task {task} was never attempted", found=chains.metrics()["chains"][:4],
                    do="policy failed immediately: try reducing distance_threshold or check policy training",
                )  # fmt: skip
    metrics = chains.metrics() | vars(args) | {"made_by": metas["A"] | {"task": "A, B"}}
    if args.out_metrics:
        write_json(Path(args.out_metrics), metrics)
    with wandb_run(config, "alternate", Path(args.out_metrics or args.out_A).parent) as run:
        run.summarize(metrics)
    row = metrics["consecutive_success"]
    print(f"consecutive_success: mean {row['mean']:.2f}, median {row['median']}, max {row['max']}")
    for task in paths:
        counts = metrics[task]
        print(f"{task}_success_rate: {counts['successes']} of {counts['attempts']}")


if __name__ == "__main__":
    run(main, _parser())
