"""One simulation as a vectorised gymnasium environment, judged by the task's success detector.

An episode ends at success (terminated, reward 1) or after `evaluation.max_episode_steps` (truncated); success counts
within `evaluation.distance_threshold`. `info["is_success"]` (N,) says at each step whether the episode has succeeded,
and where one has failed, `info["failure"]` the kind of failure.

Start i is the evaluation's start number i (method/evaluation.py). `reset(seed=s)` gives environment i start s + i, a
list names the start of each, and without a seed each takes the next after those, in turn, as in the evaluation.
"""

from contextlib import ExitStack

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from rev2fwd_il import keys
from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.config.task import DEFAULT_KIND
from rev2fwd_il.environments.spaces import (
    CAMERAS,
    ENVIRONMENT_STATE,
    PIXELS,
    STATE,
    action_space,
    observation_space,
    to_command,
)
from rev2fwd_il.method.evaluation import evaluation_start
from rev2fwd_il.running.processes import tune_memory
from rev2fwd_il.sim.cell import Cell
from rev2fwd_il.sim.launch import simulation
from rev2fwd_il.tasks import make_task, observation


class CellVectorEnv(gymnasium.vector.VectorEnv):
    """N environments of one cell.

    `autoreset_mode`: SAME_STEP begins the next episode within the step that ends one; with DISABLED an environment that
    has ended holds still, and ends again at each step, until it is reset. Each `render_every` control steps new images
    are made, of all environments at once, which takes longer than a step; between them the last are given again. `cell`
    is one that already runs, of the same settings; else the environment starts its own, and `close` ends it.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        kind: str = DEFAULT_KIND,
        direction: str = keys.TASK_A,
        settings: tuple[str, ...] | list[str] = (),
        images: bool = False,
        seed: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_every: int = 1,
        cell: Cell | None = None,
    ):
        asked = with_changes([f"task.kind={kind}", *settings])
        test = asked.evaluation
        self.config = asked.with_leaves({"task.distance_threshold": test.distance_threshold})
        self.num_envs, self.direction, self.render_mode = num_envs, direction, render_mode
        self.max_episode_steps, self._images, self._seed = test.max_episode_steps, images, seed
        self._autoreset = AutoresetMode(autoreset_mode)
        if self._autoreset is AutoresetMode.NEXT_STEP:
            raise ValueError("autoreset_mode: SAME_STEP or DISABLED")
        self.metadata = {
            "render_modes": ["rgb_array"], "render_fps": keys.CONTROL_HZ, "autoreset_mode": self._autoreset,
        }  # fmt: skip
        self._task = make_task(self.config.task)
        self.task = direction
        self.task_description = self._task.texts[direction]
        self.single_observation_space = observation_space(self._task, self.config, images)
        self.single_action_space = action_space(self._task)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._detector = self._task.success_detector(num_envs)
        self._succeeded, self._over = np.zeros(num_envs, bool), np.ones(num_envs, bool)
        self._length, self._target = np.zeros(num_envs, int), np.zeros((num_envs, 7), np.float32)
        self._command, self._next_start = np.zeros((num_envs, 8), np.float32), 0
        self._render_every, self._images_made, self._image_age = render_every, None, 0
        self._stack = ExitStack()
        self._cell = cell or self._launch()

    def _launch(self) -> Cell:
        tune_memory()
        cameras = self._images or self.render_mode is not None
        env, watch = self._stack.enter_context(simulation(self.config, self.num_envs, cameras=cameras, seed=self._seed))
        return Cell(env, watch, self.config, looks="policies")

    def reset(self, *, seed: int | list[int | None] | None = None, options: dict | None = None) -> tuple[dict, dict]:
        """Begin an episode in each environment, or in those of `options["reset_mask"]` (N,) bool."""
        chosen = np.flatnonzero((options or {}).get("reset_mask", np.ones(self.num_envs, bool)))
        wanted = [seed + env for env in range(self.num_envs)] if isinstance(seed, int) else seed
        self._begin(chosen, [None] * len(chosen) if wanted is None else [wanted[env] for env in chosen])
        return self._observe(), self._info()

    def step(self, actions: np.ndarray) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray, dict]:
        """One control step of all environments by (N, 8) commands; those that have ended hold their last one."""
        running = ~self._over
        self._command[running] = to_command(actions, self.single_action_space)[running]
        seen = self._cell.step(self._command)
        self._image_age += 1
        done = self._detector.update(seen.ee_pose, seen.obj_pose, seen.gripper_width) & running
        self._length += running
        self._succeeded |= done
        self._over |= done | (self._length >= self.max_episode_steps)
        ended = self._over & running
        terminated, truncated = self._over & self._succeeded, self._over & ~self._succeeded
        info = self._info(failed=ended & ~self._succeeded)
        if self._autoreset is AutoresetMode.SAME_STEP and ended.any():
            final = {"final_obs": self._split(ended), "_final_obs": ended, "final_info": info, "_final_info": ended}
            info = info | final
            self._begin(np.flatnonzero(ended), [None] * int(ended.sum()))
        return self._observe(), done.astype(np.float64), terminated, truncated, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """One image (H, W, 3) uint8 of each environment."""
        if self.render_mode is None:
            return None
        if self._images_made is None or self._image_age >= self._render_every:
            self._images_made, self._image_age = tuple(self._cell.overview()), 0
        return self._images_made

    def call(self, name: str, *args, **kwargs) -> tuple:
        """What each environment answers, as gymnasium's own vectorised environments do."""
        if name == "render":
            return self.render()
        value = self.max_episode_steps if name == "_max_episode_steps" else getattr(self, name)
        return (value(*args, **kwargs) if callable(value) else value,) * self.num_envs

    def get_attr(self, name: str) -> tuple:
        """The same of attributes."""
        return self.call(name)

    def close_extras(self, **_) -> None:
        """End the simulation, if it is this environment's own."""
        self._stack.close()

    def _begin(self, envs: np.ndarray, starts: list[int | None]) -> None:
        """Begin the episodes of these starts; None is the next one."""
        if not len(envs):
            return
        specs, named = [], [int(start) for start in starts if start is not None]
        if named:
            self._next_start = max(named) + 1
        for start in starts:
            index = self._next_start if start is None else int(start)
            self._next_start += start is None
            specs.append(evaluation_start(self._task, self.direction, self._seed, index))
        poses = ("ee_pose", "obj_pose", "target_pose")
        ee, obj, target = (np.stack([getattr(spec, name) for spec in specs]) for name in poses)
        self._cell.reset(envs, ee, obj)
        self._images_made = None
        self._cell.show_target(envs, target[:, :2])
        self._target[envs] = target
        self._detector.start(envs, [self.direction] * len(envs), target, self._cell.observation.obj_pose[envs])
        self._succeeded[envs], self._over[envs], self._length[envs] = False, False, 0

    def _observe(self) -> dict:
        seen = self._cell.observation
        state = observation.state(seen.ee_pose, seen.gripper_width)
        around = self._task.environment_state(seen.ee_pose, seen.obj_pose, seen.gripper_width, self._target)
        pixels = {PIXELS: dict(zip(CAMERAS, self._cell.images(), strict=True))} if self._images else {}
        return {STATE: state, ENVIRONMENT_STATE: around, **pixels}

    def _split(self, ended: np.ndarray) -> np.ndarray:
        """(N,) of each ended environment's own observation, None of the others."""
        seen, out = self._observe(), np.full(self.num_envs, None, object)
        for env in np.flatnonzero(ended):
            out[env] = {
                key: {name: image[env] for name, image in value.items()} if key == PIXELS else value[env]
                for key, value in seen.items()
            }
        return out

    def _info(self, failed: np.ndarray | None = None) -> dict:
        info = {"is_success": self._succeeded.copy(), "_is_success": np.ones(self.num_envs, bool)}
        if failed is not None and failed.any():
            kinds = [self._detector.failure(env) if failed[env] else None for env in range(self.num_envs)]
            info |= {"failure": np.array(kinds, object), "_failure": failed}
        return info
