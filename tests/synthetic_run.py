"""What a finished run leaves in data/ and runs/, without running it: invented outcomes in the real formats."""

import json
import shutil

import numpy as np
from synthetic import make_episode, write_dataset

from rev2fwd_il.config.run import Config
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.data.video_files import write_mp4
from rev2fwd_il.method.reversal import goal_of, reverse_episode
from rev2fwd_il.method.statistics import chain_summary, rate
from rev2fwd_il.running.provenance import made_by

KINDS = ["never_reached", "missed_grasp", "dropped", "placed_wide", "not_released", "timeout"]


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def evaluation(task, chance, rng, n=200):
    """metrics.json of 5_eval_diffusion.py; the starts depend on the task alone."""
    starts = np.random.default_rng(ord(task)).uniform(-0.25, 0.25, (n, 2)).round(4).tolist()
    done, heading = rng.random(n) < chance, [1.0, 0.0, 0.0, 0.0]
    failed = [None if success else str(rng.choice(KINDS)) for success in done]
    counts = rate(done.sum(), n)
    return {
        "task": task, "checkpoint": "…", "seed": 0, "horizon": 240, "num_episodes": n, "distance_threshold": 0.03,
        **counts, "made_by": made_by(Config(), kind="evaluation", seed=0, task=task),
        "rates": {"0.03": counts, "0.05": rate(min(n, done.sum() + n // 30), n)},
        "failures": {kind: failed.count(kind) for kind in KINDS if kind in failed},
        "median_final_error_m": 0.0123, "steps_mean": 143.2,
        "episodes": [
            {"object_pose": [*xy, 0.02, *heading], "ee_pose": [*xy, 0.15, *heading], "object_xy": xy,
             "target_xy": [0.5, 0], "success": bool(success), "failure": kind, "final_error_m": 0.01, "steps": 140}
            for xy, success, kind in zip(starts, done, failed)
        ],
    }  # fmt: skip


def alternating(chance, rng, num_envs=32, max_cycles=4):
    """metrics.json of 6_test_alternating.py."""
    cycles = np.minimum(rng.geometric(1 - chance, num_envs) - 1, max_cycles)
    ended = ["max_cycles" if k == max_cycles else f"{rng.choice(['A', 'B'])}:{rng.choice(KINDS)}" for k in cycles]
    a, b = rate(cycles.sum() + 3, cycles.sum() + 20), rate(cycles.sum(), cycles.sum() + 3)
    return {
        "A": a, "B": b, "A_success_rate": a["rate"], "B_success_rate": b["rate"],
        "consecutive_success": chain_summary(cycles.tolist()), "max_cycles": max_cycles, "num_envs": num_envs,
        "chains": [{"cycles": int(k), "ended_by": cause} for k, cause in zip(cycles, ended)],
    }  # fmt: skip


def write_run(root, name="circle", iterations=3):
    """Fill root/data and root/runs with everything but the inspection."""
    rng = np.random.default_rng(0)
    for n in range(iterations + 1):
        for task, start in (("A", 0.35), ("B", 0.75)):
            folder = root / "runs" / f"evaluation_{task}_{name}" / f"iter{n}"
            write_json(folder / "metrics.json", evaluation(task, start + (0.97 - start) * n / iterations, rng))
            frames = rng.integers(0, 255, (4, 16, 16, 3), np.uint8)
            write_mp4(folder / "videos/success_0.mp4", frames, 30)
            if n:
                other = evaluation(task, start + 0.1 * n / iterations, np.random.default_rng(n))
                write_json(root / "runs" / f"evaluation_{task}_{name}_no_rollouts" / f"iter{n}" / "metrics.json", other)
        if n:
            content = alternating(0.3 + 0.6 * (n - 1) / iterations, rng)
            write_json(root / "runs" / f"alternating_{name}" / f"iter{n}" / "metrics.json", content)
            write_mp4(root / "runs" / f"alternating_{name}" / f"iter{n}" / "longest_chain.mp4", frames, 30)
    write_json(
        root / "runs" / f"chains_{name}" / f"iter{iterations}" / "metrics.json",
        alternating(0.97, np.random.default_rng(9), 32, 20),
    )
    demos = [make_episode(seed, size=32) for seed in range(6)]
    write_dataset(root / "data" / f"B_{name}.npz", demos, attempted=7, successful=6)
    plain = [episode.replace(images=None, wrist_images=None) for episode in demos]
    reversals = [reverse_episode(episode, goal_of(episode), 5, "width_ahead") for episode in plain]
    write_dataset(root / "data" / f"reversed_A_{name}.npz", reversals, task="A")
    write_dataset(root / "data" / f"A_{name}.npz", reversals[1:], task="A")
    for task, episodes in (("A", reversals), ("B", plain)):
        outcomes = [episode.replace(success=index % 3 != 0) for index, episode in enumerate(episodes)]
        write_dataset(root / "data" / f"rollout_{task}_{name}_iter1.npz", outcomes, task=task, kind="rollouts")
    outcomes = [
        {"success": index > 0, "failure": None if index else "dropped", "tracking_error_mean_m": 0.002,
         "tracking_error_max_m": 0.004 + 0.001 * index, "final_error_m": 0.004 + 0.08 * (index == 0),
         "first_departure_step": None if index else 90} for index in range(6)
    ]  # fmt: skip
    replay = {
        "attempted": 120, "succeeded": 117, "rate": rate(117, 120), "tracking_error_mean_m": 0.0021,
        "tracking_error_p99_m": 0.0093, "tracking_error_max_m": 0.021, "final_error_median_m": 0.004,
        "episodes": outcomes,
    }  # fmt: skip
    write_json(root / "data" / f"A_{name}_replay.json", replay)


def fail_everything(root, name="circle"):
    """Change what `write_run` wrote to a run in which nothing ever succeeded, so that task B was never attempted."""
    rng = np.random.default_rng(0)
    for path in (root / "runs").glob(f"evaluation_*_{name}*/iter*/metrics.json"):
        metrics = evaluation(json.loads(path.read_text())["task"], 0, rng, n=32)
        write_json(path, metrics | {"median_final_error_m": None})
        shutil.rmtree(path.parent / "videos", ignore_errors=True)
    for path in (root / "runs").glob(f"*_{name}/iter*/metrics.json"):
        if path.parent.parent.name.startswith(("alternating", "chains")):
            ended = [{"cycles": 0, "ended_by": f"A:{rng.choice(KINDS)}"} for _ in range(32)]
            write_json(path, {
                "A": rate(0, 32), "B": rate(0, 0), "A_success_rate": 0.0, "B_success_rate": None, "num_envs": 32,
                "consecutive_success": chain_summary([0] * 32), "max_cycles": 4, "chains": ended,
            })  # fmt: skip
            path.with_name("longest_chain.mp4").unlink(missing_ok=True)
    replay = json.loads((root / "data" / f"A_{name}_replay.json").read_text())
    outcomes = [row | {"success": False, "failure": "dropped"} for row in replay["episodes"]]
    failed = {"succeeded": 0, "rate": rate(0, 120), "final_error_median_m": None, "episodes": outcomes}
    write_json(root / "data" / f"A_{name}_replay.json", replay | failed)
    for path in (root / "data").glob(f"rollout_B_{name}_iter*.npz"):
        path.unlink()
    (root / "data" / f"A_{name}.npz").unlink()
    rollouts = root / "data" / f"rollout_A_{name}_iter1.npz"
    episodes = [episode.replace(success=False) for episode in EpisodeDataset(rollouts)]
    rollouts.unlink()
    write_dataset(rollouts, episodes, task="A", kind="rollouts")
