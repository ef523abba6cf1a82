"""Another of LeRobot's policy classes is a configuration: ACT trains, resumes, finetunes and plans."""

import json

import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors
from tiny import TINY_ACT, tiny_config

from rev2fwd_il import keys
from rev2fwd_il.learning.checkpoints import last_checkpoint
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset
from rev2fwd_il.learning.inference import load_policy
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.learning.windows import cut_windows

HORIZON = 10  # no multiple of what a U-Net halves


@pytest.fixture(scope="module")
def trained_act(dataset, data):
    train(TrainingRun(dataset, data / "act", tiny_config(TINY_ACT), steps=6, lr=1e-3))
    return data / "act"


def history(dataset, policy, images: bool = False) -> dict:
    store = load_frames(dataset, images)
    return cut_windows(store, torch.tensor([0, 40, 90]), 1, HORIZON, policy.observation_keys)


def test_it_trains_and_plans(trained_act, dataset):
    path = last_checkpoint(trained_act)
    config = json.loads((path / "config.json").read_text())
    assert (config["type"], config["chunk_size"], config["n_obs_steps"]) == ("rev2fwd_act", HORIZON, 1)
    policy = load_policy(path, num_inference_steps=2, n_action_steps=4)
    plan = policy.plan(history(dataset, policy), torch.Generator().manual_seed(0))
    assert plan.shape == (3, 4, 8) and torch.equal(plan, policy.plan(history(dataset, policy)))
    torch.testing.assert_close(plan[..., 3:7].norm(dim=-1), torch.ones(3, 4))


def test_lerobot_alone_loads_it_and_predicts_the_same(trained_act, dataset):
    path = last_checkpoint(trained_act)
    config = PreTrainedConfig.from_pretrained(path)
    theirs = get_policy_class(config.type).from_pretrained(path, config=config)
    before, after = make_pre_post_processors(config, pretrained_path=str(path))
    ours = load_policy(path)
    frames = history(dataset, ours)
    newest = {key: frames[key][:, -1] for key in ours.observation_keys}  # as LeRobot's own rollout hands them over
    chunk = after(theirs.predict_action_chunk({key: before(newest)[key] for key in newest}))
    plan = ours.plan(frames)
    assert torch.equal(plan[..., :3], chunk[:, : ours.n_action_steps, :3])
    moved = newest | {keys.OBS_STATE: newest[keys.OBS_STATE] + 0.1}
    commands = [after(theirs.select_action(before(dict(now)))) for now in (newest, moved, moved)]
    assert torch.equal(torch.stack(commands, 1)[..., :3], plan[:, :3, :3])


def test_it_repeats_resumes_and_finetunes(trained_act, dataset, tmp_path):
    run = TrainingRun(dataset, tmp_path, tiny_config(TINY_ACT), 6, 1e-3, stop_after=5)
    assert train(run) is None
    resumed = train(TrainingRun(dataset, tmp_path, tiny_config(TINY_ACT), 6, 1e-3, resume=True))
    weights = "model.safetensors"
    assert (resumed / weights).read_bytes() == (last_checkpoint(trained_act) / weights).read_bytes()
    assert train(TrainingRun(dataset, tmp_path, tiny_config(TINY_ACT), 2, 1e-3, parent=resumed)).parent.name == "000008"


def test_it_sees(pictures, tmp_path):
    write_lerobot_dataset([Source(pictures)], tmp_path / "data", images=True)
    config = tiny_config(TINY_ACT | {"images": True, "include_obj_pose": False}, batch_size=2)
    policy = load_policy(train(TrainingRun(tmp_path / "data", tmp_path / "run", config, 2, 1e-3)))
    assert policy.uses_images and policy.image_size == (24, 24)
    assert policy.plan(history(tmp_path / "data", policy, images=True)).shape == (3, 8, 8)
