"""Further views of demonstrations: both cameras' images with the end effector beside its path.

A policy that sees meets images from beside the path as soon as it errs. Each demonstration is replayed with images,
and then each frame is shown once more with the end effector, and the object that it holds, moved by a little
(learning/augmentation.py), while the command stays: what the cameras show, what the arm measures and what is asked for
agree.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from rev2fwd_il import keys
from rev2fwd_il.config.run import Config
from rev2fwd_il.config.sections import ViewsConfig
from rev2fwd_il.data.reading import Episode
from rev2fwd_il.learning.augmentation import shift_end_effectors
from rev2fwd_il.method.replay import replay_batch
from rev2fwd_il.seeds import derive
from rev2fwd_il.sim.cell import Cell
from rev2fwd_il.tasks import make_task, observation
from rev2fwd_il.tasks.task import Task


def views(
    cell: Cell, config: Config, direction: str, episodes: Sequence[Episode], seed: int, first: int = 0
) -> Iterator[list[Episode]]:
    """`cell.num_envs` at a time, from number `first` on: replays that succeed, then their moved copies."""
    task = make_task(config.task)
    for start in range(first, len(episodes), cell.num_envs):
        batch = [episodes[index] for index in range(start, min(start + cell.num_envs, len(episodes)))]
        joints: list[np.ndarray] = []
        cell.begin_batch(start // cell.num_envs)
        outcomes = replay_batch(cell, config, direction, batch, images=True, joints=joints)
        originals = {env: outcome.replayed for env, outcome in enumerate(outcomes) if outcome.success}
        out = [*originals.values()]
        for copy in range(config.views.copies):
            noise = derive(seed, "views", start, copy)
            out += _shown(cell, joints, originals, _moved(task, originals, config.views, noise))
        yield out


def _moved(task: Task, originals: dict[int, Episode], config: ViewsConfig, seed: int) -> dict[int, Episode]:
    """The episodes with each frame's end effector shifted and turned, and the object with it while it is held."""
    copies = {}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for env, episode in originals.items():
            state = observation.state(episode.ee_pose, episode.gripper_width)
            around = task.environment_state(
                episode.ee_pose, episode.obj_pose, episode.gripper_width, episode.target_pose
            )
            windows = {keys.OBS_STATE: state, keys.OBS_ENVIRONMENT_STATE: around}
            windows = {key: torch.from_numpy(values)[:, None] for key, values in windows.items()}
            windows = shift_end_effectors(windows, task, config.ee_noise, config.ee_turn_noise)
            obj_pose, _ = task.parse_environment_state(windows[keys.OBS_ENVIRONMENT_STATE][:, 0].numpy())
            copies[env] = episode.replace(ee_pose=windows[keys.OBS_STATE][:, 0, :7].numpy(), obj_pose=obj_pose)
    return copies


def _shown(
    cell: Cell, joints: list[np.ndarray], originals: dict[int, Episode], copies: dict[int, Episode]
) -> list[Episode]:
    """The copies with images of their states, each arm in nearly the posture of that frame.

    Where a stretched arm cannot be moved on, that frame of a copy is the original's.
    """
    source = [env if env in copies else next(iter(copies)) for env in range(cell.num_envs)] if copies else []
    frames: tuple[list, list] = [], []
    for step in range(max(map(len, copies.values()), default=0)):
        rows = [min(step, len(copies[env]) - 1) for env in source]
        posture = np.stack([joints[row][env] for env, row in zip(source, rows)])
        beyond = cell.show_beside(posture, *_poses(copies, source, rows))
        for index in np.flatnonzero(beyond):
            for name in (keys.EE_POSE, keys.OBJ_POSE):
                env, row = source[index], rows[index]
                getattr(copies[env], name)[row] = getattr(originals[env], name)[row]
        if beyond.any():
            cell.show_beside(posture, *_poses(copies, source, rows))
        for camera, images in zip(frames, cell.images(), strict=True):
            camera.append(images)
    out = []
    for env, episode in copies.items():
        table, wrist = (np.stack([images[env] for images in camera[: len(episode)]]) for camera in frames)
        out.append(episode.replace(images=table, wrist_images=wrist))
    return out


def _poses(episodes: dict[int, Episode], envs: list[int], rows: list[int]) -> Iterator[np.ndarray]:
    """End effectors and objects, (N, 7) each, of these rows."""
    for name in (keys.EE_POSE, keys.OBJ_POSE):
        yield np.stack([getattr(episodes[env], name)[row] for env, row in zip(envs, rows)])
