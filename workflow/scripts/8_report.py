"""Gather what a run has left, finished or not, into metrics.json, metrics.csv, figures and index.html.

python workflow/scripts/8_report.py --name circle --iterations 1 --arms with_rollouts --chains

The workflow says which iterations, arms and chains belong to the run; what else lies there is named and left out. By
hand, without these, everything found under the name is shown.
"""

import argparse
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--name", default="circle", help="experiment")
    out.add_argument("--data_dir", type=Path, default=Path("data"), help="folder of datasets and replay results")
    out.add_argument("--runs_dir", type=Path, default=Path("runs"), help="folder of evaluations and alternating tests")
    out.add_argument("--out_dir", type=Path, help="folder of the report; <runs_dir>/report_<name> if not given")
    out.add_argument("--iterations", type=int, help="show iterations up to this one; all if not given")
    out.add_argument("--chosen", type=int, help="iteration that `iterations: auto` chose")
    out.add_argument("--arms", nargs="+", help="show these arms; all if not given")
    out.add_argument("--chains", action=argparse.BooleanOptionalAction, help="show the last policies' long chains")
    out.add_argument(
        "--current_only", action="store_true",
        help="leave out what other settings made than those of --set and --seed",
    )  # fmt: skip
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.reporting.formats import percent, percent_interval
    from rev2fwd_il.reporting.page import write_report
    from rev2fwd_il.reporting.selection import Selection

    out_dir = args.out_dir or args.runs_dir / f"report_{args.name}"
    config = config_from_overrides([f"seed={args.seed}", *args.settings]) if args.current_only else None
    selection = Selection(args.iterations, args.arms and tuple(args.arms), args.chains, config, args.chosen)
    report = write_report(args.name, args.data_dir, args.runs_dir, out_dir, selection)
    results = report.results
    for row in results.rows():
        interval = (row["wilson_lo"], row["wilson_hi"])
        counted = f"{row['successes']} of {row['n']}, {percent(row['rate'], interval)} ({percent_interval(interval)})"
        print(f"{row['arm']}, task {row['task']}, iteration {row['iteration']}: {counted}")
    for line in results.left_out:
        print(f"left out: {line}")
    for problem in results.problems:
        print(problem)
    print(f"shown: {results.shows}")
    print(f"report: {out_dir / 'index.html'}, {report.weight() / 1e6:.1f} MB with its videos")


if __name__ == "__main__":
    command_line.run(main, parser())
