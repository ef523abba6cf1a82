"""Evaluate one policy on one task: independent episodes from fixed, seeded starts, all environments at once."""

from rev2fwd_il.cli import make_parser, run


def _parser():
    parser = make_parser(__doc__)
    parser.add_argument("--checkpoint", required=True, help="folder pretrained_model of a checkpoint")
    parser.add_argument("--task", required=True, choices=["A", "B"])
    parser.add_argument("--out_dir", required=True, help="metrics.json and videos/ go here")
    parser.add_argument("--num_episodes", type=int, default=200)
    parser.add_argument("--num_envs", type=int, default=64, help="environments side by side")
    parser.add_argument("--horizon", type=int, default=400, help="longest attempt [control steps]")
    parser.add_argument("--distance_threshold", type=float, default=0.05, help="tolerance [m]")
    parser.add_argument(
        "--n_action_steps", type=int, help="actions executed before re-planning (default: the policy's)"
    )
    parser.add_argument("--headless", action="store_true", help="run without a viewer")
    return parser


def main(args) -> None:
    from pathlib import Path

    from tqdm import tqdm

    from rev2fwd_il.checkpoint_files import check_checkpoint
    from rev2fwd_il.config import with_changes
    from rev2fwd_il.evaluation import evaluate, film_outcomes, summary
    from rev2fwd_il.json_files import write_json
    from rev2fwd_il.parallel import Plan, simulations
    from rev2fwd_il.provenance import made_by
    from rev2fwd_il.wandb_run import wandb_run

    names = ("num_episodes", "num_envs", "horizon", "distance_threshold")
    asked = with_changes(args.settings, evaluation={name: getattr(args, name) for name in names})
    config = asked.with_leaves({"task.distance_threshold": args.distance_threshold})
    check_checkpoint(args.checkpoint)
    record = made_by(asked, kind="evaluation", seed=args.seed, task=args.task, parents=[args.checkpoint])
    films = config.evaluation.videos
    plan = Plan(
        config, {args.task: args.checkpoint}, num_envs=min(args.num_envs, args.num_episodes), seed=args.seed,
        num_processes=config.evaluation.num_processes, cameras=films > 0, headless=args.headless,
        n_action_steps=args.n_action_steps,
    )  # fmt: skip
    with simulations(plan) as cells:
        starts = {"episodes": args.num_episodes, "seed": args.seed}
        attempts = evaluate(cells, config.task, args.task, **starts, horizon=args.horizon)
        outcomes = list(tqdm(attempts, desc=f"evaluate {args.task}", unit="episode", total=args.num_episodes))
        result = summary(outcomes, args.distance_threshold)
        film_outcomes(cells, outcomes, Path(args.out_dir) / "videos", films)
        cells.close()
    result |= {"task": args.task, "checkpoint": args.checkpoint, "seed": args.seed, "horizon": args.horizon}
    result["made_by"] = record
    write_json(Path(args.out_dir) / "metrics.json", result)
    with wandb_run(config, "evaluate", Path(args.out_dir)) as run:
        run.summarize(result)
    low, high = result["wilson_95"]
    print(
        f"task {args.task}: {result['successes']} of {result['num_episodes']} within {args.distance_threshold} m, "
        f"95 % interval {low:.3f} to {high:.3f}; failures {result['failures']}"
    )


if __name__ == "__main__":
    run(main, _parser())
