"""The limits that the physics solver hits, read from its own flags: what it computes after that is wrong.

MuJoCo Warp prints a warning as well, but through C, which holds it back where standard output is a pipe or a file.
"""

import numpy as np
from isaaclab_newton.physics import NewtonCfg, NewtonManager
from mujoco_warp import OverflowType

from rev2fwd_il.errors import SimulationError
from rev2fwd_il.sim.patches.recorded_step import NewtonRecordedMJWarpManager

# The limits that MuJoCo Warp flags, by the names they are set by. Without the line search's: its tolerance, a gradient
# of 1e-6, is beyond 32-bit floats when contacts are firm; it then keeps the best step it has found, and the solver goes
# on: docs/decisions.md.
LIMITS = {
    OverflowType.NEFC: "njmax (constraint rows of an environment)",
    OverflowType.NJMAX_NNZ: "njmax_nnz (non-zeros of the constraint Jacobian)",
    OverflowType.BROADPHASE: "nconmax (pairs of shapes that may touch, in a pool of all environments)",
    OverflowType.NARROWPHASE: "nconmax (contacts, in a pool of all environments)",
    OverflowType.CCD: "naccdmax (pairs in convex collision detection)",
    OverflowType.HFIELD: "contacts with a height field",
    OverflowType.CONTACT_MATCH: "matches of a contact sensor",
    OverflowType.NVMAX: "nvmax (degrees of freedom that are awake)",
    OverflowType.EPA_HORIZON: "the horizon of convex collision detection",
    OverflowType.ITERATIONS: "iterations (of the solver)",
}


class SolverWatch:
    """Reads the overflow flags of MuJoCo Warp, which stay set in an environment once it hit a limit."""

    def __init__(self, physics):
        self._is_newton = isinstance(physics, NewtonCfg)
        self._records = self._is_newton and physics.solver_cfg.class_type is NewtonRecordedMJWarpManager

    def check(self) -> None:
        """Raise SimulationError naming each limit that the solver has hit, and in which environments."""
        if not self._is_newton:
            return
        if self._records:
            NewtonRecordedMJWarpManager.confirm()
        if hit := limits_hit(_overflow_flags()):
            raise SimulationError(
                "the physics solver hit a limit, what it computed is wrong",
                found="; ".join(f"{limit} in environments {envs}" for limit, envs in hit.items()),
                do="raise that limit in sim/environment.py",
            )


def limits_hit(flags: np.ndarray) -> dict[str, list[int]]:
    """From flags (N,) of OverflowType, the environments that hit each limit."""
    hit = {name: np.flatnonzero(flags & int(limit)).tolist() for limit, name in LIMITS.items()}
    return {name: envs for name, envs in hit.items() if envs}


def _overflow_flags() -> np.ndarray:
    """OverflowType of each environment over all steps, (N,) int32: nothing clears them unless bodies may sleep."""
    data = getattr(NewtonManager._solver, "mjw_data", None)
    if not hasattr(data, "overflow"):
        raise SimulationError(
            "the solver's overflow flags cannot be read", expected="those of Isaac Lab 3.0.0 and MuJoCo Warp 3.12.0",
            do="install the locked environment: make setup",
        )  # fmt: skip
    return data.overflow.numpy()
