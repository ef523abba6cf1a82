"""Patches of the simulation: their effect is there, and without them the libraries compute the same, said once."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import warp as wp

from rev2fwd_il.running import patches
from rev2fwd_il.seeds import generator
from rev2fwd_il.sim import actions
from rev2fwd_il.sim.patches import cone_hessian, recorded_step
from rev2fwd_il.sim.patches.recorded_step import NewtonRecordedMJWarpManager as Manager
from rev2fwd_il.tasks import make_task

COMPILE = """
import rev2fwd_il.sim
import warp as wp

@wp.kernel
def double(a: wp.array[float]):
    a[wp.tid()] *= 2.0

a = wp.ones(3, dtype=float, device="cpu")
wp.launch(double, 3, [a], device="cpu")
assert a.numpy().tolist() == [2.0] * 3
"""
OTHER_VERSION = """
from dataclasses import replace
from rev2fwd_il.running import patches
patches.CPU_KERNELS = replace(patches.CPU_KERNELS, written_for={"warp-lang": "0.1"})
"""
OTHER_TEMPLATE = """
from warp._src import codegen
codegen.cpu_module_template_forward = codegen.cpu_module_template_forward.replace("*dim,", "* dim,")
"""


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(patches, "_warned", set())


def other_version(patch):
    return replace(patch, written_for=dict.fromkeys(patch.written_for, "0.1"))


def warnings_of(capsys, patch) -> int:
    return capsys.readouterr().err.count(f"warning: patch '{patch.name}' is off")


def compiled(tmp_path, preamble: str = "") -> tuple[str, str]:
    """The C++ that Warp makes of a kernel, and what was said on standard error."""
    script, cache = tmp_path / "script.py", tmp_path / "cache"  # Warp reads a kernel's code from its file
    script.write_text(preamble + COMPILE)
    environment = os.environ | {"WARP_CACHE_PATH": str(cache)}
    ended = subprocess.run([sys.executable, script], env=environment, check=True, capture_output=True, text=True)
    (source,) = cache.rglob("*.cpp")
    return source.read_text(), ended.stderr


def test_kernels_read_their_arguments_once(tmp_path):
    source, said = compiled(tmp_path)
    assert "static inline __attribute__((always_inline)) void" in source and source.count("__restrict__") == 2
    assert "is off" not in said


@pytest.mark.parametrize("preamble", [OTHER_VERSION, OTHER_TEMPLATE])
def test_kernels_of_another_warp_are_compiled_as_it_ships_them(preamble, tmp_path):
    source, said = compiled(tmp_path, preamble)
    assert "always_inline" not in source and "__restrict__" not in source
    assert said.count("warning: patch 'cpu-kernels' is off") == 1


@pytest.fixture
def run(config, cell):
    """Some control steps with contacts that slip, from where the last run began: poses (N, 14)."""
    task = make_task(config.task)
    starts = task.sample_initial_states("B", generator(0, "patch test"), cell.num_envs)
    starts.ee_pose[:, 2] = 0.25

    def steps():
        observation = cell.reset(np.arange(cell.num_envs), starts.ee_pose, starts.obj_pose)
        sideways = torch.tensor([[0.5, 0.2, 0.0, 0.0, 0.0, 0.0]] * cell.num_envs)  # m/s, rad/s
        cell.env.scene[task.object_name].write_root_velocity_to_sim_index(root_velocity=sideways)
        command = np.concatenate([observation.ee_pose, np.ones((cell.num_envs, 1))], 1)
        for _ in range(4):
            command[:, 2] -= 0.006
            observation = cell.step(command)
        return np.concatenate([observation.ee_pose, observation.obj_pose], 1)

    yield steps
    Manager._invalidate_graph()


@pytest.fixture
def eagerly(monkeypatch):
    monkeypatch.setattr(Manager, "_replay", classmethod(lambda cls, simulate: simulate()))


def test_the_cone_hessian_visits_slipping_contacts(run, eagerly, capsys):
    with cone_hessian.only_slipping_contacts() as launches:
        patched = run()
    assert launches.patched > 0
    np.testing.assert_array_equal(patched, run())
    assert not warnings_of(capsys, cone_hessian.PATCH)


def test_the_cone_hessian_of_another_mujoco_warp_is_launched_as_it_ships_it(run, eagerly, monkeypatch, capsys):
    monkeypatch.setattr(cone_hessian, "PATCH", other_version(cone_hessian.PATCH))
    for _ in range(2):
        with cone_hessian.only_slipping_contacts() as launches:
            run()
    assert launches.patched == 0
    assert warnings_of(capsys, cone_hessian.PATCH) == 1


def test_a_cone_hessian_that_is_never_launched_is_said_once(capsys):
    launch = wp.launch
    for _ in range(2):
        with cone_hessian.only_slipping_contacts():
            pass
    assert wp.launch is launch and warnings_of(capsys, cone_hessian.PATCH) == 1


def test_steps_are_recorded(run, capsys):
    Manager._invalidate_graph()
    run()
    Manager.confirm()
    assert Manager._recording is not None
    assert not warnings_of(capsys, recorded_step.PATCH)


def test_steps_of_another_isaac_lab_run_eagerly(run, monkeypatch, capsys):
    recorded = run()
    monkeypatch.setattr(recorded_step, "PATCH", other_version(recorded_step.PATCH))
    Manager._invalidate_graph()
    np.testing.assert_array_equal(recorded, run())
    assert Manager._recording is None
    assert warnings_of(capsys, recorded_step.PATCH) == 1


def test_a_recording_without_effect_is_said_once(run, capsys):
    run()
    Manager._invalidate_graph()
    for _ in range(2):
        Manager._replay(lambda: None)  # the second is recorded, and its replay advances nothing
    run()
    assert Manager._recording is None
    assert warnings_of(capsys, recorded_step.PATCH) == 1


def test_an_isaac_lab_that_steps_otherwise_is_said_once(run, eagerly, capsys):
    Manager._invalidate_graph()
    run()
    for _ in range(2):
        Manager.confirm()
    assert warnings_of(capsys, recorded_step.PATCH) == 1


def arm_term(cell):
    """An action term of its own, as at the start."""
    arm = cell.env.action_manager.get_term("arm")
    return type(arm)(arm.cfg, cell.env)


def theirs(term) -> tuple:
    base = actions.DifferentialInverseKinematicsAction
    return (*base._compute_frame_pose(term), base._compute_frame_jacobian(term))


def command_of(cell) -> torch.Tensor:
    return torch.cat(cell.env.action_manager.get_term("arm")._compute_frame_pose(), -1)


def test_pose_and_jacobian_are_our_own(cell, run, capsys):
    run()
    term = arm_term(cell)
    term.process_actions(command_of(cell))
    assert term._own_kinematics and not warnings_of(capsys, actions.PATCH)


def test_pose_and_jacobian_of_another_isaac_lab_are_its_own(cell, run, monkeypatch, capsys):
    run()
    monkeypatch.setattr(actions, "PATCH", other_version(actions.PATCH))
    term = arm_term(cell)
    term.process_actions(command_of(cell))
    assert not term._own_kinematics
    assert all(map(torch.equal, (*term._compute_frame_pose(), term._compute_frame_jacobian()), theirs(term)))
    assert warnings_of(capsys, actions.PATCH) == 1


def test_pose_and_jacobian_that_differ_are_left_to_isaac_lab(cell, run, capsys):
    run()
    term = arm_term(cell)
    term._from_base = torch.tensor([[0.0, 0.0, 1.0, 0.0]] * cell.num_envs)  # half a turn about z
    for _ in range(2):
        term.process_actions(command_of(cell))
    assert all(map(torch.equal, term._compute_frame_pose(), theirs(term)))
    assert warnings_of(capsys, actions.PATCH) == 1
