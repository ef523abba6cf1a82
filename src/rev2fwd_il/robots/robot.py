"""What a robot is to the cell: its asset, joints, fingers, hand frame and reach."""

from dataclasses import dataclass
from pathlib import Path

ASSETS = Path(__file__).parents[3] / "assets"


@dataclass(frozen=True)
class Robot:
    """An arm with a parallel gripper, fixed to the origin. Joint names are regular expressions of Isaac Lab's."""

    usd: Path | None  # None: the asset of Isaac Lab's that `isaaclab_asset` names
    arm_joints: str
    finger_joints: str
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

    def arm_joint_names(self) -> list[str]:
        """Each arm joint by name, in order."""
        return [self.arm_joints.replace("[1-7]", str(i + 1)) for i in range(len(self.home_joints_rad))]
