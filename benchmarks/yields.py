"""How many reversed demonstrations of each task replay: the table and the curve over clearances in docs/tasks.md.

    .venv/bin/python benchmarks/yields.py --seed 31415 --figure docs/clearance_curve.png
    .venv/bin/python benchmarks/yields.py --figure docs/clearance_curve.png --only        # draw what was measured

Each row runs in a process of its own: demonstrate B, reverse what succeeded, replay it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

CLEARANCES_MM = (4, 2, 1, 0.5, 0.25)
ROWS = {"pick_place": [], "stack": ["task.kind=stack"], "push": ["task.kind=push"]} | {
    f"insert, {mm} mm": ["task.kind=insert", f"task.clearance={mm / 1000}"] for mm in CLEARANCES_MM
}
TOLERANCE_M = 0.03
HEAD = "| task | expert B | reversed replay | exact 95 % interval | residual mean / p99 [mm] | failures |\n"
HEAD += "|---|---|---|---|---|---|"


def measure(settings: list[str], episodes: int, num_envs: int, seed: int) -> dict:
    """Demonstrate B and replay its reversals: counts, exact interval, residual of the end effector [mm], failures."""
    from collections import Counter
    from itertools import islice

    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.method.demonstration import demonstrate
    from rev2fwd_il.method.replay import replay, summarize_replays
    from rev2fwd_il.method.reversal import goal_of, reverse_episode
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    config = with_changes(settings, task={"distance_threshold": TOLERANCE_M})
    lead = config.reversal.gripper_lead_steps
    with simulation(config, num_envs, seed=seed) as (env, watch):
        cell = Cell(env, watch, config)
        attempts = list(islice(demonstrate(cell, config, "B", seed, images=False), episodes))
        demos = [episode for episode in attempts if episode.success]
        backwards = [reverse_episode(episode, goal_of(episode), lead) for episode in demos]
        result = summarize_replays(list(replay(cell, config, "A", backwards)))
    return {
        "expert": [len(demos), len(attempts)],
        **{name: result["rate"][name] for name in ("successes", "attempts", "rate", "clopper_pearson_95")},
        "residual_mm": [1000 * result[f"tracking_error_{kind}_m"] for kind in ("mean", "p99")],
        "failures": Counter(episode["failure"] for episode in result["episodes"] if not episode["success"]),
    }


def row(name: str, result: dict) -> str:
    """One line of the Markdown table."""
    low, high = (100 * bound for bound in result["clopper_pearson_95"])
    failures = ", ".join(f"{kind} {count}" for kind, count in sorted(result["failures"].items()))
    return (
        f"| {name} | {'/'.join(map(str, result['expert']))} | {result['successes']}/{result['attempts']} "
        f"| {low:.1f} to {high:.1f} % | {' / '.join(f'{mm:.1f}' for mm in result['residual_mm'])} | {failures or '–'} |"
    )


def draw(results: dict, path: Path) -> None:
    """Successes of the expert, and of its reversed demonstrations, by clearance, with exact 95 % intervals."""
    from matplotlib.figure import Figure

    from rev2fwd_il.method.statistics import rate

    found = {mm: results[f"insert, {mm} mm"] for mm in CLEARANCES_MM if f"insert, {mm} mm" in results}
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for label, marker, counts in (
        ("expert pulls the peg out (B)", "s", [result["expert"] for result in found.values()]),
        ("reversed, it inserts (A)", "o", [(result["successes"], result["attempts"]) for result in found.values()]),
    ):
        rates = [rate(*count) for count in counts]
        shares = [100 * one["rate"] for one in rates]
        low, high = zip(*((100 * a, 100 * b) for a, b in (one["clopper_pearson_95"] for one in rates)), strict=True)
        bars = [[s - a for s, a in zip(shares, low, strict=True)], [b - s for s, b in zip(shares, high, strict=True)]]
        axes.errorbar(list(found), shares, bars, marker=marker, capsize=4, label=label)
    axes.set(xscale="log", ylim=(0, 103), xlabel="clearance on each side [mm]", ylabel="successes [%]")
    axes.set_xticks(list(found), [str(mm) for mm in found])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=200, help="attempts of the expert")
    parser.add_argument("--num_envs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--only", choices=ROWS, nargs="*", default=list(ROWS))
    parser.add_argument("--set", dest="settings", nargs="*", default=[], help="settings laid over each row's")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark_yields.json"), help="rows are added to it")
    parser.add_argument("--figure", type=Path, help="where to draw the curve over clearances")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a single row, in this process
    args = parser.parse_args()
    if args.one:
        result = measure([*ROWS[args.one], *args.settings], args.episodes, args.num_envs, args.seed)
        args.out.write_text(json.dumps(result))
        return
    args.out.parent.mkdir(parents=True, exist_ok=True)
    results = json.loads(args.out.read_text()) if args.out.is_file() else {}
    print(HEAD, flush=True)
    part = args.out.with_suffix(".part")
    for name in args.only:
        options = [f"--{key}={getattr(args, key)}" for key in ("episodes", "num_envs", "seed")]
        command = [sys.executable, __file__, "--one", name, "--out", str(part), *options, "--set", *args.settings]
        finished = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if finished.returncode:
            print(f"| {name} | stopped: {finished.stderr.strip().splitlines()[-1][:120]} | | | | |", flush=True)
            continue
        results[name] = json.loads(part.read_text())
        part.unlink()
        args.out.write_text(json.dumps(results, indent=1))
        print(row(name, results[name]), flush=True)
    if args.figure:
        draw(results, args.figure)


if __name__ == "__main__":
    main()
