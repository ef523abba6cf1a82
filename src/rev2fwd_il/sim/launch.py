"""Starting the simulator."""

import contextlib
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

from isaaclab.app import launch_simulation
from isaaclab.envs import ManagerBasedEnv, ManagerBasedEnvCfg

from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import Rev2FwdError, SimulationError
from rev2fwd_il.running.command_line import NO_VIEWER
from rev2fwd_il.sim import viewers
from rev2fwd_il.sim.environment import environment_cfg
from rev2fwd_il.sim.solver_watch import SolverWatch

ASSET_TIMEOUT_S = 10


@contextlib.contextmanager
def simulation(
    config: Config,
    num_envs: int,
    *,
    cameras: bool = False,
    seed: int = 0,
    viewer: str = NO_VIEWER,
    control: str = "pose",
) -> Iterator[tuple[ManagerBasedEnv, SolverWatch]]:
    """An environment that is closed at the end, its arms commanded by "pose" or "joints".

    `viewer`: where it is watched (sim/viewers.py).
    """
    cfg = environment_cfg(config, num_envs, cameras=cameras, seed=seed, control=control)
    with launched(cfg, viewer=viewer) as launch:
        yield launch


@contextlib.contextmanager
def launched(cfg: ManagerBasedEnvCfg, *, viewer: str = NO_VIEWER) -> Iterator[tuple[ManagerBasedEnv, SolverWatch]]:
    """The environment of this configuration. Its solver's limits are checked a last time at the end."""
    require_asset(cfg.scene.robot.spawn.usd_path)
    arguments = {"device": cfg.sim.device, "visualizer": [viewers.visualizer(cfg, viewer)]}
    error: Rev2FwdError | None = None
    with launch_simulation(cfg, arguments):
        env, watch = ManagerBasedEnv(cfg), SolverWatch(cfg.sim.physics)
        viewers.confirm(viewer)
        try:
            yield env, watch
            watch.check()
        except Rev2FwdError as raised:  # Isaac Lab prints a traceback of whatever leaves its block
            error = raised
        finally:
            env.close()
    if error:
        raise error


def require_asset(path: str) -> None:
    """Raise SimulationError where a robot's file at a web address cannot be fetched. Isaac Lab itself tries minutes."""
    address = urlparse(path)
    if address.scheme not in ("http", "https"):
        return
    copy = Path(tempfile.gettempdir(), address.scheme, address.netloc, address.path.lstrip("/"))  # Isaac Lab's cache
    try:
        request = urllib.request.Request(path, method="HEAD")
        urllib.request.urlopen(request, timeout=ASSET_TIMEOUT_S).close()
    except OSError as error:
        if not copy.is_file():
            raise SimulationError(
                "the robot's file cannot be fetched", expected=path, found=getattr(error, "reason", error),
                do="connect to the network, or use the robot that is shipped: sim.robot=panda",
            ) from None  # fmt: skip
