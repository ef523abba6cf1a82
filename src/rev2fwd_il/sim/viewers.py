"""Where a simulation is watched: nowhere, in a window, or in a browser. Isaac Lab's visualizers, without Kit.

In a browser it is Rerun's web viewer, served here; its address is printed. It shows several environments side by side.
"""

import socket

from isaaclab.envs import ManagerBasedEnvCfg

from rev2fwd_il.errors import SimulationError
from rev2fwd_il.running.command_line import BROWSER, NO_VIEWER, WINDOW, has_display

VISUALIZERS = {NO_VIEWER: "none", WINDOW: "newton_gl", BROWSER: "rerun"}
VISIBLE_ENVS = 16
WEB_PORT, GRPC_PORT = 9090, 9876  # Rerun's own, or the next free ones


def visualizer(cfg: ManagerBasedEnvCfg, viewer: str) -> str:
    """Isaac Lab's name of the visualizer, which is configured in `cfg`. Raises SimulationError without a display."""
    if viewer == WINDOW and not has_display():
        raise SimulationError(
            "there is no display to open a window on", expected="DISPLAY or WAYLAND_DISPLAY",
            do="use --viewer browser, or --headless",
        )  # fmt: skip
    if viewer == BROWSER:
        from isaaclab_visualizers.rerun import RerunVisualizerCfg

        from rev2fwd_il.sim.patches.late_blueprint import send_blueprint_late

        send_blueprint_late()
        shown = min(cfg.scene.num_envs, VISIBLE_ENVS)
        side = cfg.scene.env_spacing * shown**0.5
        cfg.sim.visualizer_cfgs = RerunVisualizerCfg(
            app_id="rev2fwd", visible_env_indices=list(range(shown)), enable_live_plots=False,
            eye=(0.5 * side, -0.5 * side - 0.5, 0.3 * side + 0.3), lookat=(0.2, 0.0, 0.1),
            web_port=_free_port(WEB_PORT), grpc_port=_free_port(GRPC_PORT),
        )  # fmt: skip
    return VISUALIZERS[viewer]


def confirm(viewer: str) -> None:
    """To be called when the environment is there, and with it the viewer."""
    if viewer == BROWSER:
        from rev2fwd_il.sim.patches import late_blueprint

        late_blueprint.confirm()


def _free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on: Isaac Lab would join another run's viewer."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise SimulationError("no port is free for the viewer", expected=f"one of {first} to {first + 99}", do="end others")
