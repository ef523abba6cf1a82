"""Look at a dataset: check it, print its statistics, write figures, a video of one episode and a JSON summary.

    python workflow/scripts/2_inspect_data.py --dataset data/B_circle.npz --out_dir runs/inspect --enable_xyz_viz

Exit status 1 when the dataset breaks the contract or a check finds an error; the figures are written all the same.
"""

import argparse
import json
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--dataset", type=Path, required=True, help="NPZ to inspect")
    out.add_argument("--episode", type=int, default=0, help="episode that figures and video show")
    out.add_argument("--out_dir", type=Path, default=Path("runs/inspect"), help="folder of figures and video")
    out.add_argument("--fps", type=float, default=30.0, help="frames per second of the dataset and of the video")
    out.add_argument("--enable_xyz_viz", action="store_true", help="x, y, z and gripper over time, and the plan view")
    out.add_argument("--stats_json", type=Path, help="JSON summary; <out_dir>/stats.json if not given")
    out.add_argument("--rrd", action="store_true", help="a recording of the episode for the Rerun viewer")
    out.add_argument("--json", action="store_true", help="print the JSON summary instead of text")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.data.checks.findings import ERROR
    from rev2fwd_il.data.reading import EpisodeDataset
    from rev2fwd_il.errors import DataError
    from rev2fwd_il.reporting.inspection import describe, inspect

    if args.fps <= 0:
        raise DataError("--fps must be positive", found=args.fps)
    stats, findings = inspect(
        EpisodeDataset(args.dataset), args.out_dir, episode=args.episode, fps=args.fps, xyz_viz=args.enable_xyz_viz,
        stats_json=args.stats_json, rrd=args.rrd,
    )  # fmt: skip
    if args.json:
        print(json.dumps(stats, indent=1))
    else:
        print(describe(stats, findings))
        print(f"written to {args.out_dir}: {', '.join(stats['written'])}")
    errors = [finding for finding in findings if finding.severity == ERROR]
    if errors:
        raise DataError(f"{args.dataset}: {len(errors)} errors found", found=errors[0], do="see the list above")


if __name__ == "__main__":
    command_line.run(main, parser())
