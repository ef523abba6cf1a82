"""The configuration files, and what a bad one is told."""

import re
from pathlib import Path

import pytest
import yaml

from rev2fwd_il.config.expansion import expand
from rev2fwd_il.config.reading import config_from_overrides, load_config, load_configs
from rev2fwd_il.config.resources import conversion_mb, simulation_mb, training_mb
from rev2fwd_il.config.run import Config, make_config
from rev2fwd_il.errors import ConfigError

ROOT = Path(__file__).parents[2]
VIEWS = ["policy.images=true", "policy.n_obs_steps=1", "demos.images=false", "views.copies=1"]


def leaves(values: dict, path: str = "") -> set[str]:
    """Dotted paths of all leaves."""
    found = set()
    for key, value in values.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {path + key}
    return found


def test_config_yaml_spells_out_every_default():
    path = ROOT / "config/config.yaml"
    assert load_config(path) == Config(), "config/config.yaml and src/rev2fwd_il/config disagree: fix either"
    assert leaves(yaml.safe_load(path.read_text())) == leaves(Config().model_dump())


@pytest.mark.parametrize("name", ["smoke", "few", "gpu", "images", "stack", "insert", "push", "study", "study_full"])
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
    assert config.overrides("policy.diffusion", "policy.images") == [
        "policy.diffusion.down_dims=[32,64]", "policy.diffusion.num_inference_steps=4"
    ]  # fmt: skip


def test_settings_of_policies_keep_their_former_names():
    """Configurations and records from before policies had types, and the specification's flags, name them so."""
    former = [
        "rollout.horizon=7",
        "task.horizon=9",
        "policy.horizon=32",
        "policy.down_dims=[16,32]",
        "policy.num_train_timesteps=50",
    ]
    policy = config_from_overrides([*former, "policy.prediction_horizon=8"]).policy
    assert (policy.prediction_horizon, policy.diffusion.down_dims, policy.diffusion.num_train_timesteps) == (
        32, (16, 32), 50
    )  # fmt: skip
    assert policy.diffusion.kernel_size == Config().policy.diffusion.kernel_size


def test_the_longest_episode_keeps_its_former_name():
    config = config_from_overrides(["task.horizon=9", "rollout.horizon=7", "evaluation.horizon=5"])
    assert [config.task.max_episode_steps, config.rollout.max_episode_steps] == [9, 7]
    assert config.evaluation.max_episode_steps == 5


def test_the_noise_on_end_effectors_keeps_its_former_names():
    train = config_from_overrides(["train.hand_noise=0.001", "train.hand_turn_noise=0.02"]).train
    assert (train.ee_noise, train.ee_turn_noise) == (0.001, 0.02)


def test_what_follows_a_failure_keeps_its_former_switch(planner):
    switched = config_from_overrides(["rollout.continue_after_failure=true"])
    assert switched == config_from_overrides(["rollout.after_failure=reset"])
    assert config_from_overrides(["rollout.continue_after_failure=false"]) == Config()
    with pytest.raises(ConfigError, match="contradicts after_failure: recover"):
        config_from_overrides(["rollout.continue_after_failure=true", "rollout.after_failure=recover"])
    old, new = (
        planner("-n", "-p", config=(f"rollout={{{how}}}",)).stdout
        for how in ("continue_after_failure: true", "after_failure: reset")
    )
    assert "rollout.after_failure=" in new and re.findall("6_test.*", old) == re.findall("6_test.*", new)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["policy.horizon=18"], r"prediction_horizon \(--horizon\) is 18 and must be a multiple of 4"),
        (["policy.diffusion.down_dims=[8,8,8,8,8]"], "must be a multiple of 32"),
        (["policy.type=act"], "act observes one frame: n_obs_steps must be 1, not 2"),
        (["policy.act.bogus=1"], "policy.act.bogus = 1: unknown key; allowed here: dim_feedforward, dim_model"),
        (["policy.vqbet.n_vqvae_training_steps=1"], "policy.vqbet = .*unknown key"),
        (["policy.type=Diffusion"], "policy.type = 'Diffusion'"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_when_the_configuration_is_read(settings, told):
    with pytest.raises(ConfigError, match=told):
        config_from_overrides(settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["task.kind=os:path"], "task.kind = 'os:path': no such task"),
        (["task.kind=3"], "task.kind = 3: no such task"),
        (["task.kind=json:JSONDecoder"], "not a class of a task"),
        (["seed=1", "seed.x=3"], "seed was set to 1 before"),
        (["views.turned=3"], "views.turned needs policy.images: true"),
        (["train.scene_mirror=true", "policy.images=true"], "images would still show the scene in its place"),
        (["train.scene_turn=4"], "train.scene_turn = 4: .*less than or equal to 3.14"),
        (["plant.posture_rate=1", "plant.feed_forward=false"], "posture_rate needs feed_forward: true"),
        (["task.min_goal_distance=0.3"], r"  task: min_goal_distance 0.3 leaves 0.0 % of the region"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(settings, told):
    with pytest.raises(ConfigError, match=told):
        config_from_overrides(settings)


def test_an_uneven_prediction_horizon_is_fine_for_a_policy_that_does_not_halve_it():
    assert config_from_overrides(["policy.type=act", "policy.n_obs_steps=1", "policy.horizon=18"])


def test_any_type_takes_settings_of_its_own():
    config = config_from_overrides(["policy.type=vqbet", "policy.vqbet.n_vqvae_training_steps=1"])
    assert config.policy.settings == {"n_vqvae_training_steps": 1}
    assert config_from_overrides(config.overrides("policy")) == config


def test_files_are_laid_over_each_other_to_the_last_leaf(tmp_path):
    (tmp_path / "mine.yaml").write_text("policy: {diffusion: {kernel_size: 3}}")
    config = load_configs([ROOT / "config/config.yaml", ROOT / "config/smoke.yaml", tmp_path / "mine.yaml"])
    assert (config.policy.diffusion.kernel_size, config.policy.diffusion.down_dims) == (3, (32, 64))


def test_memory_follows_the_data_up_to_what_training_may_take():
    gpu = load_configs([ROOT / "config/config.yaml", ROOT / "config/gpu.yaml"])
    demonstrations = 500 * 400 * 2 * 128 * 128 * 3 / 1e6  # [MB]
    assert training_mb(gpu) > 10_000 and training_mb(gpu) > demonstrations
    assert training_mb(gpu, 10) - training_mb(gpu, 9) < 10_000  # no more images are kept, vectors are
    assert training_mb(Config()) < 6000
    assert (
        simulation_mb(gpu, 128, 400, True) - simulation_mb(gpu, 128, 400, False)
        == 128 * 400 * 2 * 128 * 128 * 3 // 10**6
    )
    assert conversion_mb(Config()) < conversion_mb(gpu)


def test_the_old_name_of_an_arm_is_accepted_with_one_note(planner):
    config = make_config({"arms": ["dagger", "no_rollouts"]})
    assert config == make_config({"arms": ["with_rollouts", "no_rollouts"]})
    with pytest.raises(ConfigError, match="each arm once"):
        make_config({"arms": ["dagger", "with_rollouts"]})
    old, new = (planner("-n", config=(f"arms=[{arm}, no_rollouts]",)) for arm in ("dagger", "with_rollouts"))
    assert old.returncode == new.returncode == 0
    assert old.stdout.count("the arm `dagger` is called `with_rollouts` now") == 1
    assert "is called" not in new.stdout
    jobs = [planner.plan(config=(f"arms=[{arm}, no_rollouts]",)) for arm in ("dagger", "with_rollouts")]
    assert jobs[0] == jobs[1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("bogus=3", "bogus = 3: unknown key; allowed here: arms, demos, evaluation"),
        ("rollout={maxcycles: 3}", "rollout.maxcycles = '3': unknown key; allowed here: after_failure"),
        ("iterations=-1", "iterations = -1: must be a number from 0 on, or auto"),
        ("iterations=many", "iterations = 'many': must be a number from 0 on, or auto"),
        ("task={goal_xy: [0.5]}", "task.goal_xy.1"),
        ("train=", "train = None"),
        ("arms=[no_rollouts]", "arms = ['no_rollouts']: arms must name with_rollouts"),
    ],
)
def test_a_bad_setting_stops_before_the_plan_with_one_message(planner, change, told):
    result = planner("-n", config=(change,))
    assert result.returncode != 0
    assert told in result.stdout
    assert "Traceback" not in result.stdout and "Building DAG" not in result.stdout


def test_each_seed_makes_the_run_that_it_would_be_alone():
    assert expand(Config()) == {"circle": Config()}
    runs = expand(config_from_overrides(["name=eight", "seeds=[3,0]", "iterations=2"]))
    assert [*runs] == ["eight-seed3", "eight-seed0"]
    assert runs["eight-seed3"] == config_from_overrides(["name=eight-seed3", "seed=3", "iterations=2"])


def test_a_studys_tasks_are_those_of_their_files():
    """Levels repeat config/stack.yaml and config/insert.yaml, but for what the whole study decides."""
    runs = expand(load_configs([ROOT / "config/config.yaml", ROOT / "config/study_full.yaml"]))
    for kind in ("stack", "insert"):
        run, alone = (
            runs[f"paper-{kind}-seed0"], load_configs([ROOT / "config/config.yaml", ROOT / f"config/{kind}.yaml"])
        )  # fmt: skip
        assert run.model_copy(update={name: getattr(alone, name) for name in ("name", "iterations", "arms")}) == alone


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["seeds=[1,1]"], "each seed once"),
        (["seed=4", "seeds=[1,2]"], "both seed: 4 and seeds"),
        (["seeds=[-1]"], "greater than or equal to 0"),
    ],
)
def test_seeds_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config_from_overrides(changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["policy.images=true"], "images of the rollouts it is finetuned on"),
        (["policy.images=true", "rollout.images=true", "demos.images=false"], "images of the demonstrations"),
        ([*VIEWS, "rollout.include_failures=true"], "views are of successes"),
        ([*VIEWS, "rollout.images=true", "rollout.hindsight_targets=true"], "targets that images in the rollouts"),
        (["sim.device=cuda:1"], "sim.device: cuda:1 cannot be had"),
        (["train.device=cuda:1", "seeds=[0,1]"], "run circle-seed0: train.device"),
        (["task.kind=line_task:PlaceOnLine", "train.scene_shift=0.1"], "line_task:PlaceOnLine: does not say"),
        (["evaluation.distance_threshold=0.12"], "evaluation.distance_threshold: 0.12 cannot be the task's"),
    ],
)
def test_what_would_fail_after_hours_is_refused_before_the_plan(changes, message, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests/workflow/elsewhere")  # a task that says nothing of being moved
    config = config_from_overrides(changes)  # a script may be told these alone
    with pytest.raises(ConfigError, match=message):
        expand(config)


def test_images_are_not_asked_of_rollouts_that_are_rendered_afterwards():
    assert expand(config_from_overrides([*VIEWS, "rollout.hindsight_targets=true"]))


def test_images_are_not_asked_of_rollouts_that_nothing_is_finetuned_on():
    assert expand(config_from_overrides(["policy.images=true", "iterations=0", "train.device=cuda:0"]))
