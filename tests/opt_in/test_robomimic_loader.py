"""The exported file, read by robomimic's own loader. Opt-in: robomimic is not in the lock."""

import numpy as np
import robomimic.utils.obs_utils as obs_utils
from robomimic.utils.dataset import SequenceDataset
from synthetic import make_episode, write_dataset

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.exchange.conversion import convert_dataset


def test_robomimics_loader_reads_it(tmp_path):
    pictures = write_dataset(
        tmp_path / "B.npz", [make_episode(seed, size=32, success=seed != 1) for seed in range(3)], fps=30
    )
    convert_dataset(pictures, tmp_path / "x.hdf5", "robomimic")
    low_dim, rgb = ["ee_pose", "obj_pose", "gripper_width", "target_xy"], ["images", "wrist_images"]
    obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": low_dim, "rgb": rgb}})
    settings = {"frame_stack": 2, "seq_length": 8, "load_next_obs": False, "hdf5_use_swmr": True}
    for mask, demos in ((None, [0, 1, 2]), ("success", [0, 2])):
        loaded = SequenceDataset(
            str(tmp_path / "x.hdf5"), low_dim + rgb, ("actions", "rewards", "dones"), filter_by_attribute=mask,
            **settings,
        )  # fmt: skip
        episodes = [EpisodeDataset(pictures)[index] for index in demos]
        assert len(loaded) == sum(map(len, episodes)) and loaded.n_demos == len(demos)
        item = loaded[len(episodes[0]) + 10]
        assert np.array_equal(item["actions"][1:], episodes[1].action[10:18])
        assert np.array_equal(item["obs"]["ee_pose"][1:], episodes[1].ee_pose[10:18])
        assert np.array_equal(item["obs"]["images"][1], episodes[1].images[10])
