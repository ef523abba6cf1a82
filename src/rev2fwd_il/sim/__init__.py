"""The simulated cell: the only package that imports isaaclab, newton or pxr."""

from rev2fwd_il.sim import kernels

kernels.configure()
