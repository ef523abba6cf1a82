"""Summarize the runs of a study: one table of numbers, tables as LaTeX and Markdown, figures as PDF and SVG.

python workflow/scripts/8c_summarize_study.py --name paper --runs_dir runs --out_dir runs/study_paper --iterations 1 \
    --arms with_rollouts --run paper-stack-seed0 paper-stack-seed0 task_kind=stack seed=0

Of each run: its name, the run whose demonstrations it has (itself, as a rule), and its factors. Runs that are not
complete are named.
"""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from rev2fwd_il.running import command_line


def parser() -> argparse.ArgumentParser:
    out = command_line.make_parser(__doc__.splitlines()[0])
    out.add_argument("--name", required=True, help="experiment")
    out.add_argument("--runs_dir", type=Path, default=Path("runs"), help="folder of reports and benchmark files")
    out.add_argument("--out_dir", type=Path, required=True, help="folder of the summary")
    out.add_argument("--iterations", type=int, required=True, help="iterations that each run was asked for")
    out.add_argument("--arms", nargs="+", required=True, help="arms that each run was asked for")
    out.add_argument("--without_chains", nargs="*", default=[], metavar="NAME", help="runs asked for no long chains")
    out.add_argument(
        "--run", nargs="+", action="append", required=True, metavar=("NAME OWNER", "FACTOR=LEVEL"),
        help="a run, whose demonstrations it has, and its factors; once for each run",
    )  # fmt: skip
    out.add_argument("--so_far", action="store_true", help="read the reports of runs that have failed in part")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.reporting.study.reading import Asked, read_study_run
    from rev2fwd_il.reporting.study.writing import write_study

    asked = Asked(args.iterations, tuple(args.arms), chains=True)
    runs = []
    for name, owner, *pairs in args.run:
        factors = dict(pair.partition("=")[::2] for pair in pairs)
        of_run = replace(asked, chains=name not in args.without_chains)
        runs.append(read_study_run(args.runs_dir, name, owner, factors, of_run, so_far=args.so_far))
    print(write_study(args.name, runs, asked, args.out_dir, shlex.join(["python", *sys.argv])))
    print(f"study: {args.out_dir / 'table.md'}")


if __name__ == "__main__":
    command_line.run(main, parser())
