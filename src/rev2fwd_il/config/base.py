"""What every section of the configuration shares: closed to unknown keys, frozen, and a few bounded types."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Range = Annotated[tuple[float, float], Field(description="[lower, upper]")]
EPISODE_LENGTH = {"horizon": "max_episode_steps"}  # its former name; a policy has a horizon of its own
EE_NOISE = {"hand_noise": "ee_noise", "hand_turn_noise": "ee_turn_noise"}  # former names


class Section(BaseModel):
    """A section; settings that had other names in former versions are accepted under these, and then prevail."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
    former_names: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _take_former_names(cls, values: Any):
        if not isinstance(values, dict) or not cls.former_names.keys() & values.keys():
            return values
        present = {name: value for name, value in values.items() if name not in cls.former_names}
        return present | {cls.former_names[name]: values[name] for name in values if name in cls.former_names}
