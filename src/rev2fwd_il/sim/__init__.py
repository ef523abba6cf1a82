"""The simulated cell: the only package that imports isaaclab, newton or pxr."""

from rev2fwd_il.sim.patches import cpu_kernels

cpu_kernels.configure()
