"""The workflow: time of a script to its first control step, and the overhead of Snakemake over its jobs."""

import csv
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from measuring import RESULTS, ROOT, SCRIPTS, Effort, Row, checkpoint, record, seconds

DATA = ROOT / "tests" / "files" / "demonstrations_B.npz"
CORES = 2


def start(effort: Effort) -> list[Row]:
    """Seconds from the start of a process to its first control step: scripts without a policy, and with one."""
    size = ["--num_envs", effort.pick(64, 2), "--headless"]
    with tempfile.TemporaryDirectory() as folder:
        policy = checkpoint(Path(folder), DATA, [])
        out, out_a, out_b, outcomes = (f"{folder}/{name}" for name in ("out.npz", "A.npz", "B.npz", "outcomes.json"))
        scripts = {
            "1_collect_data_pick_place.py": ["--out", out, "--set", "demos.images=false"],
            "3b_replay_forward_data.py": ["--input", DATA, "--out", out, "--out_report", outcomes],
            "5_eval_diffusion.py": [
                "--checkpoint", policy, "--task", "B", "--out_dir", folder, "--set", "evaluation.videos=0",
            ],
            "6_test_alternating.py": ["--policy_A", policy, "--policy_B", policy, "--out_A", out_a, "--out_B", out_b],
        }  # fmt: skip
        rows = [
            Row(f"start of {name} to its first step, kernels cached", "the bare Isaac Lab scene", "≤ 1.2", "s")
            for name in scripts
        ]
        bare = ["--bare", size[1]]
        _first_step(bare)
        for _ in range(effort.repetitions):
            figures = [_first_step([SCRIPTS / name, *options, *size]) for name, options in scripts.items()]
            record(rows, figures, _first_step(bare))
    return rows


def run(effort: Effort) -> list[Row]:
    """`make run` of the default configuration in a copy, without set-up; or a finished run (`--run FOLDER`)."""
    if effort.run:
        return [_run_row(effort.run)]
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        copy = Path(folder)
        for part in ("rules", "report", "config", "profiles", "workflow", "assets", "envs"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", copy)
        engine = os.environ.get("REV2FWD_SNAKEMAKE", str(ROOT / ".venv-engine/bin/snakemake"))
        config = f"config/{effort.pick('config', 'smoke')}.yaml"
        report = ["--report", "runs/snakemake_report.html", "--report-after-run"]
        command = [engine, "--configfile", config, "--cores", str(CORES), *report]
        environment = os.environ | {"REV2FWD_PYTHON": sys.executable}
        job = {"cwd": copy, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, **job)
        return [_run_row(copy)]


ROWS = {"start": start, "run": run}


def _run_row(folder: Path) -> Row:
    """From the records of Snakemake's last run in this folder."""
    log = max((folder / ".snakemake" / "log").glob("*.log"))  # they are named by the time of their start
    text, since = log.read_text(), datetime.strptime(log.name[:17], "%Y-%m-%dT%H%M%S").timestamp()
    cores, arguments = int(_found(r"Provided cores: (\d+)", text, log)), _found(r"Command: \S+ (.+)", text, log)
    hours, minutes, rest = map(float, _found(r"Elapsed time: (\d+):(\d+):([\d.]+)", text, log))
    steps = _found(r"(\d+) of \1 steps \(100%\) done", text, log)
    tables = [path for path in folder.glob("runs/benchmark_*/*.tsv") if path.stat().st_mtime >= since]
    lines = [line for path in tables for line in csv.DictReader(path.read_text().splitlines(), delimiter="\t")]
    row = Row(f"`make run`, set-up excluded: `snakemake {arguments}`",
              f"the sum of its jobs' own times, divided by {cores}", "≤ 1.35", "s")  # fmt: skip
    row.ours.append(3600 * hours + 60 * minutes + rest)
    row.theirs.append(sum(float(line["s"]) for line in lines) / cores)
    row.note = f"{steps} steps, {len(lines)} of them timed jobs; started {log.name[:10]}"
    return row


def _found(pattern: str, text: str, log: Path):
    """Groups of the pattern's last match. Raises RuntimeError where there is none."""
    if found := re.findall(pattern, text):
        return found[-1]
    raise RuntimeError(f"{log}: no `{pattern}`: has this run ended, and done all it had to do?")


def _first_step(arguments: list) -> float:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, *map(str, arguments)]
    return seconds(lambda: subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL))


def _bare_scene(num_envs: int) -> None:
    import torch
    from isaaclab.app import launch_simulation
    from isaaclab.envs import ManagerBasedEnv

    from rev2fwd_il.config.run import Config
    from rev2fwd_il.sim.environment import environment_cfg

    cfg = environment_cfg(Config(), num_envs, cameras=False, seed=0)
    with launch_simulation(cfg, {"device": "cpu", "visualizer": ["none"]}):
        env = ManagerBasedEnv(cfg)
        env.reset()
        env.step(torch.zeros(num_envs, 8))


def _leave_after_a_step() -> None:
    """End this process after its first control step."""
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
