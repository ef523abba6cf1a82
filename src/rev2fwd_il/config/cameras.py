"""Where the cameras of policies are and how much they see, and the pinhole calibration that follows from it."""

import math
from typing import Annotated

from pydantic import Field, model_validator

from rev2fwd_il.config.base import Section

FieldOfView = Annotated[float, Field(gt=1, lt=150)]
Point = tuple[float, float, float]


class TableCameraConfig(Section):
    """The camera over the table, upright. By default the region of starts and targets spans its image's width."""

    position: Point = Field((1.03, 0.0, 1.13), description="in the robot-base frame [m]")
    look_at: Point = Field((0.49, 0.0, 0.0), description="point in the middle of the image [m]")
    fov_deg: FieldOfView = Field(27.0, description="horizontal field of view")

    @model_validator(mode="after")
    def _looks_somewhere(self):
        if self.position[:2] == self.look_at[:2]:
            raise ValueError("look_at must differ from position in x or y: the image would have no upright")
        return self


class WristCameraConfig(Section):
    """The camera on the hand, over its back, tilted towards the fingertips."""

    position: Point = Field((0.07, 0.0, 0.02), description="in the hand's frame, whose z points along the fingers [m]")
    tilt_deg: float = Field(32.0, ge=-90, le=90, description="of the view, from along the fingers towards their tips")
    fov_deg: FieldOfView = Field(73.62, description="horizontal field of view")


class AppearanceConfig(Section):
    """How much the look of an environment varies: drawn anew whenever it is reset, from the simulation's seed."""

    light: float = Field(0.0, ge=0, lt=1, description="brightness: factor between 1 - light and 1 + light")
    colour: float = Field(0.0, ge=0, le=0.5, description="each channel of each surface's colour: up to this much, of 1")
    texture: float = Field(
        0.0, ge=0, lt=1, description="a pattern on the table: each channel down to 1 - texture of it"
    )
    camera_position: float = Field(0.0, ge=0, description="the table camera, in each direction: up to this much [m]")
    camera_angle_deg: float = Field(0.0, ge=0, description="and turned about each of its axes by up to this much")

    @property
    def varies(self) -> bool:
        return any(self.model_dump().values())


def intrinsics(width_px: int, height_px: int, fov_deg: float) -> list[list[float]]:
    """3 x 3 pinhole matrix [px], square pixels; the first pixel's centre lies at (0.5, 0.5)."""
    focal = width_px / 2 / math.tan(math.radians(fov_deg) / 2)
    return [[focal, 0.0, width_px / 2], [0.0, focal, height_px / 2], [0.0, 0.0, 1.0]]
