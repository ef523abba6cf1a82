"""Patch Isaac Lab's Newton manager: on a CPU the solver's kernels are recorded once and replayed in C++.

A physics step is some 230 kernel launches, each of which costs Python more than the kernel itself. Isaac Lab replays
them as a CUDA graph on a GPU but runs them one by one on a CPU. Warp records CPU graphs too; this manager uses one.
The replayed step computes the same bytes as the eager one (tests/sim/test_cell.py).
"""

from collections.abc import Callable

import warp as wp
from isaaclab.utils import configclass
from isaaclab_newton.physics import MJWarpSolverCfg, NewtonMJWarpManager

from rev2fwd_il.running.patches import RECORDED_STEP as PATCH
from rev2fwd_il.sim.patches.cone_hessian import only_slipping_contacts


class NewtonRecordedMJWarpManager(NewtonMJWarpManager):
    """Isaac Lab's MuJoCo Warp manager, with a recorded step where the device is a CPU.

    Isaac Lab reads the backend off the beginning of the class name.
    """

    _recording: wp.Graph | None = None
    _ran_eagerly: bool = False
    _stays_eager: bool = False

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
        NewtonRecordedMJWarpManager._stays_eager = False

    @classmethod
    def _replay(cls, simulate: Callable[[], None]) -> None:
        """The first step runs eagerly, which compiles and allocates; the second is recorded; then it is replayed."""
        if cls._recording is not None:
            wp.capture_launch(cls._recording)
        elif cls._ran_eagerly and not cls._stays_eager:
            cls._record(simulate)
        else:
            if not cls._ran_eagerly:
                NewtonRecordedMJWarpManager._ran_eagerly = True
                NewtonRecordedMJWarpManager._stays_eager = "cuda" in cls.get_device() or not PATCH.fits()
            simulate()

    @classmethod
    def _record(cls, simulate: Callable[[], None]) -> None:
        """Record a step and replay it, or run it eagerly if its recording does not advance the simulated time."""
        started = cls._simulated_time()
        try:
            with only_slipping_contacts(), wp.ScopedCapture(device=cls.get_device()) as capture:
                simulate()
            wp.capture_launch(capture.graph)
            problem = "a recorded step does not advance the simulation"
        except RuntimeError as error:
            problem = f"Warp does not record a step: {error}"
        if cls._simulated_time() != started:
            NewtonRecordedMJWarpManager._recording = capture.graph
            return
        PATCH.fall_back(problem)
        NewtonRecordedMJWarpManager._stays_eager = True
        simulate()

    @classmethod
    def _simulated_time(cls) -> float:
        """The solver's own clock [s], which its kernels advance."""
        return float(cls._solver.mjw_data.time.numpy()[0])

    @classmethod
    def confirm(cls) -> None:
        """Warn once where Isaac Lab has stepped without asking this class for it. Call after some steps."""
        if not cls._ran_eagerly and cls._simulated_time() > 0:
            PATCH.fall_back("Isaac Lab steps by other methods than those that are replaced")


@configclass
class RecordedMJWarpSolverCfg(MJWarpSolverCfg):
    """MJWarpSolverCfg whose steps are recorded on a CPU."""

    class_type: type = NewtonRecordedMJWarpManager
