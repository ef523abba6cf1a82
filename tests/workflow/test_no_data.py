"""A loop in which no attempt succeeds ends cleanly: metrics, policies, evaluations and the report are all there."""

import csv
import json
import subprocess
import sys

import pytest
from engine import Workflow

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.keys import TASKS
from rev2fwd_il.running.provenance import content_hash

CONFIG = """
name: barren
iterations: 1
sim: {image_width: 16, image_height: 16}
demos: {num_episodes: 2, num_envs: 2, images: false}
reversal: {replay_num_envs: 2}
policy: {down_dims: [16, 32], num_inference_steps: 3}
train: {steps: 2, finetune_steps: 2, batch_size: 4, warmup_steps: 1}
rollout: {num_envs: 2, max_cycles: 1, horizon: 10, reversed_rollouts: true}
evaluation: {num_episodes: 2, num_envs: 2, horizon: 10, chains: 2, max_cycles: 1, videos: 0}
"""


@pytest.fixture(scope="module")
def barren(tmp_path_factory) -> Workflow:
    """A policy of two steps, given a third of a second: it cannot succeed."""
    workflow = Workflow(tmp_path_factory.mktemp("barren"))
    (workflow.folder / "config/barren.yaml").write_text(CONFIG)
    result = workflow("--configfile", "config/barren.yaml", timeout_s=1500)
    assert result.returncode == 0, result.stdout[-20000:]
    return workflow


def checkpoint(task, n):
    return f"runs/diffusion_{task}_barren/iter{n}/checkpoints/checkpoints/last/pretrained_model"


@pytest.mark.last
class TestNoData:
    @pytest.mark.parametrize("test", ["alternating_barren", "chains_barren"])
    def test_metrics_are_a_true_zero(self, barren, test):
        metrics = json.loads((barren.folder / f"runs/{test}/iter1/metrics.json").read_text())
        assert (metrics["A"]["successes"], metrics["A"]["attempts"], metrics["A_success_rate"]) == (0, 2, 0.0)
        assert (metrics["B"]["successes"], metrics["B"]["attempts"], metrics["B_success_rate"]) == (0, 0, None)
        assert metrics["consecutive_success"]["per_chain"] == [0, 0]

    def test_what_was_never_attempted_is_a_dataset_without_episodes(self, barren):
        sizes = {task: len(EpisodeDataset(barren.folder / f"data/rollout_{task}_barren_iter1.npz")) for task in TASKS}
        assert sizes == {"A": 2, "B": 0}
        for task in TASKS:
            assert len(EpisodeDataset(barren.folder / f"data/replayed_{task}_barren_iter1.npz")) == 0

    def test_of_no_success_there_are_no_views(self, barren):
        command = [
            sys.executable, "workflow/scripts/3d_render_views.py", "--input", "data/rollout_A_barren_iter1.npz",
            "--out", "views.npz", "--set", "views.copies=1", "policy.images=true", "policy.n_obs_steps=1",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=barren.folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        views = EpisodeDataset(barren.folder / "views.npz")
        assert len(views) == 0 and views.meta["by_policy"]

    @pytest.mark.parametrize("task", TASKS)
    def test_the_policy_is_kept_and_that_is_said(self, barren, task):
        before, after = (barren.folder / checkpoint(task, n) for n in (0, 1))
        assert content_hash(before) == content_hash(after)
        assert "No rollout data collected" in json.loads((after / "training.json").read_text())["note"]
        log = (barren.folder / f"runs/log_barren/finetune_{task}_iter1.log").read_text()
        assert f"No rollout data collected for task {task}" in log

    def test_the_report_shows_the_zeros(self, barren):
        report = barren.folder / "runs/report_barren"
        with open(report / "metrics.csv", newline="") as file:
            rows = [(row["task"], row["iteration"], row["successes"], row["n"]) for row in csv.DictReader(file)]
        assert sorted(rows) == [(task, n, "0", "2") for task in TASKS for n in "01"]
        assert "<html" in (report / "index.html").read_text()

    def test_an_evaluation_by_hand_is_the_workflows(self, barren):
        """The checkpoint plans as it was made to, with 3 steps where the default is 2, and the record says so."""
        command = [
            sys.executable, "workflow/scripts/5_eval_diffusion.py", "--checkpoint", checkpoint("A", 0), "--task", "A",
            "--out_dir", "by_hand", "--num_episodes", "2", "--num_envs", "2", "--horizon", "10", "--headless",
            "--set", "sim.image_width=16", "sim.image_height=16", "evaluation.videos=0",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=barren.folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        hand, rule = (
            json.loads((barren.folder / path / "metrics.json").read_text())
            for path in ("by_hand", "runs/evaluation_A_barren/iter0")
        )
        assert (hand["num_inference_steps"], hand["n_action_steps"]) == (3, 12)
        assert (hand["horizon"], hand["distance_threshold"]) == (10, 0.03)
        assert hand == rule

    def test_by_hand_a_lack_of_data_is_an_error(self, barren):
        command = [
            sys.executable, "workflow/scripts/7_finetune_with_rollout.py", "--original_data", "data/A_barren.npz",
            "--rollout_data", "data/rollout_A_barren_iter1.npz", "--checkpoint", checkpoint("A", 0), "--out", "by_hand",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=barren.folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 1 and "error: No rollout data collected" in done.stderr
