"""The whole loop on the real parts, tiny: simulator, learner, engine, to iteration 2 with a report. Minutes."""

import csv
import json

import av
import pytest

from rev2fwd_il.config.reading import load_config
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.keys import IMAGES, TASKS

SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.fixture(scope="module")
def config(smoke):
    return load_config(smoke.folder / "config/smoke.yaml")


@pytest.mark.last
class TestSmoke:
    def test_demonstrations_are_successes_with_images(self, smoke, config):
        demos = EpisodeDataset(smoke.folder / "data/B_smoke.npz")
        assert len(demos) == config.demos.num_episodes and demos.success.all()
        assert demos.arrays[IMAGES].shape[1:] == (config.sim.image_height, config.sim.image_width, 3)

    def test_what_task_a_learns_from_has_been_replayed(self, smoke):
        reversed_demos = EpisodeDataset(smoke.folder / "data/reversed_A_smoke.npz")
        replayed = EpisodeDataset(smoke.folder / "data/A_smoke.npz")
        assert 0 < len(replayed) <= len(reversed_demos) and replayed.success.all()

    @pytest.mark.parametrize("n", [1, 2])
    def test_each_iteration_tests_merges_and_finetunes(self, smoke, config, n):
        metrics = json.loads((smoke.folder / f"runs/alternating_smoke/iter{n}/metrics.json").read_text())
        assert {"A_success_rate", "B_success_rate", "consecutive_success"} <= set(metrics)
        assert len(EpisodeDataset(smoke.folder / f"data/rollout_A_smoke_iter{n}.npz")) >= config.rollout.num_envs
        for task in TASKS:
            assert (smoke.folder / f"data/merged_{task}_smoke_iter{n}/meta/info.json").is_file()

    @pytest.mark.parametrize("n", [0, 1, 2])
    @pytest.mark.parametrize("task", TASKS)
    def test_each_checkpoint_is_complete_and_evaluated(self, smoke, config, task, n):
        run = smoke.folder / f"runs/diffusion_{task}_smoke/iter{n}/checkpoints/checkpoints/last/pretrained_model"
        assert {"config.json", "model.safetensors"} <= {path.name for path in run.iterdir()}
        metrics = json.loads((smoke.folder / f"runs/evaluation_{task}_smoke/iter{n}/metrics.json").read_text())
        outcomes = [episode["success"] for episode in metrics["episodes"]]
        assert len(outcomes) == metrics["num_episodes"] == config.evaluation.num_episodes
        assert metrics["successes"] == sum(outcomes)
        assert sum(metrics["failures"].values()) == outcomes.count(False)

    def test_the_long_chains_go_on_after_failures_and_the_report_says_so(self, smoke, config):
        folder = smoke.folder / "runs/chains_smoke/iter2"
        metrics = json.loads((folder / "metrics.json").read_text())
        practice, chains = metrics["practice"], config.evaluation.chains
        assert practice["attempts"] == 2 * config.evaluation.max_cycles * chains
        rollouts = {task: EpisodeDataset(folder / f"rollout_{task}.npz") for task in TASKS}
        assert sum(map(len, rollouts.values())) == practice["attempts"]
        assert sum(int(data.success.sum()) for data in rollouts.values()) == practice["successes"]
        continued = sum(len(data.meta.get("after_failure", [])) for data in rollouts.values())
        after = sum(row["attempts"] for row in metrics["after_failure"].values())
        assert metrics["A"]["attempts"] + metrics["B"]["attempts"] + after == practice["attempts"]
        assert 0 < continued <= after  # the rest began after a reset or a success
        assert 'id="practice"' in (smoke.folder / "runs/report_smoke/index.html").read_text()

    @pytest.mark.parametrize(("folder", "size"), [("alternating", "video_size"), ("chains", "chain_video_size")])
    def test_videos_have_their_size(self, smoke, config, folder, size):
        with av.open(str(smoke.folder / f"runs/{folder}_smoke/iter2/longest_chain.mp4")) as video:
            assert video.streams.video[0].width == video.streams.video[0].height == getattr(config.evaluation, size)

    def test_the_report_has_every_iteration(self, smoke):
        report = smoke.folder / "runs/report_smoke"
        with open(report / "metrics.csv", newline="") as file:
            rows = {(row["arm"], row["task"], row["iteration"]) for row in csv.DictReader(file)}
        expected = {("with_rollouts", task, str(n)) for task in TASKS for n in range(3)}
        expected |= {("no_rollouts", task, str(n)) for task in TASKS for n in (1, 2)}
        assert rows == expected | {("forward_demos", "A", "0")}
        assert "<html" in (report / "index.html").read_text()
        assert (report / "success_curve.png").read_bytes().startswith(b"\x89PNG")
        assert (report / "snakemake_report.html").stat().st_size > 1e5

    def test_a_second_run_has_nothing_to_do(self, smoke):
        assert smoke.plan(*SMOKE) == {}

    def test_a_teacher_takes_over_and_what_it_does_is_learnt(self, smoke, config):
        """The policies of the very run teach: they differ from their pupils by two iterations."""
        arm = ("arms=[with_rollouts, teacher]", "teacher={run: smoke, iteration: 2, attempts: 6}")
        evaluation = "runs/evaluation_A_smoke_teacher/iter1/metrics.json"
        built = smoke(evaluation, *SMOKE, config=arm)
        assert built.returncode == 0, built.stdout
        data = EpisodeDataset(smoke.folder / "data/corrections_A_smoke_iter1.npz")
        told = json.loads((smoke.folder / "runs/corrections_A_smoke/iter1/metrics.json").read_text())
        assert len(data) == told["attempts"] - told["ended_by_policy"] == told["corrections"]["attempts"] > 0
        assert sum(told["failures"].values()) == len(data) - told["corrections"]["successes"]
        assert data.meta["kind"] == "corrections" and data.meta["parents"][1]["other_run"]
        assert len(data[0]) <= config.rollout.max_episode_steps
        merged = json.loads((smoke.folder / "data/merged_A_smoke_teacher_iter1/meta/rev2fwd.json").read_text())
        assert [source["kind"] for source in merged["sources"]] == ["original", "rollout"]
        metrics = json.loads((smoke.folder / evaluation).read_text())
        assert metrics["made_by"]["parents"][0]["path"].startswith("runs/diffusion_A_smoke_teacher/iter1/")
