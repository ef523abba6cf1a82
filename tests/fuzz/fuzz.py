"""Damage thousands of files and read them, in a process of bounded memory and time: `make fuzz`.

    python tests/fuzz/fuzz.py --count 10000

Exit status 1 when a damaged file brought a traceback, a hang, a crash, too much memory, or passed for another content.
The failed cases are listed by number; `--first N --count 1` repeats one.
"""

import argparse
import contextlib
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

CASE_S = 30  # of computing: a case that takes longer hangs
SILENCE_S = 300  # and one that says nothing for so long hangs where no signal reaches it
GOOD = ("refused", "equal", "other")


def worker(args: argparse.Namespace) -> None:
    """Run cases and print one line for each: number, kind, outcome."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from fuzz.cases import Cases

    cases = Cases(args.folder / "originals", args.folder / "work")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + args.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGPROF, lambda *_: (_ for _ in ()).throw(TimeoutError("hangs")))
    print("ready", flush=True)
    for number in range(args.first, args.first + args.count):
        signal.setitimer(signal.ITIMER_PROF, CASE_S)
        try:
            kind, outcome = cases.run(number)
        except Exception as error:
            kind, outcome = type(error).__name__, "TRACEBACK"
            traceback.print_exc()
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(number, kind, outcome, flush=True)


def supervise(args: argparse.Namespace) -> list[tuple[int, str, str]]:
    """Start workers until all cases are done; one that dies or falls silent has failed its case."""
    results, end = [], time.monotonic() + args.seconds
    while len(results) < args.count and time.monotonic() < end:
        first = args.first + len(results)
        command = [sys.executable, __file__, "--worker", "--folder", args.folder, "--memory_mb", args.memory_mb]
        command += ["--first", first, "--count", args.count - len(results)]
        with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True) as process:
            lines = _lines(process, end)
            if next(lines, None) != "ready":
                raise SystemExit("the worker did not start")
            for line in lines:
                number, kind, outcome = line.split()
                results.append((int(number), kind, outcome))
            process.kill()
            unfinished = len(results) < args.count and time.monotonic() < end
            if unfinished:
                results.append((args.first + len(results), "?", f"DIED({process.wait()})"))
    return results


def _lines(process: subprocess.Popen, end: float):
    """Lines of the worker until it ends, falls silent or the time is up."""
    buffer = ""
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < end and selector.select(min(SILENCE_S, max(0.1, end - time.monotonic()))):
            chunk = os.read(process.stdout.fileno(), 2**16).decode()
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split("\n")
            yield from lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="damaged files")
    parser.add_argument("--first", type=int, default=0, help="number of the first case, which is its seed")
    parser.add_argument("--seconds", type=float, default=3000, help="time for all")
    parser.add_argument("--memory_mb", type=int, default=512, help="memory beyond that of the imported libraries")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder if not given")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(args)
        return
    with contextlib.ExitStack() as stack:
        if args.folder is None:
            args.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make = "import sys; from pathlib import Path; from fuzz.cases import write_originals as w; w(Path(sys.argv[1]))"
        tests = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
        (args.folder / "originals").mkdir()
        command = [sys.executable, "-c", make, str(args.folder / "originals")]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=True)
        began = time.monotonic()
        results = supervise(args)
    report(results, args.count, time.monotonic() - began)


def report(results: list[tuple[int, str, str]], count: int, seconds: float) -> None:
    for (kind, outcome), number in sorted(Counter((kind, outcome) for _, kind, outcome in results).items()):
        print(f"{kind:10} {outcome:10} {number:6}")
    failed = [result for result in results if result[2] not in GOOD]
    for number, kind, outcome in failed:
        print(f"case {number}: {kind} {outcome}")
    print(f"{len(results)} of {count} damaged files in {seconds:.0f} s, {len(failed)} failed")
    if failed or len(results) < count:
        sys.exit(1)


if __name__ == "__main__":
    main()
