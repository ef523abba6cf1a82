"""The typed configuration of a whole run.

The workflow hands each script only what differs from the defaults as `--set section.key=value`, so that a command line
shows what is special about a run and a rule depends on nothing else.
"""

import functools
import json
import logging
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from rev2fwd_il.config.base import Section, Seed
from rev2fwd_il.config.policy import PolicyConfig
from rev2fwd_il.config.sections import (
    DemosConfig,
    EvaluationConfig,
    PlantConfig,
    ReversalConfig,
    RolloutConfig,
    SimConfig,
    StoppingConfig,
    TeacherConfig,
    TrainConfig,
    ViewsConfig,
    WandbConfig,
)
from rev2fwd_il.config.study import StudyConfig
from rev2fwd_il.config.task import DEFAULT_KIND, TaskSettings, read_task_settings, task_class
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.keys import TASK_A, TASKS

Arm = Literal["with_rollouts", "no_rollouts", "forward_demos", "teacher"]
OLD_ARM_NAMES = {"dagger": "with_rollouts"}  # no expert relabels the rollouts, so it was never DAgger

log = logging.getLogger(__name__)


def evaluated_in(arm: str, iterations: int) -> tuple[tuple[str, ...], range]:
    """Tasks and iterations of an arm's evaluations in a run to `iterations`. Arms share the method's iteration 0."""
    if arm == "forward_demos":
        return (TASK_A,), range(1)
    return TASKS, range(0 if arm == "with_rollouts" else 1, iterations + 1)


@functools.cache
def _note_old_arm(old: str) -> None:
    """Say once in a process that an arm has another name now."""
    log.warning("note: the arm `%s` is called `%s` now; the old name still works", old, OLD_ARM_NAMES[old])


class Config(Section):
    """A whole run."""

    name: str = Field("circle", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", description="experiment; part of every path")
    seed: Seed = Field(0, description="every random number of the run derives from it")
    seeds: tuple[Seed, ...] = Field((), description="several runs, NAME-seed<n> each, and a summary over them")
    iterations: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        1, description="test-collect-finetune iterations N; auto: until `stopping` says that another one gains nothing"
    )
    arms: tuple[Arm, ...] = Field(
        ("with_rollouts",),
        description="with_rollouts: the method; no_rollouts: as many steps on the demonstrations alone; forward_demos: "
        "task A demonstrated forward, iteration 0 only; teacher: another run's policies take over, see `teacher`. "
        "All share demonstrations and first policies",
    )
    study: StudyConfig = StudyConfig()
    task: SerializeAsAny[TaskSettings] = Field(default_factory=lambda: read_task_settings({}))
    sim: SimConfig = SimConfig()
    plant: PlantConfig = PlantConfig()
    demos: DemosConfig = DemosConfig()
    reversal: ReversalConfig = ReversalConfig()
    views: ViewsConfig = ViewsConfig()
    policy: PolicyConfig = PolicyConfig()
    train: TrainConfig = TrainConfig()
    rollout: RolloutConfig = RolloutConfig()
    teacher: TeacherConfig = TeacherConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    stopping: StoppingConfig = StoppingConfig()
    wandb: WandbConfig = WandbConfig()

    def with_leaves(self, values: dict) -> "Config":
        """This configuration with some `section.key` changed; raises ConfigError where a value is not allowed."""
        plain = self.model_dump(mode="json")
        for name, value in values.items():
            section, _, leaf = name.partition(".")
            plain[section][leaf] = value
        return make_config(plain)

    @property
    def renders_rollouts(self) -> bool:
        """Whether rollouts, recorded without images, are shown to policies that see as demonstrations are: as views."""
        return self.policy.images and self.views.are_asked_for and not self.rollout.images

    @field_validator("iterations", mode="wrap")
    @classmethod
    def _a_number_or_auto(cls, value, check):
        try:
            return check(value)
        except ValidationError:
            raise ValueError("must be a number from 0 on, or auto") from None

    @field_validator("arms", mode="before")
    @classmethod
    def _accept_old_arm_names(cls, arms):
        if not isinstance(arms, list | tuple):
            return arms
        for old in OLD_ARM_NAMES.keys() & {arm for arm in arms if isinstance(arm, str)}:
            _note_old_arm(old)
        return tuple(OLD_ARM_NAMES.get(arm, arm) if isinstance(arm, str) else arm for arm in arms)

    @field_validator("arms")
    @classmethod
    def _arms_share_the_method(cls, arms):
        if "with_rollouts" not in arms or len(set(arms)) != len(arms):
            raise ValueError("arms must name with_rollouts, with which the others are compared, and each arm once")
        return arms

    @field_validator("seeds")
    @classmethod
    def _each_seed_once(cls, seeds):
        if len(set(seeds)) != len(seeds):
            raise ValueError("each seed once: the same seed gives the same run")
        return seeds

    @model_validator(mode="after")
    def _views_are_for_policies_that_see(self):
        if self.views.turned and not self.policy.images:
            raise ValueError("views.turned needs policy.images: true; other policies have train.scene_turn")
        if self.views.copies and (not self.policy.images or self.policy.n_obs_steps != 1):
            raise ValueError(
                "views.copies needs policy.images: true and policy.n_obs_steps: 1, each frame of a copy being moved "
                "by itself"
            )
        return self

    @model_validator(mode="after")
    def _images_cannot_be_moved(self):
        if self.train.moves_scenes and self.policy.images:
            raise ValueError(
                "train.scene_shift, scene_turn and scene_mirror with policy.images: true: images would still show the "
                "scene in its place; policies that see have views.turned"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_name_seeds(self):
        if self.seeds and self.seed != Config.model_fields["seed"].default:
            raise ValueError(f"both seed: {self.seed} and seeds: {list(self.seeds)}; name it among the seeds")
        return self

    @model_validator(mode="after")
    def _a_study_compares_the_same_iterations(self):
        if self.study.is_asked_for and self.iterations == "auto":
            raise ValueError("iterations: auto ends each run at another iteration; a study needs their number")
        return self

    @field_validator("task", mode="before")
    @classmethod
    def _task_of_its_kind(cls, value):
        return read_task_settings(value) if isinstance(value, dict) else value

    def overrides(self, *names: str) -> list[str]:
        """`section.key=json` for each leaf that differs from the default: what `--set` takes.

        A name is a section (`task`) or one of its leaves (`policy.images`).
        """
        out = []
        for name in names:
            section, _, leaf = name.partition(".")
            mine, theirs = self._with_defaults(section)
            for key in [leaf] if leaf else mine:
                out += _differing(f"{section}.{key}", mine[key], theirs[key])
        return out

    def _with_defaults(self, section: str) -> tuple[dict, dict]:
        """The values of a section and their defaults: a task's are those of its kind."""
        mine = getattr(self, section)
        return mine.model_dump(mode="json"), _defaults(type(mine))


@functools.cache
def _defaults(section: type[Section]) -> dict:
    """Plain defaults of a section; made once, since a task's are checked against its region, which takes a while."""
    default = section(kind=DEFAULT_KIND) if issubclass(section, TaskSettings) else section()
    return default.model_dump(mode="json")


def _differing(path: str, mine: Any, theirs: Any) -> list[str]:
    """`path=json` for each leaf under `path` that differs."""
    if isinstance(mine, dict) and isinstance(theirs, dict) and theirs.keys() <= mine.keys():
        return [line for key in mine for line in _differing(f"{path}.{key}", mine[key], theirs.get(key))]
    return [f"{path}={json.dumps(mine, separators=(',', ':'))}"] if mine != theirs else []


def _explain(error: ValidationError, source: str, values: dict, section: tuple[str, ...] = ()) -> ConfigError:
    lines = []
    for problem in error.errors():
        where = (*section, *problem["loc"])
        key = ".".join(str(part) for part in where) or "(file)"
        message, value = problem["msg"], problem["input"]
        if problem["type"] == "extra_forbidden":
            message = f"unknown key; allowed here: {', '.join(_siblings(where, values))}"
        several = isinstance(value, dict) and problem["type"] == "value_error"  # keys that do not fit each other
        shown = "" if several else f" = {value!r}"
        lines.append(f"  {key}{shown}: {message.removeprefix('Value error, ')}")
    return ConfigError(f"{source}: the configuration does not hold\n" + "\n".join(lines), do="fix the keys above")


def _siblings(location: tuple, values: dict) -> list[str]:
    """Keys that are allowed beside the last one of `location`."""
    model: Any = Config
    for part in location[:-1]:
        if part == "task":
            model = task_class(values[part].get("kind", DEFAULT_KIND)).Settings
        else:
            model = model.model_fields[part].annotation
    return sorted(model.model_fields)


def make_config(values: dict, source: str = "configuration") -> Config:
    """Check plain values and build a Config; raises ConfigError naming key, value and what is allowed."""
    task = values.get("task")
    try:
        if isinstance(task, dict):
            read_task_settings(task)  # on its own, so that its errors name their keys
    except ValidationError as error:
        raise _explain(error, source, values, ("task",)) from None
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise _explain(error, source, values) from None
