"""What a plan costs, against hand counts."""

import pytest

from rev2fwd_il.running.cost import Cost, PlannedJob

GB = 10**9


@pytest.fixture
def runs_dir(tmp_path):
    """Two runs: trainings of 100 and 300 steps at half a second each, evaluations of 60 and 120 s, data of 3 kB."""
    for run, steps, seconds in (("long", 300, 120), ("short", 100, 60)):
        for job, took in (("train_A", steps / 2), ("evaluate_A_iter0", seconds)):
            path = tmp_path / f"runs/benchmark_{run}/{job}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"s\tcpu_time\tmax_rss\n{took}\t1\t1\n")
        log = tmp_path / f"runs/log_{run}/train_A.log"
        log.parent.mkdir()
        log.write_text(f"iter0: 100%|████| {steps}/{steps} [00:50<00:00,  2.00step/s, loss=0.1]\n")
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / f"data/rollout_A_{run}_iter1.npz").write_bytes(bytes(3000 if run == "long" else 1000))
        weights = tmp_path / f"runs/diffusion_A_{run}/iter0/checkpoints/last/model.safetensors"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(bytes(500)), (weights.parents[2] / "optimizer.pt").write_bytes(bytes(1500))
    return tmp_path / "runs"


def planned(job, threads=1, gpus=0, steps=None, outputs=()):
    return PlannedJob("new-seed0", job, threads, gpus, steps, outputs)


def test_trainings_scale_by_steps_and_other_jobs_are_averaged(runs_dir, monkeypatch):
    monkeypatch.chdir(runs_dir.parent)
    cost = Cost(runs_dir.relative_to(runs_dir.parent))
    weights = "runs/diffusion_A_new-seed0/iter0/checkpoints/last/model.safetensors"
    cost.add(planned("train_A", threads=2, gpus=2, steps=7200, outputs=(weights,)))
    cost.add(planned("evaluate_A_no_rollouts_iter4"))
    cost.add(planned("evaluate_B_iter0"))
    cost.add(planned("alternate_iter3", outputs=("data/rollout_A_new-seed0_iter3.npz",)))
    total = cost.total()
    assert cost.stages["train"].job_hours == pytest.approx(7200 / 2 / 3600)
    assert (total.core_hours, total.gpu_hours) == (pytest.approx(2 + 180 / 3600), pytest.approx(2))
    assert cost.stages["evaluate"].jobs == 2 and cost.stages["evaluate"].job_hours == pytest.approx(180 / 3600)
    assert cost.stages["alternate"].unknown == 1 and "never measured, counted as nothing: alternate (1)" in cost.lines()
    assert total.disk_gb * GB == pytest.approx(2000 + 2000)  # of a checkpoint's whole folder; of rollouts on average
    assert cost.lines()[-2].startswith("by what such jobs took and left in: long, short")


def test_the_runs_to_learn_from_may_be_named(runs_dir):
    cost = Cost(runs_dir, only=("short",))
    cost.add(planned("evaluate_A_iter1"))
    assert cost.total().job_hours == pytest.approx(60 / 3600)


def test_where_nothing_was_measured_it_is_said(tmp_path):
    cost = Cost(tmp_path, only=("circle",))
    cost.add(planned("train_A", steps=10))
    assert cost.lines() == [
        f"cost: no benchmark files of circle under {tmp_path}: run something first, such as `make run`"
    ]
