"""Windows equal LeRobot's own, and the draw of windows follows its rule."""

import numpy as np
import pytest
import torch
from lerobot.datasets import LeRobotDataset

from rev2fwd_il import keys
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.dataset_writing import REPO_ID, ROLLOUT, Source, write_lerobot_dataset
from rev2fwd_il.learning.windows import (
    ACTION_IS_PAD,
    WindowSampler,
    cut_windows,
    drop_n_last_frames,
    rollout_share,
)

N_OBS, HORIZON = 2, 16
OBSERVATIONS = [keys.OBS_STATE, keys.OBS_ENVIRONMENT_STATE]


def test_windows_equal_lerobots(dataset):
    deltas = {key: [-1 / 30, 0.0] for key in OBSERVATIONS} | {keys.ACTION: [step / 30 for step in range(-1, 15)]}
    theirs = LeRobotDataset(REPO_ID, root=dataset, delta_timestamps=deltas)
    store = load_frames(dataset)
    bounds = [
        0,
        1,
        int(store.episode_end[0]) - 3,
        int(store.episode_end[0]) - 1,
        int(store.episode_end[0]),
        len(store) - 1,
    ]
    ours = cut_windows(store, torch.tensor(bounds), N_OBS, HORIZON, OBSERVATIONS)
    for row, index in enumerate(bounds):
        for key in (*OBSERVATIONS, keys.ACTION, ACTION_IS_PAD):
            assert torch.equal(ours[key][row], theirs[index][key]), (key, index)


def test_anchors_leave_out_the_last_frames_of_each_episode(dataset):
    store = load_frames(dataset)
    dropped = drop_n_last_frames(HORIZON, 8, N_OBS)
    original, rollout = store.anchors(dropped)
    assert dropped == 7 and not len(rollout)
    assert len(original) == len(store) - 7 * len(set(store.episode_end.tolist()))
    executed = cut_windows(store, torch.from_numpy(original), N_OBS, HORIZON, OBSERVATIONS)[ACTION_IS_PAD][:, 1:9]
    assert not executed.any()


@pytest.mark.parametrize(("new", "total", "expected"), [(0, 100, 0), (10, 100, 0.1), (90, 100, 0.5), (100, 100, 1)])
def test_share_of_rollouts_is_proportionate_and_bounded(new, total, expected):
    assert rollout_share(new, total, max_share=0.5) == expected


def test_two_new_episodes_do_not_get_half_the_weight(original, rollouts, tmp_path):
    write_lerobot_dataset([Source(original), Source(rollouts, ROLLOUT)], tmp_path / "merged")
    store = load_frames(tmp_path / "merged")
    sampler = WindowSampler(*store.anchors(7), 64, 0.5, seed=0)
    drawn = torch.cat([sampler(step)[0] for step in range(100)])
    share = store.is_rollout[drawn].float().mean().item()
    assert share == pytest.approx(sampler.share, abs=0.02) and 0.2 < sampler.share < 0.3


def test_a_batch_depends_on_seed_step_and_process_only():
    pools = np.arange(100), np.arange(100, 150)
    draw = {(seed, rank): WindowSampler(*pools, 32, 0.5, seed, rank) for seed in (0, 1) for rank in (0, 1)}
    batches = {(*key, step): sampler(step)[0].tolist() for key, sampler in draw.items() for step in (0, 5)}
    assert len({tuple(batch) for batch in batches.values()}) == len(batches)
    assert WindowSampler(*pools, 32, 0.5, 0, 1)(5)[0].tolist() == batches[0, 1, 5]
