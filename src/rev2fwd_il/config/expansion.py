"""The runs that one configuration asks for: one by itself, one for each training seed, or all runs of a study.

    expand(config)      -> {"circle": config}, or {"circle-seed0": ..., "circle-seed1": ...} with seeds: [0, 1]
    cells(config)       -> the same with the factors of each: task_kind, policy, demonstrations, seed

Every run has a name of its own, which is part of every path, and a configuration of its own without `seeds` and
`study`: it is the run that this configuration alone would be.
"""

import itertools
from dataclasses import dataclass

from rev2fwd_il.config.reading import laid_over
from rev2fwd_il.config.run import Config, make_config
from rev2fwd_il.config.study import Level, refuse_contradictions
from rev2fwd_il.config.task import task_class
from rev2fwd_il.errors import ConfigError

TASK_KIND, POLICY, DEMONSTRATIONS, SEED = FACTORS = ("task_kind", "policy", "demonstrations", "seed")


@dataclass(frozen=True)
class Cell:
    """One run of several: its name, what it differs in from the others, and its configuration."""

    name: str
    factors: dict[str, str]
    config: Config


def run_name(name: str, seed: int) -> str:
    """Name of the run of one training seed among several."""
    return f"{name}-seed{seed}"


def expand(config: Config) -> dict[str, Config]:
    """Name of each run -> its configuration, tasks first and seeds last, each in the order of the configuration."""
    return {cell.name: cell.config for cell in cells(config)}


def cells(config: Config) -> list[Cell]:
    """The runs with their factors. Raises ConfigError where they contradict each other."""
    if not config.study.is_asked_for and not config.seeds:
        _refuse_late_failures(config)
        return [Cell(config.name, {SEED: str(config.seed)}, config)]
    seeds = config.seeds or (config.seed,)
    out = [_cell(config, dict(levels), seed) for levels in itertools.product(*_factors(config)) for seed in seeds]
    _refuse_twins(out)
    for cell in out:
        _refuse_late_failures(cell.config)
    return out


def _factors(config: Config) -> list[list[tuple[str, tuple[str, str, Level]]]]:
    """For each factor that is varied, its levels: (factor, (name, part of the run's name, settings))."""
    study = config.study
    factors = {
        TASK_KIND: [(name, name, level) for name, level in study.tasks.items()],
        POLICY: [(name, name, level) for name, level in study.policies.items()],
        DEMONSTRATIONS: [(str(k), f"demos{k}", {"demos": {"num_episodes": k}}) for k in study.demonstrations],
    }
    return [[(factor, level) for level in levels] for factor, levels in factors.items() if levels]


def _cell(config: Config, levels: dict[str, tuple[str, str, Level]], seed: int) -> Cell:
    refuse_contradictions({f"{factor} {level}": settings for factor, (level, _, settings) in levels.items()})
    name = run_name("-".join([config.name, *(part for _, part, _ in levels.values())]), seed)
    values = config.model_dump(mode="json") | {"name": name, "seed": seed, "seeds": [], "study": {}}
    for _, _, settings in levels.values():
        values = laid_over(values, settings)
    factors = {factor: level for factor, (level, _, _) in levels.items()} | {SEED: str(seed)}
    return Cell(name, factors, make_config(values, f"run {name}"))


def _refuse_late_failures(config: Config) -> None:
    """What a script, which is told a part of the settings, would only find after hours."""
    if config.policy.images and not (config.demos.images or config.views.are_asked_for):
        advice = "set demos.images: true, or views.copies or views.turned"
        raise ConfigError(f"run {config.name}: policy.images needs images of the demonstrations", do=advice)
    if config.policy.images and config.iterations != 0:
        _check_images_of_rollouts(config)
    if "teacher" in config.arms:
        _check_teacher(config)
    if config.train.moves_scenes or config.views.turned:
        task_class(config.task.kind)(config.task).check_movable()
    for name in ("sim", "train"):
        device = getattr(config, name).device
        if device.startswith("cuda:") and device != "cuda:0":
            raise ConfigError(
                f"run {config.name}: {name}.device: {device} cannot be had in the workflow",
                expected="cuda: a job sees the GPU that was lent to it and no other", found=device,
                do="say cuda, and which GPUs the workflow may use by CUDA_VISIBLE_DEVICES",
            )  # fmt: skip
    tolerance = config.evaluation.distance_threshold
    try:
        config.with_leaves({"task.distance_threshold": tolerance})  # as an evaluation does
    except ConfigError as error:
        raise ConfigError(
            f"run {config.name}: evaluation.distance_threshold: {tolerance} cannot be the task's", found=error,
            do="lower it, or raise task.min_goal_distance",
        ) from None  # fmt: skip


def _check_teacher(config: Config) -> None:
    if not config.teacher.run:
        raise ConfigError(
            f"run {config.name}: the arm `teacher` needs one", do="name a finished run by teacher.run, as `circle`"
        )


def _check_images_of_rollouts(config: Config) -> None:
    if not (config.rollout.images or config.renders_rollouts):
        raise ConfigError(
            f"run {config.name}: policy.images needs images of the rollouts it is finetuned on",
            do="set rollout.images: true, or views.copies or views.turned, or iterations: 0",
        )  # fmt: skip
    if config.renders_rollouts and config.rollout.include_failures:
        raise ConfigError(
            f"run {config.name}: rollout.include_failures needs images in the rollouts; views are of successes",
            do="set rollout.images: true, or include_failures: false",
        )
    if config.rollout.images and config.rollout.hindsight_targets:
        raise ConfigError(
            f"run {config.name}: rollout.hindsight_targets names targets that images in the rollouts do not show",
            do="set rollout.images: false and views.copies, or hindsight_targets: false",
        )


def _refuse_twins(runs: list[Cell]) -> None:
    """Two runs may share neither their name nor all of their settings."""
    for what, of in (("name", lambda run: run.name), ("settings", _settings)):
        seen: dict[str, Cell] = {}
        for run in runs:
            twin = seen.setdefault(of(run), run)
            if twin is not run:
                raise ConfigError(
                    f"study: runs {twin.name} and {run.name} have the same {what}", expected="each run once",
                    found=f"{twin.factors} and {run.factors}", do="rename or drop a level",
                )  # fmt: skip


def _settings(run: Cell) -> str:
    return run.config.model_copy(update={"name": ""}).model_dump_json()
