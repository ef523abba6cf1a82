"""A report shows what its rule asks for, and names what else lies there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import write_dataset
from synthetic_run import write_json, write_run

from rev2fwd_il.config.run import Config, make_config
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.reporting.gathering import gather
from rev2fwd_il.reporting.page import write_report
from rev2fwd_il.reporting.selection import EVERYTHING_SHOWN, Selection
from rev2fwd_il.running.provenance import made_by

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "8_report.py"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run to iteration 3 with the arm no_rollouts."""
    root = tmp_path_factory.mktemp("run")
    write_run(root)
    rollout = root / "data" / "rollout_A_circle_iter1.npz"
    shutil.copy(rollout, rollout.with_name("rollout_A_circle_iter3.npz"))
    return root


@pytest.fixture
def root(finished, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(finished, tmp_path / "run")


def gathered(root, **limits):
    return gather("circle", root / "data", root / "runs", Selection(**limits))


def test_what_a_smaller_configuration_asks_for_and_nothing_else(finished):
    out = gathered(finished, iterations=1, arms=("with_rollouts",), chains=True)
    assert {task: [*tests] for task, tests in out.evaluation.items()} == {"A": [0, 1], "B": [0, 1]}
    assert out.arms == {} and [*out.alternating] == [1] and out.long_chains == {}
    assert {task: [*videos] for task, videos in out.videos.items()} == {"A": [0, 1], "B": [0, 1]}
    assert list(out.chain_videos) == ["alternating test 1"] and out.rollouts["A"][0] == 1
    left_out = "\n".join(out.left_out)
    for path in ("evaluation_A_circle/iter2", "evaluation_B_circle/iter3", "evaluation_A_circle_no_rollouts/iter1",
                 "alternating_circle/iter2", "chains_circle/iter3", "rollout_A_circle_iter3.npz"):  # fmt: skip
        assert path in left_out
    assert "evaluation_A_circle/iter1" not in left_out and "rollout_A_circle_iter1" not in left_out


def test_page_and_metrics_name_what_was_left_out(finished, tmp_path):
    selection = Selection(1, ("with_rollouts",), False)
    write_report("circle", finished / "data", finished / "runs", tmp_path, selection)
    metrics, page = json.loads((tmp_path / "metrics.json").read_text()), (tmp_path / "index.html").read_text()
    assert len(metrics["left_out"]) == 4 + 6 + 2 + 1 + 1
    assert all(line in page for line in metrics["left_out"]) and "Left out: 14" in page
    assert metrics["shows"] == "iterations 0 to 1; arms with_rollouts; without long chains" and metrics["shows"] in page


def test_figures_of_an_earlier_report_do_not_stay(root):
    out = root / "runs" / "report_circle"
    write_report("circle", root / "data", root / "runs", out)
    assert (out / "rollouts_A.png").is_file()
    write_report("circle", root / "data", root / "runs", out, Selection(iterations=0))
    assert not (out / "rollouts_A.png").exists() and (out / "reversal.png").is_file()


def test_by_hand_everything_is_shown_and_said_to_be(finished):
    out = gathered(finished)
    assert [*out.evaluation["A"]] == [0, 1, 2, 3] and [*out.arms] == ["no_rollouts"] and [*out.long_chains] == [3]
    assert out.rollouts["A"][0] == 3 and out.left_out == [] and out.shows == EVERYTHING_SHOWN


def test_an_arm_that_does_not_exist(root):
    shutil.copytree(root / "runs/evaluation_A_circle", root / "runs/evaluation_A_circle_strange")
    assert any("no arm of this project: strange" in line for line in gathered(root).left_out)
    with pytest.raises(ConfigError, match="no such arm"):
        Selection(arms=("strange",))


def test_what_other_settings_made_is_left_out(root):
    current = gathered(root, iterations=3, arms=("with_rollouts", "no_rollouts"), chains=True, config=Config())
    assert {task: [*tests] for task, tests in current.evaluation.items()} == {"A": [0, 1, 2, 3], "B": [0, 1, 2, 3]}
    for change, told in (
        ({"task": {"height_threshold": 0.1}}, "task.height_threshold was 0.15, the configuration says 0.1"),
        ({"evaluation": {"num_episodes": 100}}, "evaluation.num_episodes was 200"),
        ({"seed": 3}, "seed was 0, the configuration says 3"),
    ):
        out = gathered(root, config=make_config(change))
        assert out.evaluation == {} and sum(told in line for line in out.left_out) == 8 + 6


def test_former_names_of_settings_are_compared_too(root):
    for path in (root / "runs").glob("evaluation_*/iter*/metrics.json"):
        metrics = json.loads(path.read_text())
        settings = metrics["made_by"]["settings"]
        settings["evaluation.horizon"] = settings.pop("evaluation.max_episode_steps")
        write_json(path, metrics)
    assert gathered(root, config=Config()).evaluation
    out = gathered(root, config=make_config({"evaluation": {"max_episode_steps": 300}}))
    assert out.evaluation == {} and any("max_episode_steps was 240" in line for line in out.left_out)


def test_a_test_of_an_older_policy_is_left_out(tmp_path, monkeypatch):
    """The settings of the evaluation are the same; what its policy was trained on is not."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path, iterations=1)
    few, many = (make_config({"demos": {"num_episodes": number}}) for number in (60, 120))
    demos = [*EpisodeDataset(Path("data/B_circle.npz"))]
    Path("data/B_circle.npz").unlink()
    path = write_dataset(Path("data/B_circle.npz"), demos, **made_by(few, kind="demonstrations", seed=0, task="B"))
    metrics = json.loads(Path("runs/evaluation_B_circle/iter0/metrics.json").read_text())
    metrics["made_by"] = made_by(many, kind="evaluation", seed=0, task="B", parents=[path])
    write_json(Path("runs/evaluation_B_circle/iter0/metrics.json"), metrics)
    assert 0 in gathered(tmp_path, config=few).evaluation["B"]
    out = gathered(tmp_path, config=many)
    assert 0 not in out.evaluation["B"] and out.demos is None
    told = "iter0: data/B_circle.npz: demos.num_episodes was 60, the configuration says 120"
    assert any(line.endswith(f"evaluation_B_circle/{told}") for line in out.left_out)


def test_a_test_of_weights_that_were_trained_anew_is_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path, iterations=1)
    policy, file = Path("runs/diffusion_B_circle/iter0/pretrained_model"), Path("runs/evaluation_B_circle/iter0")
    write_json(policy / "training.json", {"made_by": made_by(Config(), kind="trained", seed=1, task="B")})
    (policy / "model.safetensors").write_bytes(b"first")
    metrics = json.loads((file / "metrics.json").read_text())
    metrics["made_by"] = made_by(Config(), kind="evaluation", seed=0, task="B", parents=[policy])
    write_json(file / "metrics.json", metrics)
    assert 0 in gathered(tmp_path, config=Config()).evaluation["B"]
    (policy / "model.safetensors").write_bytes(b"second")
    out = gathered(tmp_path, config=Config())
    assert 0 not in out.evaluation["B"] and any("has changed since" in line for line in out.left_out)


def test_script_takes_the_limits(finished, tmp_path):
    command = [sys.executable, SCRIPT, "--data_dir", finished / "data", "--runs_dir", finished / "runs"]
    command += ["--out_dir", tmp_path, "--iterations", "2", "--arms", "with_rollouts", "--no-chains"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "task A, iteration 2" in done.stdout and "task A, iteration 3" not in done.stdout
    assert "left out: " in done.stdout and "iteration 3 of a run to iteration 2" in done.stdout
