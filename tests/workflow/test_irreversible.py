"""A task that does not reverse ends the workflow after its replay: said, recorded, reported, and nothing trained."""

import json
import subprocess
import sys

import pytest
import yaml
from engine import Workflow

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.method.reversibility import MEANING

TINY = {
    "name": "push", "arms": ["with_rollouts", "forward_demos"], "task": {"kind": "push"},
    "demos": {"num_episodes": 8, "max_attempts": 6, "num_envs": 4, "images": False}, "reversal": {"replay_num_envs": 6},
    "train": {"steps": 2, "warmup_steps": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def push(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("push"))
    (workflow.folder / "push.yaml").write_text(yaml.safe_dump(TINY))
    return workflow, workflow("--configfile", "push.yaml", timeout_s=900)


@pytest.mark.last
class TestPush:
    def test_the_expert_is_given_so_many_attempts(self, push):
        demos = EpisodeDataset(push[0].folder / "data/B_push.npz")
        assert demos.meta["attempted"] == 6 and 3 <= len(demos) <= 6

    def test_the_run_fails_and_says_why(self, push):
        result = push[1]
        assert result.returncode == 1
        for told in ("this task does not reverse: 0 of", "exact 95 % interval 0.0 to", "reversal.min_yield", MEANING):
            assert told in result.stdout
        assert "Traceback" not in result.stdout

    def test_nothing_is_trained(self, push):
        folder = push[0].folder
        assert not list(folder.glob("runs/diffusion_*")) and not (folder / "data/A_push.npz").exists()
        assert not list(folder.glob("runs/evaluation_*"))

    def test_the_replays_are_recorded(self, push):
        record = json.loads((push[0].folder / "data/A_push_replay_refused.json").read_text())
        demos = EpisodeDataset(push[0].folder / "data/B_push.npz")
        assert (record["succeeded"], record["attempted"]) == (0, len(demos)) and record["refused"].startswith(
            "this task"
        )
        assert {episode["failure"] for episode in record["episodes"]} <= {"not_pushed", "never_reached", "placed_wide"}

    def test_the_report_so_far_shows_it(self, push):
        report = push[0].folder / "runs/report_push_so_far"
        assert "This task does not reverse" in (report / "index.html").read_text()
        assert "This task does not reverse: 0 of" in (report / "summary.txt").read_text()

    def test_by_hand_the_script_ends_with_its_own_status(self, push):
        command = [
            sys.executable, "workflow/scripts/3b_replay_forward_data.py", "--input", "data/reversed_A_push.npz",
            "--out", "hand/A.npz", "--out_report", "hand/replay.json", "--num_envs", "6", "--headless",
            "--set", "task.kind=push",
        ]  # fmt: skip
        refused = subprocess.run(command, cwd=push[0].folder, capture_output=True, text=True, timeout=900)
        assert refused.returncode == 3 and refused.stderr.count("error: ") == 1, refused.stderr
        assert [path.name for path in (push[0].folder / "hand").iterdir()] == ["replay_refused.json"]
