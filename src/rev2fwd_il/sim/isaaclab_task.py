"""The tasks as Isaac Lab's reinforcement-learning environments: what `env_cfg_entry_point` names for each.

    cfg = isaaclab_tasks.utils.parse_env_cfg("Rev2Fwd-PickPlace-A-v0", num_envs=64)      # PickPlaceAEnvCfg()

Scene, physics and actions are the cell's (environment.py). An episode begins with the arm at home and the object at a
seeded start of the task, and ends at success, which is rewarded by 1, or after `task.max_episode_steps`.
"""

import re
from collections.abc import Sequence

import numpy as np
import torch
from isaaclab.envs import ManagerBasedRLEnv, ManagerBasedRLEnvCfg
from isaaclab.envs import mdp as isaaclab_mdp
from isaaclab.managers import (
    EventTermCfg,
    ManagerTermBase,
    ObservationTermCfg,
    RewardTermCfg,
    TerminationTermCfg,
)
from isaaclab.utils import configclass

from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.config.task import KINDS
from rev2fwd_il.keys import CONTROL_HZ, TASKS
from rev2fwd_il.seeds import generator
from rev2fwd_il.sim.environment import ActionsCfg, ObservationsCfg, ee_pose, environment_cfg, gripper_width, object_pose
from rev2fwd_il.sim.poses import to_xyzw
from rev2fwd_il.sim.scene import CellSceneCfg
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.task import Task

NUM_ENVS, START, SUCCESS = 64, "start", "success"


class StartOfTask(ManagerTermBase):
    """Event: puts the objects to seeded starts of the task; holds the target poses (N, 7), w-first."""

    def __init__(self, cfg: EventTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self.task, self.direction = _task(cfg.params["kind"]), cfg.params["direction"]
        self.target_pose = np.zeros((env.num_envs, 7), np.float32)
        self.obj_pose = np.zeros((env.num_envs, 7), np.float32)
        self._rng = generator(env.cfg.seed or 0, "isaaclab", self.direction)

    def __call__(self, env: ManagerBasedRLEnv, env_ids: torch.Tensor | slice, kind: str, direction: str) -> None:
        ids = _indices(env_ids, env.num_envs)
        rows = torch.as_tensor(ids, device=env.device)
        starts = self.task.sample_initial_states(direction, self._rng, len(ids))
        self.target_pose[ids], self.obj_pose[ids] = starts.target_pose, starts.obj_pose
        pose_w = to_xyzw(torch.as_tensor(starts.obj_pose, device=env.device))
        pose_w[:, :3] += env.scene.env_origins[rows]
        body, still = env.scene[self.task.object_name], torch.zeros(len(ids), 6, device=env.device)
        body.write_root_pose_to_sim_index(root_pose=pose_w, env_ids=rows.int())
        body.write_root_velocity_to_sim_index(root_velocity=still, env_ids=rows.int())


class SuccessOfTask(ManagerTermBase):
    """Termination: the task's success detector."""

    def __init__(self, cfg: TerminationTermCfg, env: ManagerBasedRLEnv):
        super().__init__(cfg, env)
        self._detector = _task(cfg.params["kind"]).success_detector(env.num_envs)

    def reset(self, env_ids: Sequence[int] | None = None) -> None:
        """After the events of a reset."""
        start = _start(self._env)
        ids = _indices(slice(None) if env_ids is None else env_ids, self.num_envs)
        self._detector.start(ids, [start.direction] * len(ids), start.target_pose[ids], start.obj_pose[ids])

    def __call__(self, env: ManagerBasedRLEnv, kind: str) -> torch.Tensor:
        obj = object_pose(env, _task(kind).object_name)
        measured = (ee_pose(env), obj, gripper_width(env)[:, 0])
        succeeded = self._detector.update(*(each.cpu().numpy() for each in measured))
        return torch.as_tensor(succeeded, device=env.device)


def _indices(env_ids: Sequence[int] | torch.Tensor | slice, num_envs: int) -> np.ndarray:
    return np.arange(num_envs)[env_ids.cpu().numpy() if isinstance(env_ids, torch.Tensor) else env_ids]


def _task(kind: str) -> Task:
    return make_task(with_changes([f"task.kind={kind}"]).task)


def _start(env: ManagerBasedRLEnv) -> StartOfTask:
    return env.event_manager.get_term_cfg(START).func


def target_pose(env: ManagerBasedRLEnv) -> torch.Tensor:
    """Where the object has to end, (N, 7) w-first in the robot-base frame."""
    return torch.as_tensor(_start(env).target_pose, device=env.device)


@configclass
class EventsCfg:
    """At each reset."""

    home = EventTermCfg(func=isaaclab_mdp.reset_scene_to_default, mode="reset")
    start: EventTermCfg = None


@configclass
class TerminationsCfg:
    """Success, or the end of the time."""

    success: TerminationTermCfg = None
    time_out = TerminationTermCfg(func=isaaclab_mdp.time_out, time_out=True)


@configclass
class RewardsCfg:
    """1 at success; Isaac Lab multiplies weights by the duration of a step."""

    success = RewardTermCfg(
        func=isaaclab_mdp.is_terminated_term, weight=float(CONTROL_HZ), params={"term_keys": SUCCESS}
    )


@configclass
class CellTaskEnvCfg(ManagerBasedRLEnvCfg):
    """Filled by `task_cfg`."""

    scene: CellSceneCfg = None
    actions: ActionsCfg = ActionsCfg()
    observations: ObservationsCfg = ObservationsCfg()
    events: EventsCfg = EventsCfg()
    terminations: TerminationsCfg = TerminationsCfg()
    rewards: RewardsCfg = RewardsCfg()
    episode_length_s: float = 1.0


def task_cfg(kind: str, direction: str) -> CellTaskEnvCfg:
    """Isaac Lab's configuration of one task in one direction."""
    config = with_changes([f"task.kind={kind}"])
    cell, cfg = environment_cfg(config, NUM_ENVS, cameras=False, seed=0), CellTaskEnvCfg(seed=0)
    cfg.scene, cfg.actions, cfg.observations, cfg.sim = cell.scene, cell.actions, cell.observations, cell.sim
    cfg.decimation = cell.decimation
    cfg.observations.policy.target_pose = ObservationTermCfg(func=target_pose)
    cfg.observations.policy.concatenate_terms = True
    cfg.events.start = EventTermCfg(func=StartOfTask, mode="reset", params={"kind": kind, "direction": direction})
    cfg.terminations.success = TerminationTermCfg(func=SuccessOfTask, params={"kind": kind})
    cfg.episode_length_s = config.task.max_episode_steps / CONTROL_HZ
    return cfg


def __getattr__(name: str):
    """PickPlaceAEnvCfg and the like, which make the configuration when called."""
    kinds = {target.partition(":")[2]: kind for kind, target in KINDS.items()}
    asked = re.fullmatch(rf"(\w+)([{''.join(TASKS)}])EnvCfg", name)
    if asked is None or asked[1] not in kinds:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return lambda: task_cfg(kinds[asked[1]], asked[2])
