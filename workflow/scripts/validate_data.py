"""Check datasets, each and against one another. Exit status 1 when a check finds an error, 0 otherwise.

python workflow/scripts/validate_data.py data/B_circle.npz data/A_circle.npz --evaluation_episodes 200 --json
python workflow/scripts/validate_data.py data/merged_by_lerobot --rewrite_stats
"""

import argparse
import json
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("datasets", type=Path, nargs="+", help="NPZ files, folders of LeRobot datasets")
    out.add_argument("--evaluation_episodes", type=int, default=0, help="check against that many evaluation starts")
    out.add_argument("--rewrite_stats", action="store_true", help="first put right the statistics of LeRobot datasets")
    out.add_argument("--json", action="store_true", help="print findings as JSON")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.data.checks.findings import ERROR
    from rev2fwd_il.errors import DataError

    findings = check(args)
    errors = [finding for finding in findings if finding.severity == ERROR]
    if args.json:
        files = [str(path) for path in args.datasets]
        print(json.dumps({"datasets": files, "findings": [finding.to_dict() for finding in findings]}, indent=1))
    else:
        for finding in findings:
            print(f"{finding.file}: {finding}")
        print(f"{len(args.datasets)} datasets: {len(errors)} errors, {len(findings) - len(errors)} warnings")
    if errors:
        raise DataError(f"{len(errors)} errors found", found=errors[0], do="docs/data.md explains each code")


def check(args: argparse.Namespace) -> list:
    """All findings; a file that breaks the contract is one of them."""
    from rev2fwd_il.data.checks.across import check_evaluation_starts, check_shared_episodes
    from rev2fwd_il.data.checks.findings import ERROR, Finding
    from rev2fwd_il.data.checks.validation import validate
    from rev2fwd_il.data.reading import EpisodeDataset
    from rev2fwd_il.errors import DataError
    from rev2fwd_il.exchange.lerobot_checks import check_lerobot_dataset

    opened, findings = [], []
    for path in args.datasets:
        try:
            if path.is_dir():
                findings += check_lerobot_dataset(path, rewrite_stats=args.rewrite_stats)
                continue
            opened.append(EpisodeDataset(path))
        except DataError as error:
            findings.append(Finding(ERROR, "contract", str(error), file=str(path)))
    for dataset in opened:
        findings += validate(dataset)
    findings += check_shared_episodes(opened)
    if args.evaluation_episodes:
        starts = evaluation_rows(args)
        for dataset in opened:
            if dataset.meta.get("task") in starts:
                findings += check_evaluation_starts(dataset, starts[dataset.meta["task"]])
    return findings


def evaluation_rows(args: argparse.Namespace) -> dict:
    """Task -> starts of its evaluation with this `--seed` and these settings."""
    import numpy as np

    from rev2fwd_il import keys
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.data.checks.across import start_rows
    from rev2fwd_il.method.evaluation import evaluation_starts

    task_config = config_from_overrides(args.settings).task
    rows = {}
    for task in keys.TASKS:
        starts = evaluation_starts(task_config, task, args.seed, args.evaluation_episodes)
        columns = (np.stack([getattr(s, name) for s in starts]) for name in ("obj_pose", "target_pose", "ee_pose"))
        rows[task] = start_rows(*columns)
    return rows


if __name__ == "__main__":
    command_line.run(main, parser())
