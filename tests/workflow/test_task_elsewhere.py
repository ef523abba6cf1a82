"""A task in one module outside the package goes through the whole workflow: nothing else is touched for it."""

import json
from pathlib import Path

import pytest
import yaml
from engine import Workflow

from rev2fwd_il.data.reading import EpisodeDataset

ELSEWHERE = Path(__file__).with_name("elsewhere")
REFUSED = "data/A_line_replay_refused.json"
TINY = {
    "name": "line", "iterations": 1, "task": {"kind": "line_task:PlaceOnLine", "bar_size": [0.05, 0.03, 0.04]},
    "demos": {"num_episodes": 8, "num_envs": 8, "images": False}, "reversal": {"replay_num_envs": 8},
    "policy": {"down_dims": [32, 64]}, "train": {"steps": 40, "finetune_steps": 20, "warmup_steps": 5},
    "rollout": {"num_envs": 4, "max_cycles": 1, "max_episode_steps": 120, "after_failure": "reset",
                "include_failures": True, "hindsight_targets": True},
    "evaluation": {"num_episodes": 4, "num_envs": 4, "max_episode_steps": 120, "chains": 2, "max_cycles": 1,
                   "videos": 0, "after_failure": "recover"},
}  # fmt: skip


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("line"))
    (workflow.folder / "line.yaml").write_text(yaml.safe_dump(TINY))
    (workflow.folder / "data").mkdir()
    (workflow.folder / REFUSED).write_text("{}")  # of an earlier run that was found not to reverse
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ELSEWHERE), prepend=":")
        result = workflow("--configfile", "line.yaml", timeout_s=1500)
    assert result.returncode == 0, result.stdout[-20000:]
    return workflow.folder


@pytest.mark.last
class TestLine:
    def test_the_module_is_short_and_all_there_is(self):
        assert len((ELSEWHERE / "line_task.py").read_text().splitlines()) <= 150

    def test_its_object_was_brought_from_the_goal_and_its_reversals_replayed(self, line, monkeypatch):
        monkeypatch.syspath_prepend(str(ELSEWHERE))
        demos, replayed = (EpisodeDataset(line / f"data/{name}_line.npz") for name in ("B", "A"))
        assert demos.meta["task_settings"]["bar_size"] == [0.05, 0.03, 0.04]
        assert len(demos) == 8 and len(replayed) >= 7
        assert replayed.meta["task_settings"] == demos.meta["task_settings"]
        assert not (line / REFUSED).exists()

    @pytest.mark.parametrize("task", ["A", "B"])
    def test_it_is_trained_evaluated_and_alternated(self, line, task):
        metrics = json.loads((line / f"runs/evaluation_{task}_line/iter1/metrics.json").read_text())
        assert metrics["num_episodes"] == 4 and "lifted_too_low" in metrics["failures"]
        assert len(EpisodeDataset(line / f"data/rollout_{task}_line_iter1.npz")) >= 4

    def test_its_long_chains_go_on_after_failures(self, line):
        metrics = json.loads((line / "runs/chains_line/iter1/metrics.json").read_text())
        assert metrics["practice"]["attempts"] == 2 * TINY["evaluation"]["chains"]

    def test_hindsight_targets_are_merged_in_place_of_its_rollouts(self, line, monkeypatch):
        monkeypatch.syspath_prepend(str(ELSEWHERE))
        paths = [line / f"data/{kind}_B_line_iter1.npz" for kind in ("rollout", "hindsight")]
        rollouts, relabelled = map(EpisodeDataset, paths)
        assert len(relabelled) == len(rollouts) and relabelled.success.sum() >= rollouts.success.sum()
        merged = json.loads((line / "data/merged_B_line_iter1/meta/rev2fwd.json").read_text())
        assert merged["sources"][1]["path"].endswith("hindsight_B_line_iter1.npz")

    def test_the_report_is_there(self, line):
        assert "<html" in (line / "runs/report_line/index.html").read_text()
