"""Who descends from whom, and what no longer fits."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import make_episode

from rev2fwd_il.config.run import Config, make_config
from rev2fwd_il.data.npz import write_arrays
from rev2fwd_il.data.reading import DatasetWriter, EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.reporting.selection import Selection
from rev2fwd_il.running.json_files import write_json
from rev2fwd_il.running.lineage import differing_settings, draw, read_record, read_tree, stale
from rev2fwd_il.running.provenance import SETTINGS, content_hash, made_by, relevant_settings

ROOT = Path(__file__).parents[2]


def write(path, kind, task, parents=(), seed=0, episodes=(0,), config=None):
    with DatasetWriter(path, made_by(config or Config(), kind=kind, seed=seed, task=task, parents=parents)) as writer:
        for episode in episodes:
            writer.add(make_episode(episode))
    return path


@pytest.fixture
def family(tmp_path, monkeypatch):
    """B -> reversed A -> A, and an evaluation of something made of A."""
    monkeypatch.chdir(tmp_path)
    demos = write(Path("data/B.npz"), "demonstrations", "B")
    backwards = write(Path("data/reversed_A.npz"), "reversed", "A", [demos])
    replayed = write(Path("data/A.npz"), "replayed", "A", [backwards], episodes=(1,))
    record = made_by(Config(), kind="evaluation", seed=3, task="A", parents=[replayed.resolve()])
    write_json(Path("runs/evaluation/metrics.json"), {"rate": 1.0, "made_by": record})
    return tmp_path


def leaves(path: str, value: object) -> set[str]:
    """Dotted names of all settings under `path`."""
    if not isinstance(value, dict):
        return {path}
    return {name for key, inner in value.items() for name in leaves(f"{path}.{key}", inner)}


def test_every_setting_that_changes_a_result_is_in_the_record_of_some_artifact():
    recorded = {name for kind in SETTINGS for name in relevant_settings(Config(), kind)}
    sections = {name: values for name, values in Config().model_dump().items() if isinstance(values, dict)}
    every = {name for section, values in sections.items() for name in leaves(section, values)}
    by_parents = {
        "rollout.reversed_rollouts",
        "rollout.hindsight_targets",
        "study.demonstrations",
    }  # show in what a merged dataset was made from
    bookkeeping = {"train.save_every", "train.memory_gb", *(f"wandb.{key}" for key in sections["wandb"])}
    decisions = {f"stopping.{key}" for key in sections["stopping"]}  # how many artifacts there are, not what is in them
    assert every - recorded == by_parents | bookkeeping | decisions
    assert "train.steps" in relevant_settings(Config(), "trained")
    assert "train.steps" not in relevant_settings(Config(), "finetuned")


def test_the_tree_names_every_generation(family):
    lines = list(draw(read_tree(Path("runs/evaluation"))))
    assert [line.split(":")[0].strip("└─ ") for line in lines] == [
        "runs/evaluation", "data/A.npz", "data/reversed_A.npz", "data/B.npz"
    ]  # fmt: skip
    assert "demonstrations of Task B, seed 0" in lines[-1]


def test_a_current_artifact_is_not_stale(family):
    assert stale(read_tree(Path("runs/evaluation")), Config()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 1}, ["data/B.npz: seed was 0, the configuration says 1"]),
        ({"demos": {"num_envs": 7}}, ["data/B.npz: demos.num_envs was 40, the configuration says 7"]),
        ({"evaluation": {"videos": 7}}, ["runs/evaluation: evaluation.videos was 2, the configuration says 7"]),
        ({"train": {"steps": 7}, "wandb": {"enabled": True}}, []),
    ],
)
def test_a_changed_setting_makes_stale_what_depends_on_it(family, change, told):
    assert stale(read_tree(Path("runs/evaluation")), make_config(change)) == told


def test_a_parent_that_changed_or_is_gone_is_named(family):
    Path("data/B.npz").unlink()
    Path("data/A.npz").unlink()
    write(Path("data/A.npz"), "replayed", "A", ["data/reversed_A.npz"], episodes=(2,))
    reasons = stale(read_tree(Path("runs/evaluation")), Config())
    assert reasons == ["data/A.npz has changed since", "data/B.npz is gone"]


def test_what_another_run_made_need_not_have_this_ones_settings(family):
    """The teacher of corrections, for example; its contents count."""
    config = make_config({"demos": {"num_envs": 7}, "teacher": {"run": "other"}})
    taught = made_by(
        config, kind="corrections", seed=0, task="A", of_other_runs=["data/A.npz"], policy={"n_action_steps": 12}
    )
    write_json(Path("runs/corrections/metrics.json"), {"made_by": taught})
    selection = Selection(config=config, root=family)
    assert selection.why_outdated(read_record(Path("runs/corrections"))) is None
    assert stale(read_tree(Path("runs/corrections")), config) == []
    assert selection.why_outdated(read_record(Path("data/A.npz")))  # of which this run would say otherwise
    Path("data/A.npz").unlink()
    write(Path("data/A.npz"), "replayed", "A", ["data/reversed_A.npz"], episodes=(2,))
    assert stale(read_tree(Path("runs/corrections")), config) == ["data/A.npz has changed since"]
    other = make_config({"demos": {"num_envs": 7}, "teacher": {"run": "another"}})
    assert "teacher.run was other" in Selection(config=other, root=family).why_outdated(taught)


def test_records_hold_neither_time_nor_absolute_path(family):
    text = json.dumps(read_record(Path("runs/evaluation")))
    assert str(family) not in text and '"path": "data/A.npz"' in text
    assert made_by(Config(), kind="merged", seed=1, task="A") == made_by(Config(), kind="merged", seed=1, task="A")


def test_the_same_data_of_another_maker_have_the_same_hash(family):
    dataset = EpisodeDataset("data/B.npz")
    meta = json.dumps(dataset.meta | {"code_version": "another"})
    write_arrays("data/C.npz", {name: np.asarray(a) for name, a in dataset.arrays.items()} | {"meta": np.array(meta)})
    assert content_hash("data/C.npz") == content_hash("data/B.npz") != content_hash("data/A.npz")


def test_what_has_no_record_says_so(family):
    Path("data/nothing.json").write_text("{}")
    for path in ("data/nothing.json", "data/absent", "data"):
        with pytest.raises(DataError, match="says nothing of what made it"):
            read_record(Path(path))


def test_the_command_prints_the_tree_and_tells_stale_by_its_status(family):
    (family / "config").mkdir()
    Path("config/config.yaml").write_text("demos: {num_envs: 40}\n")
    Path("config/other.yaml").write_text("demos: {dwell_steps: [8, 8]}\n")

    def lineage(*arguments):
        command = [sys.executable, ROOT / "workflow/scripts/lineage.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    current = lineage("data/A.npz")
    assert (current.returncode, current.stdout.splitlines()[-1]) == (0, "not stale"), current.stderr
    changed = lineage("data/A.npz", "--configfile", "config/other.yaml")
    assert changed.returncode == 3 and "demos.dwell_steps was" in changed.stdout
    assert lineage("data").returncode == 1
    Path("config/seeds.yaml").write_text("name: s\nseeds: [0, 1]\n")
    for seed, status in ((1, 0), (2, 3)):
        path = write(Path(f"data/B_s-seed1_{seed}.npz"), "demonstrations", "B", seed=seed)
        assert lineage(path, "--configfile", "config/seeds.yaml").returncode == status


def test_trainings_recorded_under_former_names_are_not_stale():
    settings = relevant_settings(Config(), "trained")
    former = {"train.hand_noise": settings.pop("train.ee_noise"), "train.hand_turn_noise": 0.9}
    settings.pop("train.ee_turn_noise")
    (difference,) = differing_settings({"kind": "trained", "settings": settings | former}, Config())
    assert "train.ee_turn_noise was 0.9" in difference


def test_records_with_former_names_of_settings_are_not_stale(family):
    """Metrics from before policies had types name the settings of diffusion as those of all policies."""
    path = Path("runs/evaluation/metrics.json")
    record = json.loads(path.read_text())["made_by"]
    settings = {name: value for name, value in record["settings"].items() if not name.startswith("policy.")}
    settings |= {"policy.horizon": 16, "policy.down_dims": [64, 128], "policy.num_inference_steps": 2}
    path.unlink()
    write_json(path, {"made_by": record | {"settings": settings}})
    assert stale(read_tree(path), Config()) == []
    path.unlink()
    write_json(path, {"made_by": record | {"settings": settings | {"policy.num_inference_steps": 9}}})
    (reason,) = stale(read_tree(path), Config())
    assert "policy.diffusion.num_inference_steps was 9, the configuration says 2" in reason
