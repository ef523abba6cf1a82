"""The configuration files, and what a bad one is told."""

from pathlib import Path

import pytest
import yaml

from rev2fwd_il.config import Config, config_from_overrides, load_config

ROOT = Path(__file__).parents[2]


def leaves(values: dict, path: str = "") -> set[str]:
    """Dotted paths of all leaves."""
    found = set()
    for key, value in values.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {path + key}
    return found


def test_config_yaml_spells_out_every_default():
    path = ROOT / "config/config.yaml"
    assert load_config(path) == Config(), "config/config.yaml and src/rev2fwd_il/config.py disagree: mend either"
    assert leaves(yaml.safe_load(path.read_text())) == leaves(Config().model_dump())


@pytest.mark.parametrize("name", ["smoke", "gpu"])
def test_other_configurations_hold(name):
    config = load_config(ROOT / f"config/{name}.yaml")
    assert config.name != Config().name, "its artifacts would overwrite those of config.yaml"


def test_overrides_say_all_that_differs():
    config = load_config(ROOT / "config/smoke.yaml")
    sections = [name for name, value in config if name in Config.model_fields and hasattr(value, "model_dump")]
    rebuilt = config_from_overrides(config.overrides(*sections))
    workflow = {name: getattr(config, name) for name in ("name", "iterations", "arms")}  # no script needs them
    assert rebuilt.model_copy(update=workflow) == config


def test_overrides_of_one_leaf():
    config = load_config(ROOT / "config/smoke.yaml")
    assert config.overrides("policy.down_dims", "policy.images") == ["policy.down_dims=[32,64]"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("bogus=3", "bogus = 3: unknown key; allowed here: arms, demos, evaluation"),
        ("rollout={maxcycles: 3}", "rollout.maxcycles = '3': unknown key; allowed here: continue_after_failure"),
        ("iterations=-1", "iterations = -1: Input should be greater than or equal to 0"),
        ("iterations=many", "iterations = 'many': Input should be a valid integer"),
        ("task={goal_xy: [0.5]}", "task.goal_xy.1"),
        ("train=", "train = None"),
        ("arms=[no_rollouts]", "arms = ['no_rollouts']: Value error, arms must name dagger"),
    ],
)
def test_a_bad_setting_stops_before_the_plan_with_one_message(planner, change, told):
    result = planner("-n", config=(change,))
    assert result.returncode != 0
    assert told in result.stdout
    assert "Traceback" not in result.stdout and "Building DAG" not in result.stdout
