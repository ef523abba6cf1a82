"""The typed configuration: every setting with its unit, its range and its default, closed to unknown keys.

One YAML file is one `Config`. The workflow reads it, and hands each script only what differs from the defaults as
`--set section.key=value`, so that a command line shows what is special about a run and a rule depends on nothing else.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rev2fwd_il.errors import ConfigError

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Range = Annotated[tuple[float, float], Field(description="[lower, upper]")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class TaskConfig(Section):
    """Geometry of the task, in metres in the robot-base frame, and what success means."""

    goal_xy: tuple[float, float] = Field((0.5, 0.0), description="fixed goal (green marker): end of A, start of B [m]")
    x_range: Range = Field((0.35, 0.65), description="starts of A and targets of B along x [m]")
    y_range: Range = Field((-0.25, 0.25), description="starts of A and targets of B along y [m]")
    min_goal_distance: float = Field(0.1, ge=0, description="starts and targets stay this far from the goal [m]")
    start_spread: Annotated[float, Field(ge=0)] = Field(
        0.03, description="task B starts this close to the goal, since that is where task A leaves the object [m]"
    )
    object_yaw: Annotated[float, Field(ge=0, le=0.8)] = Field(
        0.5, description="the object starts turned about the vertical by up to this much, either way [rad]"
    )
    cube_edge: Positive = Field(0.04, description="edge of the cube [m]")
    height_threshold: Positive = Field(0.15, description="the object counts as lifted from this z on [m]")
    distance_threshold: Positive = Field(0.05, description="largest xy distance from the target that counts [m]")
    hold_steps: Count = Field(6, description="control steps the object must rest, released, before success counts")
    horizon: Count = Field(400, description="control steps an attempt may take")

    @model_validator(mode="after")
    def _ordered(self):
        for name in ("x_range", "y_range"):
            lower, upper = getattr(self, name)
            if lower >= upper:
                raise ValueError(f"{name}: lower {lower} must be below upper {upper}")
        return self


class SimConfig(Section):
    """The simulated cell."""

    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda or cuda:N")
    physics: Literal["newton", "physx"] = Field("newton", description="physx needs Isaac Sim")
    robot: Literal["panda", "isaaclab_franka"] = Field("panda", description="isaaclab_franka downloads its USD")
    image_width: Count = Field(64, description="both cameras [px]")
    image_height: Count = Field(64, description="both cameras [px]")


class PlantConfig(Section):
    """What the arm and its contacts are like. The defaults track and hold well enough to replay reversed motions."""

    feed_forward: bool = Field(True, description="send the commanded velocity to the joint drives too")
    arm_stiffness: Positive = Field(2000.0, description="joint drives [N m/rad]")
    arm_damping: Positive = Field(100.0, description="joint drives [N m s/rad]")
    arm_armature: Annotated[float, Field(ge=0)] = Field(0.1, description="reflected rotor inertia [kg m2]")
    finger_stiffness: Positive = Field(500.0, description="finger drives [N/m]")
    finger_damping: Positive = Field(50.0, description="finger drives [N s/m]")
    finger_armature: Annotated[float, Field(ge=0)] = Field(
        0.1, description="reflected rotor inertia [kg]; contact stiffness grows with it: without it the pads sink in"
    )
    finger_effort: Positive = Field(40.0, description="largest force of a finger [N]")
    contact_stiffness: Positive = Field(2.0e4, description="of all shapes [N/m]")
    contact_damping: Positive = Field(400.0, description="of all shapes [N s/m]")
    friction: Positive = Field(1.5, description="of all shapes")


class DemosConfig(Section):
    """Task B demonstrations by the state-machine expert."""

    num_episodes: Count = Field(120, description="successful episodes to record")
    num_envs: Count = Field(40, description="environments side by side")
    images: bool = Field(True, description="record both cameras")
    dwell_steps: tuple[Count, Count] = Field(
        (7, 7),
        description="control steps at rest before and after a gripper event; equal, or reversal is not symmetric",
    )


class ReversalConfig(Section):
    """Time reversal B -> A and its proof by replay."""

    gripper_label: Literal["width_ahead", "reversed_command"] = Field(
        "width_ahead", description="from the measured opening ahead, or the demonstrated command read backwards (naive)"
    )
    gripper_lead_steps: Annotated[int, Field(ge=0)] = Field(
        4, description="control steps by which the gripper label leads the measured width"
    )
    replay_num_envs: Count = Field(64, description="environments side by side in the replay")
    observations: Literal["replayed", "reversed"] = Field(
        "replayed", description="train A on what the replay observed, or on the reversed observations"
    )


class PolicyConfig(Section):
    """LeRobot's DiffusionConfig, as far as it is ours to choose."""

    include_obj_pose: bool = Field(True, description="object and target poses as observation.environment_state")
    images: bool = Field(False, description="both cameras as observations")
    n_obs_steps: Count = Field(2, description="observation frames the policy sees")
    horizon: Count = Field(16, description="action steps the policy predicts")
    n_action_steps: Count = Field(12, description="action steps executed before re-planning")
    down_dims: tuple[int, ...] = Field((64, 128), description="channels of the U-Net's levels")
    kernel_size: Count = 5
    diffusion_step_embed_dim: Count = 64
    num_train_timesteps: Count = 100
    num_inference_steps: Count = Field(2, description="DDIM steps at inference")
    noise_scheduler_type: Literal["DDPM", "DDIM"] = "DDIM"
    prediction_type: Literal["epsilon", "sample"] = Field(
        "sample",
        description="the network predicts the noise, or the clean actions (far fewer steps to a usable policy)",
    )
    relative_action: bool = Field(True, description="predict positions relative to the hand at the last observation")
    crop_ratio: Annotated[float, Field(gt=0, le=1)] = Field(0.9, description="random crop of images while training")

    @model_validator(mode="after")
    def _something_to_see(self):
        if not (self.include_obj_pose or self.images):
            raise ValueError("include_obj_pose and images are both off: the policy would not see the object")
        if self.n_action_steps > self.horizon - self.n_obs_steps + 1:
            raise ValueError("n_action_steps must be <= horizon - n_obs_steps + 1")
        return self


class TrainConfig(Section):
    """Optimisation, at iteration 0 and in every finetune."""

    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda or cuda:N")
    steps: Count = Field(4000, description="optimizer steps at iteration 0")
    finetune_steps: Count = Field(1500, description="further optimizer steps in each iteration")
    batch_size: Count = 128
    lr: Positive = Field(1e-3, description="peak learning rate at iteration 0 (cosine with warm-up)")
    finetune_lr: Positive = Field(5e-4, description="peak learning rate of each finetune, on a fresh schedule")
    warmup_steps: Count = 100
    weight_decay: Annotated[float, Field(ge=0)] = 1e-6
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(0.995, description="of the weights; 0 switches it off")
    hand_noise: Annotated[float, Field(ge=0)] = Field(
        0.005, description="the observed hand is shifted by this much near the table, commands stay: the way back [m]"
    )
    hand_turn_noise: Annotated[float, Field(ge=0)] = Field(
        0.05, description="and turned about the vertical by this much [rad]"
    )
    save_every: Count = Field(500, description="steps between resumable snapshots")
    num_processes: Count = Field(1, description="torchrun processes (GPUs) a training uses")


class RolloutConfig(Section):
    """The alternating test of each iteration, and what is kept of it."""

    num_envs: Count = Field(32, description="chains side by side")
    num_processes: Count = Field(1, description="processes that share them, where cores are idle")
    max_cycles: Count = Field(4, description="A->B cycles a chain may run")
    horizon: Count = Field(240, description="control steps an attempt may take")
    images: bool = Field(False, description="record both cameras")
    continue_after_failure: bool = Field(
        False, description="reset after a failure and go on with the other task, for data; metrics still stop there"
    )
    include_failures: bool = Field(False, description="train on failed attempts too")
    reversed_rollouts: bool = Field(False, description="add replay-proven reversals of the other task's rollouts")
    max_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="upper bound of the share of rollout frames in a batch; below it, shares follow frame counts"
    )


class EvaluationConfig(Section):
    """Independent episodes from fixed starts that every checkpoint shares."""

    num_episodes: Count = Field(200, description="episodes a task")
    num_envs: Count = Field(64, description="environments side by side")
    num_processes: Count = Field(1, description="processes that share them, and the chains, where cores are idle")
    horizon: Count = Field(240, description="control steps an attempt may take")
    distance_threshold: Positive = Field(0.03, description="tolerance of the reported rates [m]")
    chains: Annotated[int, Field(ge=0)] = Field(
        32, description="chains of the last policies' alternating test; 0: none"
    )
    max_cycles: Count = Field(20, description="A->B cycles such a chain may run")
    videos: Annotated[int, Field(ge=0)] = Field(2, description="films of successes and as many of failures")


class WandbConfig(Section):
    """Weights & Biases."""

    enabled: bool = False
    mode: Literal["online", "offline", "disabled"] = "offline"
    project: str = "rev2fwd-il"


Arm = Literal["dagger", "no_rollouts", "forward_demos"]


class Config(Section):
    """A whole run."""

    name: str = Field("circle", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", description="experiment; part of every path")
    seed: Seed = Field(0, description="every random number of the run derives from it")
    iterations: Annotated[int, Field(ge=0)] = Field(1, description="test-collect-finetune iterations N")
    arms: tuple[Arm, ...] = Field(
        ("dagger",),
        description="dagger: the method; no_rollouts: as many steps on the demonstrations alone; forward_demos: task A "
        "demonstrated forward, iteration 0 only. All share demonstrations and first policies",
    )
    task: TaskConfig = TaskConfig()
    sim: SimConfig = SimConfig()
    plant: PlantConfig = PlantConfig()
    demos: DemosConfig = DemosConfig()
    reversal: ReversalConfig = ReversalConfig()
    policy: PolicyConfig = PolicyConfig()
    train: TrainConfig = TrainConfig()
    rollout: RolloutConfig = RolloutConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    wandb: WandbConfig = WandbConfig()

    def with_leaves(self, values: dict) -> "Config":
        """This configuration with some `section.key` changed; raises ConfigError where a value is not allowed."""
        plain = self.model_dump(mode="json")
        for name, value in values.items():
            section, _, leaf = name.partition(".")
            plain[section][leaf] = value
        return make_config(plain)

    @field_validator("arms")
    @classmethod
    def _arms_share_the_method(cls, arms):
        if "dagger" not in arms or len(set(arms)) != len(arms):
            raise ValueError("arms must name dagger, with which the others are compared, and each arm once")
        return arms

    def overrides(self, *names: str) -> list[str]:
        """`section.key=json` for each leaf that differs from the default: what `--set` takes.

        A name is a section (`task`) or one of its leaves (`policy.images`).
        """
        default, out = Config(), []
        for name in names:
            section, _, leaf = name.partition(".")
            mine, theirs = (
                getattr(self, section).model_dump(mode="json"),
                getattr(default, section).model_dump(mode="json"),
            )
            for key in [leaf] if leaf else mine:
                if mine[key] != theirs[key]:
                    out.append(f"{section}.{key}={json.dumps(mine[key], separators=(',', ':'))}")
        return out


def _explain(error: ValidationError, source: str) -> ConfigError:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "(file)"
        message, value = problem["msg"], problem["input"]
        if problem["type"] == "extra_forbidden":
            message = f"unknown key; allowed here: {', '.join(_siblings(problem['loc']))}"
        lines.append(f"  {key} = {value!r}: {message}")
    return ConfigError(f"{source}: the configuration does not hold\n" + "\n".join(lines), do="mend the keys above")


def _siblings(location: tuple) -> list[str]:
    model: Any = Config
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    return sorted(model.model_fields)


def make_config(values: dict, source: str = "configuration") -> Config:
    """Check plain values and build a Config; raises ConfigError naming key, value and what is allowed."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise _explain(error, source) from None


def load_config(path: str | Path) -> Config:
    """Read one YAML file."""
    return load_configs([path])


def load_configs(paths: list[str | Path]) -> Config:
    """Read YAML files, each laid over those before, as Snakemake lays --configfile over config/config.yaml."""
    values: dict = {}
    for path in paths:
        for key, value in _read_yaml(Path(path)).items():
            both = isinstance(value, dict) and isinstance(values.get(key), dict)
            values[key] = values[key] | value if both else value
    return make_config(values, ", ".join(map(str, paths)))


def _read_yaml(path: Path) -> dict:
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML", found=str(error)) from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: not a mapping of keys", expected="key: value lines", found=type(values).__name__)
    return values


def config_from_overrides(assignments: list[str]) -> Config:
    """Config from `section.key=value` strings (value: JSON, or a bare word)."""
    return with_changes(assignments)


def with_changes(assignments: list[str], **sections: dict) -> Config:
    """Config from `section.key=value` strings, and whole keys of sections that command-line flags set."""
    values: dict = {}
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set {assignment}: not an assignment", expected="section.key=value")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        node = values
        *parents, leaf = path.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    for name, changes in sections.items():
        values[name] = values.get(name, {}) | changes
    return make_config(values, "command line")
