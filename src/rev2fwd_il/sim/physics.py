"""Newton physics on a CPU without Python's overhead: the solver's kernels are recorded once and replayed in C++.

A physics step is some 230 kernel launches, each of which costs Python more than the kernel itself. Isaac Lab replays
them as a CUDA graph on a GPU but runs them one by one on a CPU. Warp records CPU graphs too; this manager uses one.
The replayed step computes the same bytes as the eager one (tests/sim/test_cell.py).
"""

from collections.abc import Callable

import warp as wp
from isaaclab.physics import PhysicsManager
from isaaclab.utils import configclass
from isaaclab_newton.physics import MJWarpSolverCfg
from isaaclab_newton.physics.mjwarp_manager import NewtonMJWarpManager

from rev2fwd_il.sim.slipping import only_slipping_contacts


class NewtonRecordedMJWarpManager(NewtonMJWarpManager):
    """Isaac Lab's MuJoCo Warp manager, with a recorded step where the device is a CPU.

    Isaac Lab reads the backend off the beginning of the class name.
    """

    _recording: wp.Graph | None = None
    _ran_eagerly: bool = False

    @classmethod
    def _simulate_physics_only(cls) -> None:
        cls._replay(super()._simulate_physics_only)

    @classmethod
    def _simulate_full(cls) -> None:
        cls._replay(super()._simulate_full)

    @classmethod
    def _invalidate_graph(cls) -> None:
        super()._invalidate_graph()
        NewtonRecordedMJWarpManager._recording = None
        NewtonRecordedMJWarpManager._ran_eagerly = False

    @classmethod
    def _replay(cls, simulate: Callable[[], None]) -> None:
        """The first step runs eagerly, which compiles and allocates; the second is recorded; then it is replayed."""
        if "cuda" in str(PhysicsManager._device) or not cls._ran_eagerly:
            NewtonRecordedMJWarpManager._ran_eagerly = True
            simulate()
            return
        if cls._recording is None:
            with only_slipping_contacts(), wp.ScopedCapture(device=PhysicsManager._device) as capture:
                simulate()
            NewtonRecordedMJWarpManager._recording = capture.graph
        wp.capture_launch(cls._recording)


@configclass
class RecordedMJWarpSolverCfg(MJWarpSolverCfg):
    """MJWarpSolverCfg whose steps are recorded on a CPU."""

    class_type: type = NewtonRecordedMJWarpManager
