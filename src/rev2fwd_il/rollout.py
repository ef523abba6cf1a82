"""Where policies meet the simulator: attempts at the tasks, many environments at once.

    for outcome in run_attempts(cell, config, policies, assign, horizon=240, seed=0): ...

`assign(env, outcome)` says what environment `env` does next, given the outcome of its last attempt (None at first): an
Assignment, or None to retire it. With a start the environment is reset; without one the attempt begins as things are.
That one loop serves the independent evaluation and the alternating test.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import count

import numpy as np
import torch

from rev2fwd_il import features, keys
from rev2fwd_il.attempts import Assignment, Outcome
from rev2fwd_il.capture import Recorder
from rev2fwd_il.config import Config, TaskConfig
from rev2fwd_il.learning.inference import ChunkPolicy
from rev2fwd_il.seeds import derive
from rev2fwd_il.sim.cell import Cell, Observation
from rev2fwd_il.tasks import Judge, workspace


class Controller:
    """Drives each environment with the policy of its task; plans again only when a chunk of actions is used up.

    Of an attempt's first chunk the end may be left out, so that all environments plan at the same control steps: one
    large batch costs little more than one arm alone.
    """

    def __init__(self, policies: Mapping[str, ChunkPolicy], task: TaskConfig, num_envs: int, seed: int):
        self._lower, self._upper = workspace(task)
        self._policies = policies
        self._generator = torch.Generator().manual_seed(derive(seed, "diffusion noise"))
        self._tasks: list[str | None] = [None] * num_envs
        self._targets = np.zeros((num_envs, 2), np.float32)
        longest = max(policy.n_action_steps for policy in policies.values())
        self._chunks = np.zeros((num_envs, longest, 8), np.float32)
        self._planned = np.zeros(num_envs, int)  # step of each chunk's first action
        self._seen = deque(maxlen=max(policy.n_obs_steps for policy in policies.values()))
        self._started = np.zeros(num_envs, int)  # step of each attempt's first observation
        self._command = np.zeros((num_envs, 8), np.float32)
        self._step = 0

    def start(self, env: int, assignment: Assignment) -> None:
        """A new attempt: no history, no chunk."""
        self._tasks[env], self._targets[env], self._started[env] = assignment.task, assignment.target_xy, self._step

    def retire(self, env: int) -> None:
        """Hold the last command from now on."""
        self._tasks[env] = None

    def act(self, observation: Observation, pictures=None) -> np.ndarray:
        """(N, 8): the commands at this observation. Retired environments hold still."""
        active = [env for env, task in enumerate(self._tasks) if task]
        self._seen.append((observation, pictures))
        for task, policy in self._policies.items():
            used_up = self._step % policy.n_action_steps == 0
            acting = [env for env in active if self._tasks[env] == task]
            due = [env for env in acting if used_up or self._started[env] == self._step]
            if due:
                planned = policy.plan(self._stacked(due, policy), self._generator).numpy()
                planned[..., :3] = np.clip(planned[..., :3], self._lower, self._upper)
                self._chunks[due, : planned.shape[1]], self._planned[due] = planned, self._step
        self._command[active] = self._chunks[active, self._step - self._planned[active]]
        self._step += 1
        return self._command.copy()

    def _stacked(self, envs: list[int], policy: ChunkPolicy) -> dict[str, torch.Tensor]:
        """What these environments saw last, (M, n_obs_steps, ...). A new attempt has always been where it is now."""
        back = np.arange(policy.n_obs_steps)[::-1]
        ages = np.minimum(back, self._step - self._started[envs][:, None])
        frames = [[(*self._seen[-1 - age], env) for age in row] for env, row in zip(envs, ages, strict=True)]
        pose, obj, width = (
            np.stack([[getattr(seen, name)[env] for seen, _, env in row] for row in frames])
            for name in ("ee_pose", "obj_pose", "gripper_width")
        )
        around = features.environment_state(pose, obj, width, self._targets[envs][:, None])
        stacked = {keys.OBS_STATE: features.state(pose, width), keys.OBS_ENVIRONMENT_STATE: around}
        if policy.uses_images:
            for camera, key in enumerate(features.IMAGE_FIELDS):
                stacked[key] = np.stack([[pictures[camera][env] for _, pictures, env in row] for row in frames])
        return {key: torch.from_numpy(stacked[key]) for key in policy.observation_keys}


def run_attempts(
    cell: Cell,
    config: Config,
    policies: Mapping[str, ChunkPolicy],
    assign: Callable[[int, Outcome | None], Assignment | None],
    *,
    horizon: int,
    seed: int,
    images: bool = False,
) -> Iterator[Outcome]:
    """Run until every environment is retired; outcomes in the order in which attempts end."""
    render = images or any(policy.uses_images for policy in policies.values())
    controller, judge = Controller(policies, config.task, cell.num_envs, seed), Judge(config.task, cell.num_envs)
    recorder, joints = Recorder(cell.num_envs), [[] for _ in range(cell.num_envs)]
    current: list[Assignment | None] = [assign(env, None) for env in range(cell.num_envs)]
    _begin(cell, controller, judge, {env: now for env, now in enumerate(current) if now})
    for env in (env for env, now in enumerate(current) if not now):
        controller.retire(env)
    for step in count(1):
        active = [env for env, now in enumerate(current) if now]
        if not active:
            return
        pictures = cell.images() if render else None
        action = controller.act(cell.observation, pictures)
        recorder.add(active, cell.observation, action, pictures if images else None)
        joint_pos = cell.joint_pos()
        for env in active:
            joints[env].append(joint_pos[env])
        observation = cell.step(action)
        succeeded = judge.update(observation.ee_pose, observation.obj_pose, observation.gripper_width)
        errors = judge.error_m(observation.obj_pose)
        beginning = {}
        for env in active:
            if not succeeded[env] and recorder.length(env) < horizon:
                continue
            assignment, success = current[env], bool(succeeded[env])
            outcome = Outcome(
                assignment, env, success, None if success else judge.failure(env), float(errors[env]),
                recorder.cut(env, assignment.target_xy, success), np.array(joints[env]), step,
            )  # fmt: skip
            joints[env] = []
            yield outcome
            current[env] = assign(env, outcome)
            if current[env]:
                beginning[env] = current[env]
            else:
                controller.retire(env)
        _begin(cell, controller, judge, beginning)


def _begin(cell: Cell, controller: Controller, judge: Judge, beginning: dict[int, Assignment]) -> None:
    """Start these attempts, resetting the environments of those that have a start of their own."""
    if not beginning:
        return
    resets = [env for env, assignment in beginning.items() if assignment.ee_pose is not None]
    if resets:
        poses = [np.stack([getattr(beginning[env], field) for env in resets]) for field in ("ee_pose", "obj_pose")]
        cell.reset(np.array(resets), *poses)
    envs = np.array(list(beginning))
    targets = np.stack([assignment.target_xy for assignment in beginning.values()])
    cell.show_target(envs, targets)
    judge.start(envs, targets, cell.observation.obj_pose[envs])
    for env, assignment in beginning.items():
        controller.start(env, assignment)
