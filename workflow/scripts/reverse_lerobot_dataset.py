"""Reverse a LeRobot dataset v3 of any robot in time, with commands rebuilt, and say what probably does not reverse.

    python workflow/scripts/reverse_lerobot_dataset.py --input data/theirs --out data/theirs_reversed \
        --task_text "take the cube out of the box"

What is a state, a command, a gripper comes from the names in the dataset, or from --features, a short YAML. --prove
replays the reversed episodes in the simulated cell, where their robot is the cell's, and keeps those that succeed.
"""

import argparse
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--input", type=Path, required=True, help="folder of a LeRobot dataset")
    out.add_argument("--out", type=Path, required=True, help="folder to write; OUT_report.json beside it")
    out.add_argument("--features", type=Path, help="YAML that says what its features are (docs/lerobot.md)")
    out.add_argument("--task_text", help="text of the reversed task, where --features has none")
    out.add_argument("--report_only", action="store_true", help="write the report, no dataset")
    out.add_argument("--prove", choices=("A", "B"), help="replay in the cell as this task; keep what succeeds")
    out.add_argument("--num_envs", type=int, default=64, help="environments side by side in the replay")
    command_line.add_viewer_flags(out)
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.config.reading import load_reversal_features
    from rev2fwd_il.data.npz import refuse_existing
    from rev2fwd_il.exchange.lerobot_reversal.dataset import LeRobotReversal
    from rev2fwd_il.running.json_files import write_json

    refuse_existing(args.out)
    reversal = LeRobotReversal(args.input, load_reversal_features(args.features), args.task_text)
    report = reversal.report()
    for doubt in report["doubts"]:
        print(f"probably not reversible: {doubt}")
    kept, report["proof"] = replayed(args, reversal)
    proof = report["proof"]
    if "why_not" in proof:
        said = f"nothing was proven: {proof['why_not']}"
    else:
        said = f"{proof['succeeded']} of {proof['attempted']} do the task when replayed, these are kept"
    if not args.report_only:
        reversal.write(args.out, kept)
    write_json(args.out.with_name(args.out.name + "_report.json"), report)
    print(f"{args.out}: {report['episodes']} reversed episodes; {said}")


def replayed(args: argparse.Namespace, reversal) -> tuple[list[bool] | None, dict]:
    """Which episodes to keep, None for all, and what was proven."""
    if not args.prove:
        return None, {"why_not": "the episodes were not executed (--prove)"}
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.errors import DataError
    from rev2fwd_il.exchange.lerobot_reversal.proof import prove, why_not

    config = config_from_overrides(args.settings)
    if reason := why_not(reversal, config):
        return None, {"why_not": reason}
    run = {"num_envs": args.num_envs, "seed": args.seed, "viewer": command_line.viewer(args)}
    kept, proof = prove(reversal, config, args.prove, **run)
    if not any(kept):
        raise DataError(f"{args.input}: no reversed episode does the task when replayed", found=proof["failures"])
    return kept, proof


if __name__ == "__main__":
    command_line.run(main, parser())
