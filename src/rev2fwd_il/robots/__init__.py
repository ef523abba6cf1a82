"""Robots by the name that `sim.robot` gives; robot.py says what a robot is."""

from rev2fwd_il.robots.panda import ISAACLAB_FRANKA, PANDA
from rev2fwd_il.robots.robot import Robot

ROBOTS: dict[str, Robot] = {"panda": PANDA, "isaaclab_franka": ISAACLAB_FRANKA}
