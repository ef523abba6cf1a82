"""What a robot is to the cell: its asset, joints, fingers, hand frame and reach."""

from dataclasses import dataclass
from pathlib import Path

ASSETS = Path(__file__).parents[3] / "assets"


@dataclass(frozen=True)
class Robot:
    """An arm with a parallel gripper, fixed to the origin."""

    usd: Path | None  # None: the asset of Isaac Lab's that `isaaclab_asset` names
    arm_joints: tuple[str, ...]  # names, in order from the base
    finger_joints: str  # regular expression
    hand_body: str
    home_joints_rad: tuple[float, ...]
    finger_open_m: float  # each of two fingers
    arm_effort_nm: float
    tool_offset_m: tuple[float, float, float]  # tool centre point between the pads, in the hand frame
    tool_offset_xyzw: tuple[float, float, float, float]  # its frame points up while the gripper points down
    reach_m: float  # of the tool centre point from the base; farther than this is another unit or another frame
    isaaclab_asset: str | None = None

    @property
    def max_width_m(self) -> float:
        """Opening between the pads."""
        return 2 * self.finger_open_m
