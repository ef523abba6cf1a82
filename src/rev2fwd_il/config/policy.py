"""Which policy is trained: LeRobot's policy type, what all types share, and the settings of each type."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rev2fwd_il.config.base import Count, Section

DIFFUSION, ACT = "diffusion", "act"


class DiffusionSettings(Section):
    """LeRobot's DiffusionConfig, as far as it is ours to choose."""

    down_dims: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        (64, 128), description="channels of the U-Net's levels"
    )
    kernel_size: Count = 5
    diffusion_step_embed_dim: Count = 64
    num_train_timesteps: Count = 100
    num_inference_steps: Count = Field(2, description="DDIM steps at inference")
    noise_scheduler_type: Literal["DDPM", "DDIM"] = "DDIM"
    use_separate_rgb_encoder_per_camera: bool = Field(True, description="or one for both: an eighth less time a step")
    prediction_type: Literal["epsilon", "sample"] = Field(
        "sample",
        description="the network predicts the noise, or the clean actions (far fewer steps to a usable policy)",
    )


class ActSettings(Section):
    """LeRobot's ACTConfig (action chunking transformer), as far as it is ours to choose."""

    dim_model: Count = Field(128, description="width of the transformer")
    n_heads: Count = 4
    dim_feedforward: Count = 512
    n_encoder_layers: Count = 4
    n_decoder_layers: Count = 1
    use_vae: bool = Field(True, description="train with the variational objective")
    latent_dim: Count = 32
    n_vae_encoder_layers: Count = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    kl_weight: Annotated[float, Field(ge=0)] = 10.0


# Names of settings before policies had types; they stay accepted, and prevail over the present ones.
FORMER_NAMES = {"horizon": "prediction_horizon"} | {
    name: f"diffusion.{name}" for name in DiffusionSettings.model_fields
}


class PolicyConfig(Section):
    """The policy: what it observes, how far it predicts, and which of LeRobot's policy classes it is."""

    type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        DIFFUSION, description="policy type as LeRobot registers it: diffusion, act, ..."
    )
    include_obj_pose: bool = Field(True, description="object and target poses as observation.environment_state")
    images: bool = Field(False, description="both cameras as observations")
    n_obs_steps: Count = Field(2, description="observation frames the policy sees; act: 1")
    prediction_horizon: Count = Field(
        16, description="action steps the policy predicts: LeRobot's horizon of diffusion, chunk_size of act"
    )
    n_action_steps: Count = Field(12, description="action steps executed before re-planning")
    relative_action: bool = Field(
        True, description="predict positions relative to the end effector at the last observation"
    )
    crop_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="random crop of images while training, where the policy class has one"
    )
    backbone_stages: Annotated[int, Field(ge=1, le=4)] = Field(
        4, description="residual stages of the ResNet that encodes images; fewer: a finer map, in less time; diffusion"
    )
    diffusion: DiffusionSettings = DiffusionSettings()
    act: ActSettings = ActSettings()
    others: dict[str, dict[str, Any]] = Field(
        {}, description="settings of LeRobot's other policy types by type; also written as policy.<type>"
    )

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the chosen type alone, under LeRobot's names."""
        own = {DIFFUSION: self.diffusion, ACT: self.act}.get(self.type)
        return dict(own) if own is not None else self.others.get(self.type, {})

    @model_validator(mode="before")
    @classmethod
    def _accept_other_spellings(cls, values: Any) -> Any:
        return _with_types_own(_with_present_names(values)) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _check_together(self):
        if not (self.include_obj_pose or self.images):
            raise ValueError("include_obj_pose and images are both off: the policy would not see the object")
        if self.n_action_steps > self.prediction_horizon - self.n_obs_steps + 1:
            raise ValueError("n_action_steps must be <= prediction_horizon - n_obs_steps + 1")
        if self.type == ACT and self.n_obs_steps != 1:
            raise ValueError(f"act observes one frame: n_obs_steps must be 1, not {self.n_obs_steps}")
        if self.backbone_stages < 4 and not (self.type == DIFFUSION and self.relative_action):
            raise ValueError("backbone_stages below 4 needs type diffusion and relative_action")
        factor = 2 ** len(self.diffusion.down_dims)
        if self.type == DIFFUSION and self.prediction_horizon % factor:
            raise ValueError(
                f"prediction_horizon (--horizon) is {self.prediction_horizon} and must be a multiple of {factor}: each "
                f"of the U-Net's {len(self.diffusion.down_dims)} levels (diffusion.down_dims) halves it"
            )
        return self


def _with_present_names(values: dict) -> dict:
    out = {name: value for name, value in values.items() if name not in FORMER_NAMES}
    for former, present in FORMER_NAMES.items():
        if former in values:
            section, _, leaf = present.rpartition(".")
            if not section:
                out[leaf] = values[former]
            else:
                own = out.get(section) or {}
                out[section] = (own.model_dump() if isinstance(own, Section) else own) | {leaf: values[former]}
    return out


def _with_types_own(values: dict) -> dict:
    """`<type>: {...}` of a type without a section here goes to `others`."""
    chosen = values.get("type")
    if not isinstance(chosen, str) or chosen in PolicyConfig.model_fields or not isinstance(values.get(chosen), dict):
        return values
    rest = {name: value for name, value in values.items() if name != chosen}
    return rest | {"others": (rest.get("others") or {}) | {chosen: values[chosen]}}
