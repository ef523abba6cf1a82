"""Evaluate one policy on one task: independent episodes from fixed, seeded starts, all environments at once.

Without --set and flags it is the workflow's evaluation, and the checkpoint plans as it was made to.
"""

import argparse

from rev2fwd_il.config.base import EPISODE_LENGTH
from rev2fwd_il.running.command_line import add_viewer_flags, make_parser, run, viewer

# flag -> what it changes in the section `evaluation`; left out, the setting stays as --set or its default has it
SETTINGS = {
    "num_episodes": (int, "episodes"),
    "num_envs": (int, "environments side by side"),
    "horizon": (int, "longest attempt [control steps]"),
    "distance_threshold": (float, "tolerance [m]"),
}


def _parser():
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="folder pretrained_model of a checkpoint")
    parser.add_argument("--task", required=True, choices=["A", "B"])
    parser.add_argument("--out_dir", required=True, help="metrics.json and videos/ go here")
    for name, (kind, help_text) in SETTINGS.items():
        help_text = f"{help_text} (default: evaluation.{EPISODE_LENGTH.get(name, name)})"
        parser.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS, help=help_text)
    parser.add_argument("--n_action_steps", type=int, help="actions executed before re-planning; None: the policy's")
    add_viewer_flags(parser)
    return parser


def main(args) -> None:
    from pathlib import Path

    from tqdm import tqdm

    from rev2fwd_il.config.reading import explicit, with_changes
    from rev2fwd_il.method.evaluation import evaluate, summarize_evaluation, write_videos
    from rev2fwd_il.method.parallel import SimulationSetup, simulations
    from rev2fwd_il.running.checkpoint_files import check_checkpoint, planning_steps
    from rev2fwd_il.running.json_files import write_json
    from rev2fwd_il.running.provenance import made_by
    from rev2fwd_il.running.wandb_run import wandb_run
    from rev2fwd_il.tasks import make_task

    given = {name: getattr(args, name) for name in SETTINGS if hasattr(args, name)}
    asked = with_changes(args.settings, evaluation=given)
    test = asked.evaluation
    check_checkpoint(args.checkpoint)
    overrides = {"num_inference_steps": explicit(asked, "policy.diffusion.num_inference_steps")}
    overrides |= {"n_action_steps": args.n_action_steps}
    used = planning_steps(args.checkpoint, **overrides)
    record = made_by(asked, kind="evaluation", seed=args.seed, task=args.task, parents=[args.checkpoint], policy=used)
    config = asked.with_leaves({"task.distance_threshold": test.distance_threshold})
    setup = SimulationSetup(
        config, {args.task: args.checkpoint}, num_envs=min(test.num_envs, test.num_episodes), seed=args.seed,
        num_processes=test.num_processes, cameras=test.videos > 0, viewer=viewer(args), **overrides,
    )  # fmt: skip
    with simulations(setup) as cells:
        starts = {"episodes": test.num_episodes, "seed": args.seed}
        attempts = evaluate(cells, config.task, args.task, **starts, max_episode_steps=test.max_episode_steps)
        results = list(tqdm(attempts, desc=f"evaluate {args.task}", unit="episode", total=test.num_episodes))
        metrics = summarize_evaluation(results, test.distance_threshold, make_task(config.task).failures)
        write_videos(cells, results, Path(args.out_dir) / "videos", test.videos)
        cells.close()
    metrics |= {"task": args.task, "checkpoint": args.checkpoint, "seed": args.seed, "horizon": test.max_episode_steps}
    metrics |= used | {"made_by": record}
    write_json(Path(args.out_dir) / "metrics.json", metrics)
    with wandb_run(config, "evaluate", Path(args.out_dir)) as run:
        run.summarize(metrics)
    low, high = metrics["wilson_95"]
    print(
        f"task {args.task}: {metrics['successes']} of {metrics['num_episodes']} within {test.distance_threshold} m, "
        f"95 % interval {low:.3f} to {high:.3f}; failures {metrics['failures']}"
    )


if __name__ == "__main__":
    run(main, _parser())
