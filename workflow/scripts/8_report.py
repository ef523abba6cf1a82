"""Gather what a run has left, finished or not, into metrics.json, metrics.csv, pictures and index.html.

python workflow/scripts/8_report.py --name circle --out_dir runs/report_circle
"""

import argparse
from pathlib import Path

from rev2fwd_il import cli


def parser() -> argparse.ArgumentParser:
    out = cli.make_parser(__doc__.splitlines()[0])
    out.add_argument("--name", default="circle", help="experiment")
    out.add_argument("--data_dir", type=Path, default=Path("data"), help="folder of datasets and replay results")
    out.add_argument("--runs_dir", type=Path, default=Path("runs"), help="folder of evaluations and alternating tests")
    out.add_argument("--out_dir", type=Path, help="folder of the report; <runs_dir>/report_<name> if not given")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.report import percent, write_report

    out_dir = args.out_dir or args.runs_dir / f"report_{args.name}"
    results = write_report(args.name, args.data_dir, args.runs_dir, out_dir)
    for row in results.rows():
        interval = f"{percent(row['wilson_lo'])} to {percent(row['wilson_hi'])}"
        print(f"{row['arm']}, task {row['task']}, iteration {row['iteration']}: {percent(row['rate'])} ({interval})")
    for problem in results.problems:
        print(problem)
    print(f"report: {out_dir / 'index.html'}")


if __name__ == "__main__":
    cli.run(main, parser())
