"""Where policies meet the simulator: attempts at the tasks, many environments at once.

    for result in run_attempts(cell, config, policies, assign, max_episode_steps=240, seed=0): ...

`assign(env, result)` says what environment `env` does next, given the result of its last attempt (None at first): an
EpisodeSpec, or None to retire it. With a start the environment is reset; without one the attempt begins as things are.
That one loop serves the independent evaluation and the alternating test.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import count

import numpy as np
import torch

from rev2fwd_il import keys
from rev2fwd_il.config.run import Config
from rev2fwd_il.learning.inference import ChunkPolicy
from rev2fwd_il.method.episodes import STILL_M, EpisodeResult, EpisodeSpec
from rev2fwd_il.method.expert import command_sequence
from rev2fwd_il.method.frame_buffer import FrameBuffer
from rev2fwd_il.method.recovery import held, put_down_z
from rev2fwd_il.method.tolerances import FurtherTolerances
from rev2fwd_il.seeds import derive
from rev2fwd_il.sim.cell import Cell, Observation
from rev2fwd_il.tasks import make_task, observation
from rev2fwd_il.tasks.task import Task, Waypoint

# How an attempt begins that frees the hand first: how far down and up in a control step; steps it opens and rises.
LOWER_STEP_M, OPEN_STEPS, RISE_STEPS, RISE_STEP_M = 0.01, 6, 12, 0.012


class Controller:
    """Drives each environment with the policy that its episode names; plans again only when a chunk is used up.

    Of an attempt's first chunk the end may be left out, so that all environments plan at the same control steps: one
    large batch costs little more than one arm alone. A policy that sees begins its attempts at these steps alone:
    rendering one environment costs as much as rendering all of them, and they are all that is rendered. Where the hand
    is freed or moved first, the attempt begins after that. After a success the hand may leave by given commands.
    """

    def __init__(self, policies: Mapping[str, ChunkPolicy], task: Task, num_envs: int, seed: int):
        self._lower, self._upper = task.workspace()
        self._policies, self._task = policies, task
        self._generator = torch.Generator().manual_seed(derive(seed, "diffusion noise"))
        self._actors: list[str | None] = [None] * num_envs
        self._targets = np.zeros((num_envs, 7), np.float32)
        longest = max(policy.n_action_steps for policy in policies.values())
        self._chunks = np.zeros((num_envs, longest, 8), np.float32)
        self._planned = np.zeros(num_envs, int)  # step of each chunk's first action
        self._seen = deque(maxlen=max(policy.n_obs_steps for policy in policies.values()))
        self._started = np.zeros(num_envs, int)  # step at which each attempt begins
        self._freeing: list[list[np.ndarray]] = [[] for _ in range(num_envs)]  # commands (8,) before that
        self._leaving: list[list[np.ndarray]] = [[] for _ in range(num_envs)]  # commands (8,) that are left
        self._command = np.zeros((num_envs, 8), np.float32)
        self._step = 0

    def may_begin(self, spec: EpisodeSpec) -> bool:
        """Whether this attempt can begin at the present step."""
        policy = self._policies[spec.actor]
        return not policy.uses_images or self._step % policy.n_action_steps == 0

    def looks(self) -> bool:
        """Whether a plan of this step or of one to come is made from images of this step."""
        seeing = [policy for policy in self._policies.values() if policy.uses_images]
        return any(-self._step % policy.n_action_steps < policy.n_obs_steps for policy in seeing)

    def begins(self, env: int) -> bool:
        """Whether the attempt begins at the present step."""
        return self._actors[env] is not None and self._started[env] == self._step

    def acts(self, env: int) -> bool:
        """Whether the policy has the environment at the present step: an attempt has begun."""
        return self._actors[env] is not None and self._started[env] <= self._step

    def start(self, env: int, spec: EpisodeSpec) -> None:
        """A new attempt: no history, no chunk."""
        self._actors[env], self._targets[env] = spec.actor, spec.target_pose
        self._freeing[env] = self._freeing_commands(env, spec)
        self._started[env] = self._step + len(self._freeing[env])

    def _freeing_commands(self, env: int, spec: EpisodeSpec) -> list[np.ndarray]:
        """(8,) each, as asked for: down, open, up; and away. A policy that sees begins at one of its own steps."""
        commands = [] if spec.free_at_z is None else self._putting_down(env, spec.free_at_z)
        if spec.ee_begin is not None:
            here = (commands[-1] if commands else self._command[env])[:7]
            there = np.concatenate([np.clip(spec.ee_begin[:3], self._lower, self._upper), spec.ee_begin[3:]])
            way = self._task.way_away(here, self._seen[-1][0].obj_pose[env], there)
            commands = [*commands, *command_sequence(here, way)] if way else commands
        policy = self._policies[spec.actor]
        waiting = -(self._step + len(commands)) % policy.n_action_steps if policy.uses_images else 0
        return commands + commands[-1:] * waiting

    def _putting_down(self, env: int, at_z: float) -> list[np.ndarray]:
        """Down to a height [m], open, up."""
        z, gripper = self._command[env, [2, 7]]
        low = min(z, max(at_z, self._lower[2]))
        down = [(max(height, low), gripper) for height in np.arange(z, low, -LOWER_STEP_M)[1:]] + [(low, gripper)]
        up = [(min(low + RISE_STEP_M * step, self._upper[2]), keys.GRIPPER_OPEN) for step in range(1, RISE_STEPS + 1)]
        heights_and_grippers = [*down, *[(low, keys.GRIPPER_OPEN)] * OPEN_STEPS, *up]
        commands = np.tile(self._command[env], (len(heights_and_grippers), 1))
        commands[:, [2, 7]] = heights_and_grippers
        return list(commands)

    def leave(self, env: int, way: list[Waypoint], put_down_at_z: float | None = None) -> None:
        """Have the hand put down what it holds, and go this way from there on, whatever the policy would do."""
        self._actors[env] = None
        down = [] if put_down_at_z is None else self._putting_down(env, put_down_at_z)
        here = (down[-1] if down else self._command[env])[:7]
        self._leaving[env] = down + list(command_sequence(here, way))

    def leaves(self, env: int) -> bool:
        """Whether there are steps left of that way."""
        return bool(self._leaving[env])

    def retire(self, env: int) -> None:
        """Hold the last command from now on."""
        self._actors[env] = None

    def act(self, observation: Observation, camera_images=None) -> np.ndarray:
        """(N, 8): the commands at this observation. Retired environments hold still."""
        assigned = [env for env, actor in enumerate(self._actors) if actor]
        active = [env for env in assigned if self.acts(env)]
        freeing = [env for env in assigned if not self.acts(env)]
        self._seen.append((observation, camera_images))
        for actor, policy in self._policies.items():
            used_up = self._step % policy.n_action_steps == 0
            acting = [env for env in active if self._actors[env] == actor]
            due = [env for env in acting if used_up or self.begins(env)]
            if due:
                planned = policy.plan(self._stacked(due, policy), self._generator).numpy()
                planned[..., :3] = np.clip(planned[..., :3], self._lower, self._upper)
                self._chunks[due, : planned.shape[1]], self._planned[due] = planned, self._step
        self._command[active] = self._chunks[active, self._step - self._planned[active]]
        for env in freeing:
            self._command[env] = self._freeing[env][self._step - self._started[env]]
        for env, commands in enumerate(self._leaving):
            if commands:
                self._command[env] = commands.pop(0)
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
        around = self._task.environment_state(pose, obj, width, self._targets[envs][:, None])
        stacked = {keys.OBS_STATE: observation.state(pose, width), keys.OBS_ENVIRONMENT_STATE: around}
        if policy.uses_images:
            for camera, key in enumerate(keys.CAMERAS):
                stacked[key] = np.stack(
                    [[camera_images[camera][env] for _, camera_images, env in row] for row in frames]
                )
        return {key: torch.from_numpy(stacked[key]) for key in policy.observation_keys}


def run_attempts(
    cell: Cell,
    config: Config,
    policies: Mapping[str, ChunkPolicy],
    assign: Callable[[int, EpisodeResult | None], EpisodeSpec | None],
    *,
    max_episode_steps: int,
    seed: int,
    images: bool = False,
    further: FurtherTolerances | None = None,
) -> Iterator[EpisodeResult]:
    """Run until every environment is retired; results in the order in which attempts end.

    What frees the hand before an attempt belongs neither to its episode nor to what it is judged by. How it leaves
    (`EpisodeSpec.ee_end`) belongs to the episode, as in demonstrations, and changes no verdict.
    """
    task = make_task(config.task)
    further = further or FurtherTolerances(task, cell.num_envs)
    controller, detector = Controller(policies, task, cell.num_envs, seed), task.success_detector(cell.num_envs)
    buffer = FrameBuffer(cell.num_envs)
    joints, freed = ([[] for _ in range(cell.num_envs)] for _ in range(2))
    current: list[EpisodeSpec | None] = [None] * cell.num_envs
    verdicts: dict[int, dict] = {}  # of attempts that are over, while the hand leaves
    on_nothing = np.zeros(cell.num_envs, int)  # for how many control steps the fingers have been closed on nothing
    waiting = {env: spec for env in range(cell.num_envs) if (spec := assign(env, None))}
    for step in count(1):
        beginning = {env: spec for env, spec in waiting.items() if controller.may_begin(spec)}
        _assign(cell, controller, beginning)
        for env in beginning:
            current[env] = waiting.pop(env)
        assigned = [env for env, now in enumerate(current) if now]
        if not assigned and not waiting:
            return
        new = {env: current[env] for env in assigned if controller.begins(env) and not current[env].continues}
        _judge_from_now([detector, further], cell, new)
        freeing = [env for env in assigned if not controller.acts(env) and env not in verdicts]
        recorded = [env for env in assigned if env not in freeing]
        camera_images = cell.images() if images or controller.looks() else None
        action = controller.act(cell.observation, camera_images)
        buffer.add(recorded, cell.observation, action, camera_images if images else None)
        joint_pos = cell.joint_pos()
        for env in assigned:
            joints[env].append(joint_pos[env])
        for env in freeing:
            freed[env].append(cell.observation.obj_pose[env])
        observation = cell.step(action)
        succeeded = detector.update(observation.ee_pose, observation.obj_pose, observation.gripper_width)
        further.update(observation.ee_pose, observation.obj_pose, observation.gripper_width)
        errors = detector.error_m(observation.obj_pose)
        distance = np.linalg.norm(observation.ee_pose[:, :3] - observation.obj_pose[:, :3], axis=-1)
        empty = task.closed_on_nothing(distance, observation.gripper_width)
        on_nothing = np.where((action[:, 7] == keys.GRIPPER_CLOSE) & empty, on_nothing + 1, 0)
        for env in recorded:
            spec = current[env]
            if env not in verdicts:
                success, length = bool(succeeded[env]), buffer.length(env)
                patience = length + 1 if spec.max_closed_on_nothing is None else spec.max_closed_on_nothing
                stuck = spec.max_still is not None and buffer.stays_within(env, spec.max_still, STILL_M)
                longest = min(max_episode_steps, spec.max_steps or max_episode_steps)
                over = success or stuck or length >= longest or min(on_nothing[env], length) >= patience
                if not over:
                    continue
                verdicts[env] = {
                    "success": success,
                    "failure": None if success else detector.failure(env),
                    "final_error_m": float(errors[env]),
                    "success_at": further.success_at(env),
                }
                if spec.ee_end is not None:
                    ee_pose, obj_pose = observation.ee_pose[env], observation.obj_pose[env]
                    has_it = not success and held(task, ee_pose, obj_pose, observation.gripper_width[env])
                    if success or has_it:
                        at_z = put_down_z(task, ee_pose, obj_pose) if has_it else None
                        controller.leave(env, task.way_away(ee_pose, obj_pose, spec.ee_end), at_z)
            if controller.leaves(env):
                continue
            in_place = errors[env] <= task.data_bounds.placed_m  # or the hand has pushed it away as it left
            result = EpisodeResult(
                spec, env, episode=buffer.cut(env, spec.target_pose, verdicts[env]["success"] and in_place),
                joint_pos=np.array(joints[env]), step=step,
                freeing_obj_pose=np.reshape(np.float32(freed[env]), (-1, 7)), **verdicts.pop(env),
            )  # fmt: skip
            joints[env], freed[env], current[env] = [], [], None
            controller.retire(env)
            yield result
            if following := assign(env, result):
                waiting[env] = following


def _assign(cell: Cell, controller: Controller, specs: dict[int, EpisodeSpec]) -> None:
    """Give environments their next attempts, resetting those that have a start of their own."""
    if not specs:
        return
    resets = [env for env, spec in specs.items() if spec.ee_pose is not None]
    if resets:
        poses = [np.stack([getattr(specs[env], field) for env in resets]) for field in ("ee_pose", "obj_pose")]
        cell.reset(np.array(resets), *poses)
    cell.show_target(np.array(list(specs)), np.stack([spec.target_pose[:2] for spec in specs.values()]))
    for env, spec in specs.items():
        controller.start(env, spec)


def _judge_from_now(detectors: list, cell: Cell, specs: dict[int, EpisodeSpec]) -> None:
    """These attempts begin: what was before is not theirs."""
    if not specs:
        return
    envs, directions = np.array(list(specs)), [spec.task for spec in specs.values()]
    targets = np.stack([spec.target_pose for spec in specs.values()])
    for detector in detectors:
        detector.start(envs, directions, targets, cell.observation.obj_pose[envs])
