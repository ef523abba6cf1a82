"""The proof of reversed episodes: executed in the simulated cell, where it has their robot; else nothing is proven."""

from collections.abc import Iterator

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.config.run import Config
from rev2fwd_il.exchange.joint_dataset import joint_features
from rev2fwd_il.exchange.lerobot_reversal.dataset import LeRobotReversal
from rev2fwd_il.exchange.lerobot_reversal.roles import names_of
from rev2fwd_il.method.statistics import rate
from rev2fwd_il.running.command_line import NO_VIEWER


def why_not(reversal: LeRobotReversal, config: Config) -> str | None:
    """What keeps the cell from executing a dataset's episodes, or None."""
    robot, features = reversal.source.info.get("robot_type"), reversal.source.features
    if robot != config.sim.robot:
        return f"the cell has a {config.sim.robot}, the dataset is of {robot or 'a robot that it does not name'}"
    for key, feature in joint_features(robot).items():
        if key not in features or names_of(features[key]) != feature["names"]:
            return f"the cell needs {key} to be {', '.join(feature['names'])}"
    if reversal.source.fps != keys.CONTROL_HZ:
        return f"the cell is commanded at {keys.CONTROL_HZ} Hz, the dataset at {reversal.source.fps}"
    return None


def prove(
    reversal: LeRobotReversal, config: Config, task: str, *, num_envs: int, seed: int, viewer: str = NO_VIEWER
) -> tuple[list[bool], dict]:
    """Execute every reversed episode by its joint commands as Task "A" or "B": which succeed, and what was measured."""
    from rev2fwd_il.method.joint_replay import replay_joints
    from rev2fwd_il.sim.joint_cell import JointCell
    from rev2fwd_il.sim.launch import simulation

    count = min(num_envs, len(reversal.source.episodes))
    with simulation(config, count, seed=seed, viewer=viewer, control="joints") as (env, watch):
        cell = JointCell(env, watch, config)
        outcomes = list(replay_joints(cell, config, task, _trajectories(reversal)))
        cell.check_solver()
    kept = [bool(outcome.success) for outcome in outcomes]
    errors = np.concatenate([outcome.joint_error_rad for outcome in outcomes])
    proof = {
        "task": task,
        "attempted": len(kept),
        "succeeded": sum(kept),
        "rate": rate(sum(kept), len(kept)),
        "joint_error_mean_rad": float(errors.mean()),
        "joint_error_max_rad": float(errors.max()),
        "failures": {str(i): outcome.failure for i, outcome in enumerate(outcomes) if not outcome.success},
        "final_error_median_m": float(np.median([outcome.final_error_m for outcome in outcomes])),
    }
    return kept, proof


def _trajectories(reversal: LeRobotReversal) -> Iterator:
    from rev2fwd_il.method.joint_replay import JointTrajectory

    for frames in reversal.frames():
        state, around = frames[keys.OBS_STATE], frames[keys.OBS_ENVIRONMENT_STATE]
        yield JointTrajectory(frames[keys.ACTION], state[:, :-1], state[0, -1], around[0, :7], around[0, 7:])
