"""The cell as gymnasium's vectorised environment, and as LeRobot's program drives it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode

from rev2fwd_il import environments
from rev2fwd_il.environments.vector import CellVectorEnv
from rev2fwd_il.learning.checkpoints import migrate_checkpoint
from rev2fwd_il.method.evaluation import evaluation_starts
from rev2fwd_il.method.expert import command_sequence
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task

ROOT = Path(__file__).parents[2]
SHORT = ("evaluation.max_episode_steps=4",)


def make(cell, **settings):
    return CellVectorEnv(cell.num_envs, cell=cell, **settings)


def hold(observations):
    """Commands that keep each end effector where it is, open."""
    return np.concatenate([observations["agent_pos"][:, :7], np.ones((len(observations["agent_pos"]), 1))], 1)


def expert_plans(config, direction, indices):
    """The expert's commands from the evaluation's starts of these numbers."""
    which, plans = make_task(config.task), []
    for index in indices:
        start = which.sample_initial_states(direction, generator(0, "evaluation", direction, index), 1)
        way = which.expert_way(direction, start, 0, start.ee_pose[0], np.random.default_rng(index))
        plans.append(command_sequence(start.ee_pose[0], way))
    return plans


def test_every_task_is_registered_in_both_directions():
    for name in ("PickPlace", "Stack", "Insert"):
        for direction in "AB":
            spec = gymnasium.spec(f"rev2fwd/{name}-{direction}-v0")
            assert load_env_creator(spec.vector_entry_point) is CellVectorEnv
            assert spec.kwargs["direction"] == direction
    assert environments.environment_id("pick_place", "A") == "rev2fwd/PickPlace-A-v0"


def test_dimensions_have_names_units_and_bounds_that_hold(cell):
    envs = make(cell, images=True)
    observations, info = envs.reset(seed=0)
    assert envs.observation_space.contains(observations) and not info["is_success"].any()
    action = envs.single_action_space
    assert action.names[:4] == ("x", "y", "z", "qw") and action.units[2:4] == ("m", "")
    assert (action.high - action.low)[7] == 2 and action.high[2] < 0.4
    around = envs.single_observation_space["environment_state"]
    assert len(around.names) == 28 and np.isfinite(around.low).all() and np.isfinite(around.high).all()
    assert observations["pixels"]["wrist"].shape == (cell.num_envs, 64, 64, 3)
    assert all(np.ptp(image) > 50 for image in observations["pixels"]["table"])


def test_a_seed_is_the_number_of_an_evaluations_start(cell, config):
    envs = make(cell, direction="B")
    starts = evaluation_starts(config.task, "B", 0, 26)
    after = range(20, 26)  # without a seed: the next ones that none has had
    for seed, numbers in ((3, range(3, 9)), ([7, 1, 0, 2, 9, 19], [7, 1, 0, 2, 9, 19]), (None, after)):
        observations, _ = envs.reset(seed=seed)
        wanted = np.stack([starts[number].ee_pose for number in numbers])
        np.testing.assert_allclose(observations["agent_pos"][:, :3], wanted[:, :3], atol=1e-3)
        targets = np.stack([starts[number].target_pose[:2] for number in numbers])
        np.testing.assert_array_equal(observations["environment_state"][:, 7:9], targets)


def test_the_expert_succeeds_once_an_episode_and_the_next_start_follows(cell, config):
    envs = make(cell)
    observations, _ = envs.reset(seed=0)
    plans, started = expert_plans(config, "A", range(cell.num_envs)), np.zeros(cell.num_envs, int)
    rewards, finished = np.zeros(cell.num_envs), np.zeros(cell.num_envs, bool)
    for step in range(max(map(len, plans)) + 10):
        actions = np.stack([plan[min(step, len(plan) - 1)] for plan in plans])
        actions = np.where(finished[:, None], hold(observations), actions)
        observations, reward, terminated, truncated, info = envs.step(actions)
        rewards += reward
        if terminated.any():
            assert info["is_success"][terminated].all() and info["final_info"]["is_success"][terminated].all()
            assert (info["final_obs"][np.flatnonzero(terminated)[0]]["agent_pos"][7]) > 0.05  # released
            started[terminated] += 1
        finished |= terminated
        if finished.all():
            break
    assert rewards.tolist() == [1] * cell.num_envs and started.tolist() == [1] * cell.num_envs and not truncated.any()
    starts = evaluation_starts(config.task, "A", 0, 2 * cell.num_envs)
    began = [start.ee_pose[:2] for start in starts[cell.num_envs :]]
    last = np.flatnonzero(terminated)[0]  # has been put to its next start in the last step
    assert min(np.linalg.norm(observations["agent_pos"][last, :2] - xy) for xy in began) < 1e-3


def test_an_ended_environment_holds_still_until_it_is_reset(cell):
    envs = make(cell, settings=SHORT, autoreset_mode=AutoresetMode.DISABLED)
    observations, _ = envs.reset(seed=0)
    start = hold(observations)
    for step in range(1, 7):
        target = start + (step > 4) * np.float32([0, 0, 0.05, 0, 0, 0, 0, 0])
        observations, reward, terminated, truncated, info = envs.step(target)
        assert truncated.all() == (step >= 4) and not terminated.any() and not reward.any()
        assert ("failure" in info) == (step == 4)
    assert np.abs(observations["agent_pos"][:, 2] - start[:, 2]).max() < 0.005
    mask = np.arange(cell.num_envs) < 2
    envs.reset(options={"reset_mask": mask})
    *_, truncated, _ = envs.step(start)
    assert truncated.tolist() == (~mask).tolist()


def test_commands_are_brought_within_bounds_and_must_be_numbers(cell):
    envs = make(cell)
    envs.reset(seed=0)
    envs.step(100 * np.ones((cell.num_envs, 8)))
    space = envs.single_action_space
    np.testing.assert_array_equal(envs._command[:, :3], np.tile(space.high[:3], (cell.num_envs, 1)))
    np.testing.assert_allclose(envs._command[:, 3:7], 0.5, atol=1e-6)
    with pytest.raises(ValueError, match="finite"):
        envs.step(np.full((cell.num_envs, 8), np.nan))


def test_render_shows_each_environment(cell):
    envs = make(cell, render_mode="rgb_array", render_every=3)
    observations, _ = envs.reset(seed=0)
    images = envs.call("render")
    raised = hold(observations) + np.float32([0, 0, 0.03, 0, 0, 0, 0, 0])
    same = [np.array_equal(envs.render()[0], images[0]) for _ in range(3) if envs.step(raised)]
    assert same == [True, True, False]
    size = cell.config.evaluation.video_size
    assert len(images) == cell.num_envs and images[0].shape == (size, size, 3)
    assert not np.array_equal(images[0], images[1]) and make(cell).render() is None


PROGRAM = "from lerobot.scripts.lerobot_eval import main; main()"


def test_lerobot_eval_drives_the_cell_with_a_policy_of_the_plug_in(tmp_path):
    """LeRobot alone: nothing of this project acts but the environment and the registered policy."""
    migrate_checkpoint(ROOT / "tests/files/former_diffusion", tmp_path / "policy")
    command = [
        sys.executable, "-c", PROGRAM, f"--policy.path={tmp_path / 'policy'}", "--env.type=rev2fwd",
        "--env.discover_packages_path=rev2fwd_il.learning.plugin", "--env.task=PickPlace-B", "--seed=0",
        '--env.settings=["evaluation.max_episode_steps=6"]', "--eval.n_episodes=3", "--eval.batch_size=2",
        "--policy.device=cpu", f"--output_dir={tmp_path / 'out'}",
    ]  # fmt: skip
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads((tmp_path / "out/eval_info.json").read_text())
    assert said["overall"]["n_episodes"] == 3 and said["overall"]["pc_success"] == 0
    assert len(said["per_task"][0]["metrics"]["video_paths"]) == 4  # of two batches of two


def run_apart(program: str) -> str:
    """Output of a program in a process of its own: a process holds one scene at a time."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


FROM_THE_HUB = """
from pathlib import Path
from lerobot.envs import close_envs, make_env

snapshot = Path({cache!r}, "models--somebody--cell/snapshots/0123456789012345678901234567890123456789")
snapshot.mkdir(parents=True)
(snapshot / "env.py").write_text(Path({source!r}).read_text())
main = snapshot.parents[1] / "refs/main"
main.parent.mkdir()
main.write_text(snapshot.name)
envs = make_env("somebody/cell", n_envs=2, hub_cache_dir={cache!r}, trust_remote_code=True)
observations, _ = envs["rev2fwd"][0].reset(seed=[0, 1])
print("OBSERVED", observations["agent_pos"].shape, *envs["rev2fwd"][0].call("task"))
close_envs(envs)
"""


def test_lerobots_envhub_makes_it_from_the_folder_of_a_repository(tmp_path):
    said = run_apart(FROM_THE_HUB.format(cache=str(tmp_path), source=str(ROOT / "assets/envhub/env.py")))
    assert "OBSERVED (2, 8) A A" in said


IN_ISAAC_LAB = """
import gymnasium, torch
import rev2fwd_il.environments
from isaaclab.app import launch_simulation
from isaaclab_tasks.utils import parse_env_cfg

cfg = parse_env_cfg("Rev2Fwd-PickPlace-B-v0", num_envs=3)
cfg.episode_length_s = 0.1
with launch_simulation(cfg, {"device": "cpu", "visualizer": ["none"]}):
    env = gymnasium.make("Rev2Fwd-PickPlace-B-v0", cfg=cfg)
    observations = env.reset()[0]["policy"]
    first, target = observations[:, 7:10].clone(), observations[:, -7:-4].clone()
    held = torch.cat([observations[:, :3], torch.tensor([[0.0, 0, 0, 1, 1]]).repeat(3, 1)], -1)
    for count in range(1, 6):
        after, _, terminated, truncated, _ = env.step(held)
        if truncated.all():
            break
    print("ENDED", 3 <= count <= 4, bool(terminated.any()))
    again = after["policy"]
    print("MOVED", bool((again[:, 7:10] - first).norm(dim=-1).min() > 1e-3), bool((again[:, -7:-4] != target).any()))
    print("NEAR", bool((first[:, :2] - torch.tensor([0.5, 0.0])).norm(dim=-1).max() < 0.05))
    env.close()
"""


def test_isaac_labs_registry_makes_it_by_its_cfg_entry_point():
    said = run_apart(IN_ISAAC_LAB)
    assert "ENDED True False" in said and "MOVED True True" in said and "NEAR True" in said
