"""A dataset exported for Isaac Lab, opened with Isaac Lab's handler, does its task in the simulator again."""

from pathlib import Path

import numpy as np
import torch

from rev2fwd_il.exchange.conversion import convert_dataset
from rev2fwd_il.tasks import make_task

REAL = Path(__file__).parents[1] / "files" / "demonstrations_B.npz"


def test_exported_episodes_replay(cell, config, tmp_path):
    from isaaclab.utils.datasets import HDF5DatasetFileHandler

    convert_dataset(REAL, tmp_path / "x.hdf5", "isaaclab")
    handler = HDF5DatasetFileHandler()
    handler.open(str(tmp_path / "x.hdf5"))
    loaded = [handler.load_episode(name, cell.env.device) for name in sorted(handler.get_episode_names())]
    handler.close()
    loaded += loaded[: cell.num_envs - len(loaded)]  # one for each environment
    everyone = np.arange(cell.num_envs)
    hands, widths, targets = (
        np.stack([np.asarray(place(episode.data)) for episode in loaded])
        for place in (
            lambda data: data["obs"]["ee_pose"][0],
            lambda data: data["obs"]["gripper_width"][0, 0],
            lambda data: data["target_xy"],
        )
    )
    objects = torch.cat([episode.get_initial_state()["rigid_object"]["cube"]["root_pose"] for episode in loaded])
    observation = cell.reset(everyone, hands, objects.numpy()[:, [0, 1, 2, 6, 3, 4, 5]], widths)
    cell.show_target(everyone, targets)
    task = make_task(config.task)
    detector, succeeded = task.success_detector(cell.num_envs), np.zeros(cell.num_envs, bool)
    detector.start(everyone, ["B"] * cell.num_envs, task.target_poses("B", targets), observation.obj_pose)
    actions = [episode.data["actions"] for episode in loaded]
    for step in range(max(map(len, actions)) + 12):
        commanded = torch.stack([rows[min(step, len(rows) - 1)] for rows in actions])
        buffers, _ = cell.env.step(commanded)  # as Isaac Lab's own replay does: the file's actions, unconverted
        now = {name: values.cpu().numpy() for name, values in buffers["policy"].items()}
        succeeded |= detector.update(now["ee_pose"], now["object_pose"], now["gripper_width"][:, 0])
    assert succeeded.all()
