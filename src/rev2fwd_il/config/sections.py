"""The sections of the configuration that belong to no task and no policy: every setting with its unit and its range."""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, model_validator

from rev2fwd_il.config.base import EE_NOISE, EPISODE_LENGTH, Count, Positive, Section
from rev2fwd_il.config.cameras import AppearanceConfig, TableCameraConfig, WristCameraConfig


class SimConfig(Section):
    """The simulated cell."""

    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda or cuda:N")
    physics: Literal["newton", "physx"] = Field("newton", description="physx needs Isaac Sim")
    robot: Literal["panda", "isaaclab_franka"] = Field("panda", description="isaaclab_franka downloads its USD")
    image_width: Count = Field(64, description="both cameras [px]")
    image_height: Count = Field(64, description="both cameras [px]")
    table_camera: TableCameraConfig = TableCameraConfig()
    wrist_camera: WristCameraConfig = WristCameraConfig()
    appearance: AppearanceConfig = AppearanceConfig()


class PlantConfig(Section):
    """What the arm and its contacts are like. The defaults track and hold well enough to replay reversed motions."""

    feed_forward: bool = Field(True, description="send the commanded velocity to the joint drives too")
    posture_rate: Annotated[float, Field(ge=0)] = Field(
        0.0, description="the elbow, which the hand's pose leaves free, returns home at this rate [1/s]; 0: it drifts"
    )
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

    @model_validator(mode="after")
    def _posture_needs_feed_forward(self):
        if self.posture_rate and not self.feed_forward:
            raise ValueError("posture_rate needs feed_forward: true; without it the arm is Isaac Lab's own action term")
        return self


class DemosConfig(Section):
    """Demonstrations by the state-machine expert: of Task B, and of Task A in the arm forward_demos."""

    num_episodes: Count = Field(120, description="successful episodes to record")
    max_attempts: Count | None = Field(
        None,
        description="at most this many attempts: fewer episodes where the expert fails; null: as many as it takes",
    )
    num_envs: Count = Field(40, description="environments side by side")
    images: bool = Field(True, description="record both cameras")
    dwell_steps: tuple[Count, Count] = Field(
        (7, 7),
        description="control steps at rest before and after a gripper event; equal, or reversal is not symmetric",
    )
    pose_noise: Annotated[float, Field(ge=0, le=0.02)] = Field(
        0.0,
        description="the expert is told the object's x and y wrong by up to this much either way, drawn anew for each "
        "attempt and constant within it [m]",
    )
    target_noise: Annotated[float, Field(ge=0, le=0.02)] = Field(
        0.0, description="and the target's, by an error of its own: the socket, say, where it is seen and not known [m]"
    )
    command_noise: Annotated[float, Field(ge=0, le=0.02)] = Field(
        0.0,
        description="standard deviation of noise on the commanded x, y and z at each control step; the recorded "
        "command is without it [m]",
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
    min_yield: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="a task of whose reversed demonstrations a smaller share succeeds on replay does not reverse"
    )
    observations: Literal["replayed", "reversed"] = Field(
        "replayed", description="train A on what the replay observed, or on the reversed observations"
    )


class ViewsConfig(Section):
    """Further views of each demonstration, rendered for policies that see: elsewhere, and from beside its path."""

    turned: Annotated[int, Field(ge=0)] = Field(
        0, description="versions of each demonstration, turned about the goal and mirrored; kept where they replay"
    )
    copies: Annotated[int, Field(ge=0)] = Field(
        0, description="of each of all these, with the end effector beside its path; with n_obs_steps: 1"
    )
    ee_noise: Annotated[float, Field(ge=0)] = Field(
        0.008, description="the end effector is moved by this much near the table, commands stay: the way back [m]"
    )
    ee_turn_noise: Annotated[float, Field(ge=0)] = Field(
        0.05, description="and turned about the vertical by this much [rad]"
    )
    num_envs: Count = Field(64, description="environments side by side, at most")

    @property
    def are_asked_for(self) -> bool:
        """Whether policies are trained on views in place of the demonstrations themselves."""
        return bool(self.turned or self.copies)


class TrainConfig(Section):
    """Optimisation, at iteration 0 and in every finetune."""

    former_names: ClassVar = EE_NOISE

    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda or cuda:N")
    steps: Count = Field(4000, description="optimizer steps at iteration 0")
    finetune_steps: Count = Field(1500, description="further optimizer steps in each iteration")
    batch_size: Count = 128
    lr: Positive = Field(1e-3, description="peak learning rate at iteration 0 (cosine with warm-up)")
    finetune_lr: Positive = Field(5e-4, description="peak learning rate of each finetune, on a fresh schedule")
    warmup_steps: Count = 100
    weight_decay: Annotated[float, Field(ge=0)] = 1e-6
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(0.995, description="of the weights; 0 switches it off")
    ee_noise: Annotated[float, Field(ge=0)] = Field(
        0.005, description="the observed end effector is shifted by this much near the table, commands stay [m]"
    )
    ee_turn_noise: Annotated[float, Field(ge=0)] = Field(
        0.05, description="and turned about the vertical by this much [rad]"
    )
    scene_shift: Annotated[float, Field(ge=0)] = Field(
        0.0, description="all of a window, commands too, is shifted over the table by up to this much in x and y [m]"
    )
    scene_turn: Annotated[float, Field(ge=0, le=math.pi)] = Field(
        0.0, description="and turned about the vertical by up to this much, either way [rad]"
    )
    scene_mirror: bool = Field(False, description="and half of them, at random, mirrored: left and right exchanged")
    transfer: bool = Field(
        False, description="Task A's first training starts from the weights that Task B's ended with: they see alike"
    )
    noises_per_observation: Count = Field(
        1, description="noises and diffusion times drawn for each encoded observation; diffusion only"
    )
    auxiliary_weight: Annotated[float, Field(ge=0)] = Field(
        0.0, description="of the loss of a head that reads object and target poses off image features, then is dropped"
    )
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32", description="of image encoders; auto: bfloat16 where the processor multiplies it, else float32"
    )
    save_every: Count = Field(500, description="steps between resumable snapshots")
    memory_gb: Positive = Field(
        8.0, description="images that take more than this are read from a file while training; same result [GB]"
    )
    num_processes: Count = Field(1, description="torchrun processes (GPUs) a training uses")

    @property
    def moves_scenes(self) -> bool:
        """Whether any of the three settings of scenes is on."""
        return bool(self.scene_shift or self.scene_turn or self.scene_mirror)


AfterFailure = Literal["stop", "reset", "recover"]
AFTER_FAILURE = (
    "of a chain. stop: it ends, the strict test; reset: the environment is reset and the other task follows; recover: "
    "nothing is reset, and what can begin from where the object lies follows"
)
MAX_RETRIES = "recover: so many more failures of a task in a row, then the environment is reset: an intervention"


class RolloutConfig(Section):
    """The alternating test of each iteration, and what is kept of it."""

    former_names: ClassVar = EPISODE_LENGTH

    num_envs: Count = Field(32, description="chains side by side")
    num_processes: Count = Field(1, description="processes that share them, where cores are idle")
    max_cycles: Count = Field(4, description="A->B cycles a chain may run")
    max_episode_steps: Count = Field(240, description="control steps an attempt may take")
    images: bool = Field(
        False,
        description="record both cameras; if not, policies that see learn from rollouts rendered as `views` are",
    )
    after_failure: AfterFailure = Field("stop", description=AFTER_FAILURE)
    max_retries: Annotated[int, Field(ge=0)] = Field(4, description=MAX_RETRIES)
    move_away: bool = Field(
        False,
        description="after each attempt the hand moves to where demonstrations end, above the object or elsewhere",
    )
    include_failures: bool = Field(False, description="train on failed attempts too")
    reversed_rollouts: bool | Literal["A", "B"] = Field(
        False, description="add replay-proven reversals of the other task's rollouts: to both tasks, or to A or B alone"
    )
    hindsight_targets: bool = Field(
        False, description="train B on the targets where its rollouts put the object down, also where these were others"
    )
    max_slowness: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="rollouts longer than this times the longest demonstration are not trained on; 0: they are",
    )
    max_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="upper bound of the share of rollout frames in a batch; below it, shares follow frame counts"
    )

    def takes_reversed(self, task: str) -> bool:
        """Whether reversed rollouts are added to the data of this task, A or B."""
        return self.reversed_rollouts in (True, task)

    @model_validator(mode="before")
    @classmethod
    def _take_former_switch(cls, values: Any) -> Any:
        """`continue_after_failure: true`, the former name of `after_failure: reset`."""
        if not isinstance(values, dict) or "continue_after_failure" not in values:
            return values
        present = {name: value for name, value in values.items() if name != "continue_after_failure"}
        former = "reset" if TypeAdapter(bool).validate_python(values["continue_after_failure"]) else "stop"
        if (mine := present.get("after_failure", "stop")) not in ("stop", former):
            raise ValueError(f"continue_after_failure, now after_failure: {former}, contradicts after_failure: {mine}")
        return present | {"after_failure": former}


class TeacherConfig(Section):
    """The arm `teacher`: policies of another run take over from this one's, and what they do is trained on (DAgger)."""

    run: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9-]*)?$", description="whose policies, in this folder, teach")
    iteration: Annotated[int, Field(ge=0)] = Field(1, description="of that run: the policies after it")
    attempts: Count = Field(256, description="attempts of the policy, for each task and iteration")


class EvaluationConfig(Section):
    """Independent episodes from fixed starts that every checkpoint shares."""

    former_names: ClassVar = EPISODE_LENGTH

    num_episodes: Count = Field(200, description="episodes a task")
    num_envs: Count = Field(64, description="environments side by side")
    num_processes: Count = Field(1, description="processes that share them, and the chains, where cores are idle")
    max_episode_steps: Count = Field(240, description="control steps an attempt may take")
    distance_threshold: Positive = Field(0.03, description="tolerance of the reported rates [m]")
    chains: Annotated[int, Field(ge=0)] = Field(
        32, description="chains of the last policies' alternating test; 0: none"
    )
    max_cycles: Count = Field(20, description="A->B cycles such a chain may run")
    after_failure: AfterFailure = Field("stop", description=AFTER_FAILURE)
    max_retries: Annotated[int, Field(ge=0)] = Field(4, description=MAX_RETRIES)
    videos: Annotated[int, Field(ge=0)] = Field(2, description="videos of successes and as many of failures")
    video_size: Annotated[int, Field(ge=64, le=2048, multiple_of=2)] = Field(
        256, description="width and height of these and of the alternating tests' videos [px]"
    )
    chain_video_size: Annotated[int, Field(ge=64, le=2048, multiple_of=2)] = Field(
        512, description="width and height of the long chains' videos, which the report opens with [px]"
    )


class StoppingConfig(Section):
    """When `iterations: auto` ends: decided on validation starts, on which no reported rate rests."""

    max_iterations: Count = Field(8, description="at most so many iterations")
    num_episodes: Count = Field(200, description="validation episodes a task")
    min_gain: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="an iteration is better if the mean rate of A and B exceeds the best before by more than this"
    )
    patience: Count = Field(1, description="the run ends after so many iterations in a row that are not better")


class WandbConfig(Section):
    """Weights & Biases."""

    enabled: bool = False
    mode: Literal["online", "offline", "disabled"] = "offline"
    project: str = "rev2fwd-il"
