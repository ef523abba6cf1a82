"""The Franka Emika Panda: shipped in assets/, or Isaac Lab's own, which it downloads."""

from dataclasses import replace

from rev2fwd_il.robots.robot import ASSETS, Robot

PANDA = Robot(
    usd=ASSETS / "panda.usda",
    arm_joints=tuple(f"joint{i}" for i in range(1, 8)),
    finger_joints="finger_joint.*",
    hand_body="hand",
    home_joints_rad=(0.0, -0.569, 0.0, -2.81, 0.0, 3.037, 0.741),
    finger_open_m=0.04,
    arm_effort_nm=87.0,
    tool_offset_m=(0.0, 0.0, 0.1034),
    tool_offset_xyzw=(1.0, 0.0, 0.0, 0.0),  # half a turn about x
    reach_m=1.4,  # stretched upwards: 0.333 m to the shoulder, 0.855 m to the wrist, 0.21 m to the tool centre point
)
ISAACLAB_FRANKA = replace(
    PANDA,
    usd=None,
    isaaclab_asset="FRANKA_PANDA_CFG",
    arm_joints=tuple(f"panda_joint{i}" for i in range(1, 8)),
    finger_joints="panda_finger_joint.*",
    hand_body="panda_hand",
)
