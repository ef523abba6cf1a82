"""One environment alone, as `gymnasium.make` gives it."""

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from rev2fwd_il.environments.vector import CellVectorEnv


class CellEnv(gymnasium.Env):
    """`CellVectorEnv` of one environment; takes its keywords."""

    def __init__(self, **settings):
        self._envs = CellVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **settings)
        self.observation_space = self._envs.single_observation_space
        self.action_space = self._envs.single_action_space
        self.render_mode = self._envs.render_mode
        self.metadata = self._envs.metadata

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        """Begin the evaluation's start number `seed`, or the next one."""
        super().reset(seed=seed)
        observations, info = self._envs.reset(seed=seed)
        return _first(observations), _first(info)

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """One control step by a command (8,)."""
        observations, reward, terminated, truncated, info = self._envs.step(np.asarray(action)[None])
        return _first(observations), float(reward[0]), bool(terminated[0]), bool(truncated[0]), _first(info)

    def render(self) -> np.ndarray | None:
        """(H, W, 3) uint8."""
        images = self._envs.render()
        return None if images is None else images[0]

    def close(self) -> None:
        """End the simulation."""
        self._envs.close()


def _first(batch: dict) -> dict:
    """The only environment's part; masks of infos are left out."""
    return {
        key: _first(value) if isinstance(value, dict) else value[0]
        for key, value in batch.items()
        if not key.startswith("_")
    }
