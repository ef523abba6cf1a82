"""Ablation of the choices that let reversed demonstrations replay: the table in docs/replay.md.

    .venv/bin/python benchmarks/replay.py --episodes 64                # all variants, some 10 minutes on two cores
    .venv/bin/python benchmarks/replay.py --episodes 200 --only ours   # the claim, on seeds unused in development

Each variant runs in a process of its own: demonstrate B, replay B from its own commands, reverse, replay the reversal.
What succeeded is replayed again in another process.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

SOFT_ARM = ["plant.feed_forward=false", "plant.arm_stiffness=400", "plant.arm_damping=80"]
VARIANTS = {
    "ours": [],
    "joint drives without feed-forward, 2000/100": ["plant.feed_forward=false"],
    "joint drives without feed-forward, 400/80": SOFT_ARM,
    "gripper label: the reversed command": ["reversal.gripper_label=reversed_command"],
    "asymmetric expert: waits before an event, leaves at once": ["demos.dwell_steps=[14,4]"],
    "asymmetric expert: acts at once, then waits": ["demos.dwell_steps=[4,14]"],
    "soft contacts, fingers without armature": [
        "plant.contact_stiffness=2500", "plant.contact_damping=100", "plant.friction=1.0", "plant.finger_armature=0.0",
    ],
    "all naive": [
        *SOFT_ARM, "reversal.gripper_label=reversed_command", "demos.dwell_steps=[14,4]", "plant.finger_armature=0.0",
        "plant.contact_stiffness=2500", "plant.contact_damping=100", "plant.friction=1.0",
    ],
}  # fmt: skip
TOLERANCE_M = 0.03


def measure(settings: list[str], episodes: int, num_envs: int, seed: int, kept: Path) -> dict:
    """Demonstrate, replay forward and reversed; rates, residuals and final error [mm], seconds for 100 replays.

    Writes the reversed trajectories that succeed to `kept`.
    """
    import time
    from itertools import islice

    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.method.demonstration import demonstrate
    from rev2fwd_il.method.replay import replay, summarize_replays
    from rev2fwd_il.method.reversal import goal_of, reverse_episode
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    config = with_changes(settings, task={"distance_threshold": TOLERANCE_M})
    lead, label = config.reversal.gripper_lead_steps, config.reversal.gripper_label
    with simulation(config, num_envs, seed=seed) as (env, watch):
        cell = Cell(env, watch, config)
        attempts = list(islice(demonstrate(cell, config, "B", seed, images=False), episodes))
        demos = [episode for episode in attempts if episode.success]
        out = {"expert": [len(demos), len(attempts)]}
        if demos:
            forward = summarize_replays(list(replay(cell, config, "B", demos)))
            backwards = [reverse_episode(episode, goal_of(episode), lead, label) for episode in demos]
            started = time.perf_counter()
            reversed_ = summarize_replays(list(replay(cell, config, "A", backwards)))
            out["seconds_per_100"] = 100 * (time.perf_counter() - started) / len(backwards)
            out |= {"forward": _short(forward), "reversed": _short(reversed_)}
            _keep(kept, [episode for episode, ok in zip(backwards, _successes(reversed_), strict=True) if ok], config)
    return out


def measure_again(settings: list[str], kept: Path, num_envs: int, seed: int) -> list[int]:
    """Replay the kept trajectories: [succeeded, attempted]."""
    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.data.reading import EpisodeDataset
    from rev2fwd_il.method.replay import replay
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    config = with_changes(settings, task={"distance_threshold": TOLERANCE_M})
    with simulation(config, num_envs, seed=seed) as (env, watch):
        cell = Cell(env, watch, config)
        outcomes = list(replay(cell, config, "A", EpisodeDataset(kept)))
    return [sum(outcome.success for outcome in outcomes), len(outcomes)]


def _successes(result: dict) -> list[bool]:
    return [episode["success"] for episode in result["episodes"]]


def _keep(path: Path, episodes: list, config) -> None:
    from rev2fwd_il.data.reading import DatasetWriter
    from rev2fwd_il.running.provenance import made_by

    path.unlink(missing_ok=True)
    if episodes:
        with DatasetWriter(path, made_by(config, kind="reversed", seed=None, task="A")) as writer:
            for episode in episodes:
                writer.add(episode)


def _short(result: dict) -> dict:
    millimetres = {
        name: None if result[f"{name}_m"] is None else 1000 * result[f"{name}_m"]
        for name in ("tracking_error_mean", "tracking_error_p99", "tracking_error_max", "final_error_median")
    }
    return {"succeeded": result["succeeded"], "attempted": result["attempted"], **millimetres}


def row(name: str, result: dict) -> str:
    """One line of the Markdown table."""
    expert = f"{result['expert'][0]}/{result['expert'][1]}"
    if "reversed" not in result:
        return f"| {name} | {expert} | – | – | – | – | – | – |"
    forward, backwards = result["forward"], result["reversed"]
    residual = " / ".join(f"{backwards[f'tracking_error_{kind}']:.1f}" for kind in ("mean", "p99", "max"))
    error, again = backwards["final_error_median"], "/".join(map(str, result.get("again", "–")))
    return (
        f"| {name} | {expert} | {forward['succeeded']}/{forward['attempted']} "
        f"| {backwards['succeeded']}/{backwards['attempted']} | {again} | {residual} "
        f"| {'–' if error is None else f'{error:.1f}'} | {result['seconds_per_100']:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--num_envs", type=int, default=64)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--only", choices=VARIANTS, nargs="*", default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark_replay.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a single variant, in this process
    parser.add_argument("--again", action="store_true", help=argparse.SUPPRESS)  # only replay what it has kept
    args = parser.parse_args()
    kept = args.out.with_suffix(".npz")
    if args.one:
        again = args.again and measure_again(VARIANTS[args.one], kept, args.num_envs, args.seed)
        result = again or measure(VARIANTS[args.one], args.episodes, args.num_envs, args.seed, kept)
        args.out.write_text(json.dumps(result))
        return
    print("| variant | expert | forward replay | reversed replay | kept, again | residual mean / p99 / max [mm] "
          "| median final error [mm] | s / 100 replays |\n|---|---|---|---|---|---|---|---|", flush=True)  # fmt: skip
    results = {}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        part = args.out.with_suffix(".part")
        options = [f"--{key}={getattr(args, key)}" for key in ("episodes", "num_envs", "seed")]
        command = [sys.executable, __file__, "--one", name, "--out", str(part), *options]
        finished = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if finished.returncode:
            print(f"| {name} | stopped: {finished.stderr.strip().splitlines()[-1][:120]} | | | | | |", flush=True)
            continue
        results[name] = json.loads(part.read_text())
        if part.with_suffix(".npz").exists():
            subprocess.run([*command, "--again"], check=True, capture_output=True)
            results[name]["again"] = json.loads(part.read_text())
            part.with_suffix(".npz").unlink()
        part.unlink()
        print(row(name, results[name]), flush=True)
    args.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
