"""The simulated cell: the only package that imports isaaclab, newton or pxr."""
