"""Have a teacher, a policy that observes poses, take over from a policy at random steps, and keep what it does then.

The dataset holds the teacher's parts, successful or not; each begins where the policy had brought things.
"""

from rev2fwd_il.running.command_line import add_viewer_flags, make_parser, run, viewer


def _parser():
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True, help="the policy (folder pretrained_model)")
    parser.add_argument("--teacher", required=True, help="who takes over, of the same task (folder pretrained_model)")
    parser.add_argument("--task", required=True, choices=["A", "B"])
    parser.add_argument("--out", required=True, help="the teacher's episodes (.npz)")
    parser.add_argument("--out_metrics", help="metrics (.json)")
    parser.add_argument("--attempts", type=int, default=256, help="attempts of the policy")
    parser.add_argument("--num_envs", type=int, default=64, help="environments side by side")
    parser.add_argument("--horizon", type=int, default=240, help="longest part of either [control steps]")
    add_viewer_flags(parser)
    return parser


def main(args) -> None:
    from pathlib import Path

    from tqdm import tqdm

    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.data.reading import DatasetWriter
    from rev2fwd_il.method.corrections import PUPIL, TEACHER, Corrections, corrected
    from rev2fwd_il.method.parallel import SimulationSetup, simulations
    from rev2fwd_il.method.statistics import rate
    from rev2fwd_il.running.checkpoint_files import check_checkpoint
    from rev2fwd_il.running.json_files import write_json
    from rev2fwd_il.running.provenance import CORRECTIONS, made_by
    from rev2fwd_il.sim.cameras import calibration
    from rev2fwd_il.tasks import make_task

    test = {"num_envs": args.num_envs, "max_episode_steps": args.horizon}
    config = with_changes(args.settings, rollout=test, teacher={"attempts": args.attempts})
    paths, images = {PUPIL: args.checkpoint, TEACHER: args.teacher}, config.policy.images
    for path in paths.values():
        check_checkpoint(path)
    setup = SimulationSetup(
        config, paths, num_envs=min(args.num_envs, args.attempts), seed=args.seed,
        num_processes=config.rollout.num_processes, cameras=images, viewer=viewer(args),
    )  # fmt: skip
    meta = made_by(
        config, kind=CORRECTIONS, seed=args.seed, task=args.task, parents=[args.checkpoint],
        of_other_runs=[args.teacher],
    )  # fmt: skip
    meta |= calibration(config) if images else {}
    corrections = Corrections(config, args.task, range(args.attempts), args.seed)
    solved, taught, failures = 0, 0, dict.fromkeys(make_task(config.task).failures, 0)
    with (
        DatasetWriter(args.out, meta, allow_empty=True) as writer,
        simulations(setup) as cells,
        tqdm(total=args.attempts, desc=f"correct {args.task}", unit="attempt") as progress,
    ):
        for result in cells.attempts(corrections, max_episode_steps=args.horizon, images=images):
            if result.spec.policy == TEACHER:
                writer.add(result.episode)
                taught += corrected(result)
                if not result.success:
                    failures[result.failure] = failures.get(result.failure, 0) + 1
            solved += result.spec.policy == PUPIL and result.success
            progress.update(result.spec.policy == TEACHER or result.success)
        cells.close()
    taken_over = args.attempts - solved
    metrics = {"attempts": args.attempts, "ended_by_policy": solved, "corrections": rate(taught, taken_over)}
    metrics |= {"failures": failures}
    if args.out_metrics:
        write_json(Path(args.out_metrics), metrics | {"made_by": meta})
    print(f"{args.out}: {taught} of {taken_over} corrections succeed; {solved} attempts had ended before")


if __name__ == "__main__":
    run(main, _parser())
