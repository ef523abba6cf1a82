"""Measure this project against the tools it could be replaced by: the table in docs/benchmarks.md (`make bench`).

    .venv/bin/python benchmarks/bench.py                       # all rows: hours
    .venv/bin/python benchmarks/bench.py conversion windows    # some rows; the others keep their last figures
    .venv/bin/python benchmarks/bench.py run --run .               # the workflow as it last ran in this folder
    .venv/bin/python benchmarks/bench.py --quick               # test the code: meaningless figures, no table

Each group of rows runs in its own process and writes its figures to runs/benchmarks/, from which the table is made.
Nothing else should run on the machine.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from measuring import RESULTS, ROOT, Effort, Row

AREAS = {
    "simulation": ["chains", "cameras", "seeing", "environments"],
    "training": ["train_state", "train_images"],
    "data": ["conversion", "memory", "windows"],
    "workflow": ["start", "run"],
    "gpu": ["gpu_steps", "gpu_train"],
}
NAMES = [name for names in AREAS.values() for name in names]
TABLE = ROOT / "docs" / "benchmarks.md"
HEADER = """# Benchmarks

Each figure stands beside its reference, measured in turn on the same machine; the ratio is the median over `n`
repetitions, with the smallest and the largest. `make bench` writes this page (benchmarks/bench.py); `make bench
ROWS="conversion windows"` measures some rows anew and leaves the others as they are.

| row | what | reference | bar | ratio | ours | reference's | note |
|---|---|---|---|---|---|---|---|
"""
HOW = """
## How

| row | command | code | machine | versions |
|---|---|---|---|---|
"""


def measure(name: str, effort: Effort) -> None:
    """Measure one group in this process, and keep its figures."""
    from rev2fwd_il.running import provenance

    area = next(area for area, names in AREAS.items() if name in names)
    rows = importlib.import_module(area).ROWS[name](effort)
    machine = {key: value for key, value in provenance.machine().items() if key != "host"}
    machine |= {"cores": len(os.sched_getaffinity(0))}
    record = {"rows": [asdict(row) for row in rows], "machine": machine, "versions": provenance.versions()}
    record |= {"code_version": provenance.code_version(), "quick": effort.quick}
    record["command"] = f"benchmarks/bench.py {name} --repetitions {effort.repetitions}"
    record["command"] += " --run FOLDER" if effort.run and name == "run" else ""
    _result(name, effort.quick).write_text(json.dumps(record, indent=1) + "\n")
    print("\n".join(row.line() for row in rows), flush=True)


def write_table() -> None:
    """docs/benchmarks.md: rows measured here, and all others as they stand there."""
    figures, conditions = [], []
    for name in NAMES:
        record = json.loads(_result(name).read_text()) if _result(name).exists() else None
        if record:
            figures += [f"| {name} {Row(**row).line()}" for row in record["rows"]]
            facts = [
                ", ".join(f"{key} {value}" for key, value in record[part].items()) for part in ("machine", "versions")
            ]
            conditions.append(f"| {name} | `{record['command']}` | {record['code_version']} | {' | '.join(facts)} |")
        else:
            lines = [line for line in TABLE.read_text().splitlines() if line.startswith(f"| {name} |")]
            figures, conditions = figures + lines[:-1], conditions + lines[-1:]
    TABLE.write_text("\n".join([HEADER + "\n".join(figures), HOW + "\n".join(conditions), ""]))
    print(f"wrote {TABLE.relative_to(ROOT)}")


def _result(name: str, quick: bool = False) -> Path:
    return RESULTS / f"{name}{'.quick' if quick else ''}.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--repetitions", type=int, default=5, help="at most; what takes minutes is repeated less")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="row run: do not run, read how it went there")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the code; writes no table")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # measure in this process
    args = parser.parse_args()
    if unknown := set(args.rows) - set(NAMES):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    if args.here:
        measure(args.rows[0], Effort(args.repetitions, args.quick, args.run))
        return 0
    failed = []
    environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT / "src")} | os.environ
    for name in args.rows or NAMES:
        print(f"-- {name}", flush=True)
        options = [f"--repetitions={args.repetitions}", "--here"]
        options += ["--quick"] * args.quick + ([f"--run={args.run}"] if args.run else [])
        failed += [name] * bool(subprocess.run([sys.executable, __file__, name, *options], env=environment).returncode)
    if not args.quick:
        write_table()
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
