"""Trainings repeat to the bit, resume to the bit, and leave complete checkpoints."""

import json
import os
import resource
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import make_episode, write_dataset
from tiny import TINY_POLICY, tiny_config

from rev2fwd_il import keys
from rev2fwd_il.errors import CheckpointError, Rev2FwdError
from rev2fwd_il.learning.checkpoints import check_output, image_folder, last_checkpoint, snapshot_path, step_checkpoint
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.dataset_writing import ROLLOUT, Source, write_lerobot_dataset
from rev2fwd_il.learning.inference import load_policy
from rev2fwd_il.learning.optimization import lr_at
from rev2fwd_il.learning.training import train
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.learning.windows import cut_windows
from rev2fwd_il.running.provenance import content_hash

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
TINY = ["--set", *(f"policy.{key}={json.dumps(value)}".replace(" ", "") for key, value in TINY_POLICY.items())]


def weights(path: Path) -> bytes:
    return (path / "model.safetensors").read_bytes()


def run_script(monkeypatch, name: str, *arguments) -> None:
    """Run a script in this process, as `python name arguments` would."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(SCRIPTS / name), run_name="__main__")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(trained, dataset, tmp_path):
    again = train(TrainingRun(dataset, tmp_path / "again", tiny_config(), 12, 1e-3))
    other = train(TrainingRun(dataset, tmp_path / "other", tiny_config(seed=1), 12, 1e-3))
    assert weights(again) == weights(last_checkpoint(trained)) != weights(other)


def test_a_resumed_training_ends_with_the_same_bytes(trained, dataset, tmp_path):
    cut = TrainingRun(dataset, tmp_path / "run", tiny_config(), 12, 1e-3, stop_after=10)
    assert train(cut) is None and not last_checkpoint(cut.out).exists()
    assert torch.load(snapshot_path(cut.out), weights_only=True)["step"] == 8
    resumed = train(TrainingRun(dataset, cut.out, tiny_config(), 12, 1e-3, resume=True))
    assert weights(resumed) == weights(last_checkpoint(trained))
    assert not snapshot_path(cut.out).exists()


def test_moved_scenes_are_other_data_and_the_same_ones_after_a_resume(trained, dataset, tmp_path):
    moved = tiny_config(scene_shift=0.1, scene_turn=1.0, scene_mirror=True)
    whole = train(TrainingRun(dataset, tmp_path / "whole", moved, 12, 1e-3))
    cut = TrainingRun(dataset, tmp_path / "cut", moved, 12, 1e-3, stop_after=10)
    assert train(cut) is None
    resumed = train(replace(cut, resume=True, stop_after=None))
    assert weights(resumed) == weights(whole) != weights(last_checkpoint(trained))


def test_a_snapshot_of_other_settings_is_not_continued(dataset, tmp_path):
    train(TrainingRun(dataset, tmp_path, tiny_config(), 12, 1e-3, stop_after=5))
    with pytest.raises(CheckpointError, match=r"other settings\n.*'lr': 0.002(.|\n)*--resume"):
        train(TrainingRun(dataset, tmp_path, tiny_config(), 12, 2e-3, resume=True))


def test_a_full_disk_is_said_and_the_last_snapshot_stays(trained, dataset, tmp_path):
    """A limit on file size stands for a full disk."""
    run = TrainingRun(dataset, tmp_path, tiny_config(), 12, 1e-3, resume=True)
    train(replace(run, stop_after=5))
    kept = snapshot_path(tmp_path).read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**12, before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"could not be written(.|\n)*free space"):
            train(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert snapshot_path(tmp_path).read_bytes() == kept and not list(tmp_path.rglob("*.tmp"))
    assert weights(train(run)) == weights(last_checkpoint(trained))


def test_a_finetune_keeps_statistics_and_moves_last_on(trained, original, rollouts, tmp_path):
    write_lerobot_dataset([Source(original), Source(rollouts, ROLLOUT)], tmp_path / "merged")
    parent, out = last_checkpoint(trained), tmp_path / "run"
    first = train(TrainingRun(tmp_path / "merged", out, tiny_config(), 5, 5e-4, parent=parent))
    second = train(TrainingRun(tmp_path / "merged", out, tiny_config(), 5, 5e-4, parent=last_checkpoint(out)))
    assert (first, second) == (step_checkpoint(out, 17), step_checkpoint(out, 22))
    assert last_checkpoint(out).resolve() == second.resolve()
    record = json.loads((second / "training.json").read_text())
    assert record["total_steps"] == 22 and record["parent"] == content_hash(first) and record["rollout_share"] < 0.5
    statistics = [json.loads((path / "config.json").read_text())["own_statistics"] for path in (parent, second)]
    assert statistics[0] == statistics[1] and statistics[0][keys.ACTION]["max"]


def test_a_finished_output_is_not_overwritten(trained, dataset):
    with pytest.raises(CheckpointError, match="output exists already"):
        train(TrainingRun(dataset, trained, tiny_config(), 12, 1e-3))
    check_output(trained, 17, parent=last_checkpoint(trained))
    with pytest.raises(CheckpointError, match="output exists already"):
        check_output(trained, 17, parent=trained / "elsewhere")


def test_what_snakemake_leaves_behind_counts_as_unfinished(dataset, tmp_path):
    last_checkpoint(tmp_path).mkdir(parents=True)  # it makes folders for the outputs it expects
    path = train(TrainingRun(dataset, tmp_path, tiny_config(), 4, 1e-3))
    (last_checkpoint(tmp_path) / "model.safetensors").unlink()  # and removes outputs before a rerun
    assert train(TrainingRun(dataset, tmp_path, tiny_config(), 4, 1e-3)) == path
    assert last_checkpoint(tmp_path).parent.is_symlink()


def test_a_loss_that_is_not_finite_ends_the_training(dataset, tmp_path):
    with pytest.raises(Rev2FwdError, match=r"not finite at step(.|\n)*lower --lr"):
        train(TrainingRun(dataset, tmp_path, tiny_config(weight_decay=1e30), 12, 1e30))


def test_the_schedule_warms_up_and_ends_at_zero():
    rates = [lr_at(step, 100, 10, 1.0) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == rates[10] == 1.0 and rates[100] == pytest.approx(0)
    assert lr_at(0, 2, 100, 1.0) == 1.0


def test_a_policy_that_sees_trains_and_plans(pictures, tmp_path):
    write_lerobot_dataset([Source(pictures)], tmp_path / "data", images=True)
    config = tiny_config({"images": True, "include_obj_pose": False}, batch_size=2)
    policy = load_policy(train(TrainingRun(tmp_path / "data", tmp_path / "run", config, 2, 1e-3)))
    assert policy.uses_images and not policy.uses_obj_pose and policy.image_size == (24, 24)
    store = load_frames(tmp_path / "data", images=True)
    history = cut_windows(store, torch.tensor([0, 50]), 2, 16, policy.observation_keys)
    assert history[keys.OBS_TABLE_IMAGE].shape == (2, 2, 24, 24, 3)
    assert policy.plan(history).shape == (2, config.policy.n_action_steps, 8)


def test_images_that_exceed_the_memory_are_read_from_a_file_with_the_same_result(pictures, tmp_path):
    write_lerobot_dataset([Source(pictures)], tmp_path / "data", images=True)
    written = {}
    for memory_gb in (1.0, 1e-9):
        config = tiny_config({"images": True}, batch_size=2, memory_gb=memory_gb, save_every=1)
        out = tmp_path / f"run_{memory_gb}"
        run = TrainingRun(tmp_path / "data", out, config, 3, 1e-3, resume=True)
        assert train(replace(run, stop_after=2)) is None
        files = list(image_folder(out).glob("*"))
        assert len(files) == (2 if memory_gb < 1 else 0)
        stamps = [file.stat().st_mtime_ns for file in files]
        written[memory_gb] = weights(train(run))  # goes on with what is decoded already
        assert stamps == [] or not image_folder(out).exists()
    assert written[1.0] == written[1e-9]


def test_mapped_images_are_those_in_memory(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.learning.image_frames.BLOCK_BYTES", 24 * 24 * 3 * 7)
    write_lerobot_dataset([Source(pictures)], tmp_path / "data", images=True)
    kept, mapped = (load_frames(tmp_path / "data", True, memory_gb, tmp_path / "images") for memory_gb in (1.0, 1e-9))
    files = sorted((tmp_path / "images").iterdir())
    assert len(files) == 2
    for key in (keys.OBS_TABLE_IMAGE, keys.OBS_WRIST_IMAGE):
        assert torch.equal(kept.frames[key], mapped.frames[key])
    stamps = [file.stat().st_mtime_ns for file in files]
    load_frames(tmp_path / "data", True, 1e-9, tmp_path / "images")
    assert [file.stat().st_mtime_ns for file in sorted((tmp_path / "images").iterdir())] == stamps


def test_a_snapshot_of_a_former_version_starts_anew_and_says_so(trained, dataset, tmp_path, capsys):
    run = TrainingRun(dataset, tmp_path, tiny_config(), 12, 1e-3, resume=True)
    train(replace(run, stop_after=5))
    snapshot = torch.load(snapshot_path(tmp_path), weights_only=True)
    del snapshot["settings"]["snapshot_version"]
    torch.save(snapshot, snapshot_path(tmp_path))
    assert weights(train(run)) == weights(last_checkpoint(trained))
    assert "starts anew" in capsys.readouterr().out


def test_a_small_network_learns_one_episode(data, original, tmp_path):
    """After three hundred steps the plan follows the demonstration: normalisation, history and horizon line up."""
    write_lerobot_dataset([Source(write_dataset(tmp_path / "one.npz", [make_episode(0)]))], tmp_path / "data")
    config = tiny_config({"down_dims": [32, 64]}, batch_size=64, ema_decay=0.95, save_every=1000)
    policy = load_policy(train(TrainingRun(tmp_path / "data", tmp_path / "run", config, 300, 3e-3)))
    store = load_frames(tmp_path / "data")
    windows = cut_windows(
        store, torch.arange(20, len(store) - policy.n_action_steps, 10), 2, 16, policy.observation_keys
    )
    plan = policy.plan(windows, torch.Generator().manual_seed(0))
    demonstrated = windows[keys.ACTION][:, 1 : 1 + policy.n_action_steps]
    error = (plan[..., :3] - demonstrated[..., :3]).norm(dim=-1)
    still = (windows[keys.OBS_STATE][:, -1:, :3] - demonstrated[..., :3]).norm(dim=-1)
    assert error.median() < 0.01 < still.median()
    assert (plan[..., 7] == demonstrated[..., 7]).float().mean() > 0.9


def test_scripts_train_and_finetune_in_the_same_run_folder(original, rollouts, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    common = ["--out", out, "--steps", 3, "--batch_size", 4, "--include_obj_pose", *TINY]
    run_script(monkeypatch, "4_train_diffusion.py", "--dataset", original, *common)
    with pytest.raises(SystemExit, match="1"):
        run_script(monkeypatch, "4_train_diffusion.py", "--dataset", original, *common)
    assert "output exists already" in capsys.readouterr().err
    merged = ["--lerobot_dataset_dir", tmp_path / "merged"]
    finetune = ["7_finetune_with_rollout.py", "--original_data", original, "--rollout_data", rollouts, *merged]
    run_script(monkeypatch, *finetune, "--out", out, "--convert_only")
    assert "2 episodes" in capsys.readouterr().out
    slow = [*finetune[:-1], tmp_path / "without", "--new_rollouts", rollouts, "--set", "rollout.max_slowness=0.1"]
    run_script(monkeypatch, *slow, "--out", out, "--convert_only")
    told = capsys.readouterr().out
    assert "No rollout data collected" in told and f"{rollouts}: 0 episodes" in told
    run_script(monkeypatch, *finetune, *common, "--checkpoint", last_checkpoint(out))
    assert last_checkpoint(out).resolve().parent.name == "000006"


def test_two_processes_write_one_checkpoint(original, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    command += [SCRIPTS / "4_train_diffusion.py", "--dataset", original, "--out", tmp_path / "run"]
    command += ["--steps", "3", "--batch_size", "4", *TINY]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((last_checkpoint(tmp_path / "run") / "training.json").read_text())
    assert (record["processes"], record["effective_batch_size"]) == (2, 8)
    load_policy(last_checkpoint(tmp_path / "run"))
