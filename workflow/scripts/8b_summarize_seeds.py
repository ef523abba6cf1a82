"""Summarize the reports of several training seeds: means, intervals over runs, differences paired within each seed.

python workflow/scripts/8b_summarize_seeds.py --name circle --out_dir runs/seeds_circle \
    --run runs/report_circle-seed0/metrics.json 0 --run runs/report_circle-seed1/metrics.json 1
"""

import argparse
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--name", required=True, help="experiment")
    out.add_argument(
        "--run", nargs=2, action="append", required=True, metavar=("METRICS_JSON", "SEED"),
        help="a report's metrics.json, and the seed of its run; once for each run",
    )  # fmt: skip
    out.add_argument("--out_dir", type=Path, required=True, help="folder of the summary")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.reporting.formats import percent, percent_interval
    from rev2fwd_il.reporting.runs import CHOSEN, RATE, read_run
    from rev2fwd_il.reporting.seeds_page import write_summary

    reports = [Path(path) for path, _ in args.run]
    runs = [read_run(Path(path), {"seed": seed}) for path, seed in args.run]
    summary = write_summary(args.name, runs, reports, args.out_dir)
    for row in summary["over_seeds"]:
        if (row["iteration"], row["measure"]) == (CHOSEN, RATE):
            interval = percent_interval(row["interval_95"])
            print(f"{row['arm']}, task {row['task']}, {row['runs']} runs: {percent(row['mean'])} ({interval})")
    print(f"summary: {args.out_dir / 'index.html'}")


if __name__ == "__main__":
    command_line.run(main, parser())
