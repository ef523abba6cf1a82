"""The workflow: how long a script takes to its first control step, and what the scheduler adds to its jobs."""

import csv
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import RESULTS, ROOT, SCRIPTS, Effort, Row, checkpoint, seconds

DATA = ROOT / "tests" / "data" / "demonstrations_B.npz"
CORES = 2


def start(effort: Effort) -> list[Row]:
    """Seconds from the start of a process to its first control step."""
    num_envs = effort.pick(64, 2)
    row = Row(
        "start of the alternating test to its first step, kernels cached", "the bare Isaac Lab scene", "≤ 1.2", "s"
    )
    with tempfile.TemporaryDirectory() as folder:
        policy = checkpoint(Path(folder), DATA, [])
        out = ["--out_A", f"{folder}/A.npz", "--out_B", f"{folder}/B.npz", "--num_envs", num_envs, "--headless"]
        script = [SCRIPTS / "6_test_alternating.py", "--policy_A", policy, "--policy_B", policy, *out]
        bare = ["--bare", num_envs]
        _first_step(bare)
        return [row.measure(range(effort.repetitions), lambda: _first_step(script), lambda: _first_step(bare))]


def run(effort: Effort) -> list[Row]:
    """`make run` of the default configuration, in a copy; the environments are there already."""
    name = effort.pick("config", "smoke")
    row = Row(f"`make run` of config/{name}.yaml, {CORES} cores, set-up excluded",
              f"the sum of its jobs' own times, divided by {CORES}", "≤ 1.35", "s")  # fmt: skip
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        copy = Path(folder)
        for part in ("rules", "report", "config", "profiles", "workflow", "assets", "envs"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", copy)
        engine = os.environ.get("REV2FWD_SNAKEMAKE", str(ROOT / ".venv-engine/bin/snakemake"))
        report = ["--report", "runs/snakemake_report.html", "--report-after-run"]
        command = [engine, "--configfile", f"config/{name}.yaml", "--cores", str(CORES), *report]
        environment = os.environ | {"REV2FWD_PYTHON": sys.executable}
        job = {"cwd": copy, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        row.ours.append(seconds(lambda: subprocess.run(command, check=True, **job)))
        tables = [path.read_text().splitlines() for path in copy.glob("runs/benchmark_*/*.tsv")]
        times = [float(line["s"]) for table in tables for line in csv.DictReader(table, delimiter="\t")]
        row.theirs.append(sum(times) / CORES)
    return [row]


ROWS = {"start": start, "run": run}


def _first_step(arguments: list) -> float:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, *map(str, arguments)]
    return seconds(lambda: subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL))


def _bare_scene(num_envs: int) -> None:
    import torch
    from isaaclab.app import launch_simulation
    from isaaclab.envs import ManagerBasedEnv

    from rev2fwd_il.config import Config
    from rev2fwd_il.sim.environment import environment_cfg

    cfg = environment_cfg(Config(), num_envs, cameras=False, seed=0)
    with launch_simulation(cfg, {"device": "cpu", "visualizer": ["none"]}):
        env = ManagerBasedEnv(cfg)
        env.reset()
        env.step(torch.zeros(num_envs, 8))


def _leave_after_a_step() -> None:
    """Let this process end when its first control step is done."""
    from isaaclab.envs import ManagerBasedEnv

    step = ManagerBasedEnv.step

    def last_step(env, action):
        step(env, action)
        os._exit(0)

    ManagerBasedEnv.step = last_step


if __name__ == "__main__":
    _leave_after_a_step()
    if sys.argv[1] == "--bare":
        _bare_scene(int(sys.argv[2]))
    else:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit("no control step was made")
