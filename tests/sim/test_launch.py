"""Starting the simulator: solver limits are errors, and what is missing is said."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mujoco_warp import OverflowType

from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.running.command_line import BROWSER, NO_VIEWER, WINDOW, add_viewer_flags, make_parser, viewer
from rev2fwd_il.sim.launch import require_asset, simulation
from rev2fwd_il.sim.solver_watch import LIMITS, limits_hit

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
# A cell whose solver has too little of something, moved for some control steps through the scripts' entry
TOO_LITTLE = """
import numpy as np
from rev2fwd_il.running.command_line import make_parser, run

def main(args):
    from rev2fwd_il.config.run import Config
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.environment import environment_cfg
    from rev2fwd_il.sim.launch import launched

    cfg = environment_cfg(Config(), 2, cameras=False, seed=0)
    cfg.sim.physics.solver_cfg.{limit} = {value}
    with launched(cfg) as (env, watch):
        cell = Cell(env, watch, Config())
        command = np.concatenate([cell.observation.ee_pose, np.ones((2, 1))], 1)
        for _ in range(8):
            command[:, 2] -= 0.02
            cell.step(command)

run(main, make_parser(""))
"""
DEMONSTRATE = """
import rev2fwd_il.sim.cell as cell
from rev2fwd_il.running.command_line import make_parser, run

def main(args):
    from rev2fwd_il.config.run import Config
    from rev2fwd_il.method.demonstration import demonstrate
    from rev2fwd_il.sim.environment import environment_cfg
    from rev2fwd_il.sim.launch import launched

    cell.WATCH_EVERY_STEPS = 10**9  # as if the limit were hit after the last of these
    cfg = environment_cfg(Config(), 1, cameras=False, seed=0)
    cfg.sim.physics.solver_cfg.njmax = 8
    with launched(cfg) as (env, watch):
        next(demonstrate(cell.Cell(env, watch, Config()), Config(), "B", 0, images=False))
        print("kept a demonstration")

run(main, make_parser(""))
"""


def run_python(*arguments) -> subprocess.CompletedProcess:
    """As in a job: standard output and error are pipes, and C buffers what kernels print."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(("limit", "value"), [("njmax", 8), ("iterations", 1)])
def test_a_limit_that_the_solver_hits_is_an_error(limit, value):
    ended = run_python("-c", TOO_LITTLE.format(limit=limit, value=value))
    assert ended.returncode == 1
    assert "error: the physics solver hit a limit" in ended.stderr
    assert f"{limit} (" in ended.stderr and "in environments [0" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_batch_in_whose_last_steps_a_limit_was_hit_is_not_kept():
    ended = run_python("-c", DEMONSTRATE)
    assert ended.returncode == 1 and "the physics solver hit a limit" in ended.stderr
    assert "kept a demonstration" not in ended.stdout


def test_limits_are_named_with_the_environments_that_hit_them():
    flags = np.array([0, OverflowType.NEFC, OverflowType.LS_ITERATIONS, OverflowType.NEFC | OverflowType.EPA_HORIZON])
    assert limits_hit(flags) == {LIMITS[OverflowType.NEFC]: [1, 3], LIMITS[OverflowType.EPA_HORIZON]: [3]}


def test_the_line_searchs_limit_alone_is_no_error():
    assert set(OverflowType) - set(LIMITS) == {OverflowType.LS_ITERATIONS}
    assert not limits_hit(np.array([OverflowType.LS_ITERATIONS] * 2))


def test_a_window_without_a_display_is_refused(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SimulationError, match="no display"), simulation(Config(), 1, viewer=WINDOW):
        pass


@pytest.mark.parametrize(
    ("flags", "display", "where"),
    [
        (["--headless"], ":0", NO_VIEWER),
        ([], ":0", WINDOW),
        ([], "", BROWSER),
        (["--viewer", "browser"], ":0", BROWSER),
    ],
)
def test_without_a_display_a_simulation_is_watched_in_a_browser(monkeypatch, flags, display, where):
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    parser = make_parser("")
    add_viewer_flags(parser)
    assert viewer(parser.parse_args(flags)) == where


WATCHED = """
import re, sys, urllib.request
import torch
from rev2fwd_il.config.run import Config
from rev2fwd_il.sim.launch import simulation

with simulation(Config(), 2, viewer="browser") as (env, _):
    env.reset()
    action = env.action_manager.action.clone()
    action[:, :7] = torch.tensor([0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0])
    for _ in range(3):
        env.step(action)
    (visualizer,) = env.sim.visualizers
    page = urllib.request.urlopen(f"http://127.0.0.1:{visualizer.cfg.web_port}").read().decode()
    print("served:", "rerun" in page.lower(), "shown:", visualizer._step_counter)
"""


def test_the_browsers_viewer_is_served_and_fed():
    ended = run_python("-c", WATCHED)
    assert re.search(r"served: True shown: [1-9]", ended.stdout), ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "patch 'late-blueprint' is off" not in ended.stderr


def collect(tmp_path, setting: str) -> subprocess.CompletedProcess:
    script = SCRIPTS / "1_collect_data_pick_place.py"
    return run_python(script, "--headless", "--num_envs", "1", "--out", tmp_path / "B.npz", "--set", setting)


def test_physx_without_isaac_sim_is_refused(tmp_path):
    if importlib.util.find_spec("isaacsim"):
        pytest.skip("Isaac Sim is installed")
    ended = collect(tmp_path, "sim.physics=physx")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "needs Isaac Sim, which is not installed" in ended.stderr and "newton" in ended.stderr


def test_a_robot_whose_file_cannot_be_fetched_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens: as without a network
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # and without Isaac Lab's cache
    ended = collect(tmp_path, "sim.robot=isaaclab_franka")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "the robot's file cannot be fetched" in ended.stderr and "sim.robot=panda" in ended.stderr


def test_a_robots_file_on_this_machine_needs_no_network(tmp_path):
    require_asset(str(tmp_path / "robot.usda"))
