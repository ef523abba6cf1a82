"""Starting the simulator, and turning what its solver prints as a warning into an error."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator

from isaaclab.app import launch_simulation
from isaaclab.envs import ManagerBasedEnv

from rev2fwd_il.config import Config
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.sim.environment import environment_cfg

# What MuJoCo Warp prints, from compiled code, when a limit is hit and its result is wrong.
# Not the line search's limit: its tolerance, a gradient of 1e-6, is beyond 32-bit floats when contacts are firm; it
# then keeps the best step it has found, and the solver goes on: docs/decisions.md.
SOLVER_WARNING = re.compile(r"[^\n]*(?:overflow|(?<!linesearch )iterations limit|EPA horizon)[^\n]*")


class SolverWatch:
    """Passes standard output on while looking for solver warnings; `check` raises on the first one."""

    def __init__(self):
        self.warning: str | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator["SolverWatch"]:
        sys.stdout.flush()
        original, (reader, writer) = os.dup(1), os.pipe()
        os.dup2(writer, 1)
        os.close(writer)
        pump = threading.Thread(target=self._pump, args=(reader, original), daemon=True)
        pump.start()
        try:
            yield self
        finally:
            sys.stdout.flush()
            os.dup2(original, 1)  # closes the pipe's last writer: the pump ends
            pump.join(timeout=5)
            os.close(original)

    def check(self) -> None:
        """Raise SimulationError if the solver has warned."""
        if self.warning:
            raise SimulationError(
                "the physics solver hit a limit, what it computed is wrong", found=self.warning,
                do="raise that limit in sim/environment.py",
            )  # fmt: skip

    def _pump(self, reader: int, original: int) -> None:
        tail = ""
        while chunk := os.read(reader, 65536):
            os.write(original, chunk)
            text = tail + chunk.decode(errors="replace")
            if self.warning is None and (match := SOLVER_WARNING.search(text)):
                self.warning = match.group().strip()
            tail = text[-200:]
        os.close(reader)


@contextlib.contextmanager
def simulation(
    config: Config, num_envs: int, *, cameras: bool = False, seed: int = 0, headless: bool = True
) -> Iterator[tuple[ManagerBasedEnv, SolverWatch]]:
    """An environment that is closed at the end. Without `headless` it shows Isaac Lab's kit-less Newton viewer."""
    if not headless and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SimulationError(
            "there is no display to show the simulation on", expected="DISPLAY or WAYLAND_DISPLAY", do="add --headless"
        )
    cfg = environment_cfg(config, num_envs, cameras=cameras, seed=seed)
    arguments = {"device": config.sim.device, "visualizer": ["none"] if headless else ["newton_gl"]}
    with SolverWatch().watching() as watch, launch_simulation(cfg, arguments):
        env = ManagerBasedEnv(cfg)
        try:
            yield env, watch
        finally:
            env.close()
