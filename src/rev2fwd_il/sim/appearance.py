"""The look of each environment: its light, its surfaces' colours, its table's pattern, and where its table camera is.

What is drawn for an environment depends on the seed, on what the looks are for (policies are not tested in those that
they were trained in), on the batch of episodes, and on how often the environment was reset since that began. Brightness
scales all colours of an environment, since all environments share the renderer's lights.
"""

import numpy as np
import torch
import warp as wp
from isaaclab.envs import ManagerBasedEnv
from isaaclab_newton.physics import NewtonManager
from scipy.spatial.transform import Rotation

from rev2fwd_il.config.run import Config
from rev2fwd_il.seeds import generator
from rev2fwd_il.sim.cameras import looking_at
from rev2fwd_il.sim.textures import NUM_PATTERNS, PLAIN, TableTextures, draw_patterns


class Appearance:
    """Varies the look of an Isaac Lab environment that has cameras, by `config.sim.appearance`."""

    def __init__(self, env: ManagerBasedEnv, config: Config, seed: int, looks: str):
        self._config, self._place = config.sim.appearance, config.sim.table_camera
        self._camera, self._origins = env.scene["table_camera"], env.scene.env_origins
        model = NewtonManager.get_model()
        self._colours = wp.to_torch(model.shape_color)
        self._shapes = _shapes_by_env(model.shape_label, env.num_envs)
        self._usual = self._colours.clone()
        self._stream, self._num_envs = (seed, "appearance", looks), env.num_envs
        number = NUM_PATTERNS if self._config.texture else 0
        patterns = draw_patterns(generator(*self._stream, "patterns"), number, self._config.texture)
        self._textures = TableTextures(env, patterns)
        self.begin_batch(0)

    def begin_batch(self, batch: int) -> None:
        """From here on as if it were the first: what was drawn before, or in a run that was killed, does not matter."""
        self._rngs = [generator(*self._stream, batch, index) for index in range(self._num_envs)]

    def draw(self, env_ids: np.ndarray) -> None:
        """Another look for these environments."""
        poses = [self._draw_one(int(env)) for env in env_ids]
        positions = torch.tensor(np.array([position for position, _ in poses]), dtype=torch.float32)
        rotations = torch.tensor(np.array([rotation for _, rotation in poses]), dtype=torch.float32)
        device, ids = self._origins.device, torch.as_tensor(env_ids, dtype=torch.long)
        self._camera.set_world_poses(
            positions.to(device) + self._origins[ids], rotations.to(device), ids.tolist(), convention="world"
        )

    def _draw_one(self, env: int) -> tuple[np.ndarray, np.ndarray]:
        """Surfaces in place; position [m] in the environment and quaternion (x, y, z, w) of its table camera."""
        config, rng, shapes = self._config, self._rngs[env], self._shapes[env]
        light = 1 + config.light * rng.uniform(-1, 1)
        shift = config.colour * torch.from_numpy(rng.uniform(-1, 1, (len(shapes), 3))).float()
        self._colours[shapes] = ((self._usual[shapes] + shift.to(self._usual.device)) * light).clamp(0, 1)
        position = np.add(self._place.position, config.camera_position * rng.uniform(-1, 1, 3))
        turn = Rotation.from_euler("xyz", config.camera_angle_deg * rng.uniform(-1, 1, 3), degrees=True)
        rotation = Rotation.from_quat(looking_at(self._place.position, self._place.look_at)) * turn
        self._textures.show(env, int(rng.integers(NUM_PATTERNS)) if config.texture else PLAIN)
        return position, rotation.as_quat()


def _shapes_by_env(labels: list[str], num_envs: int) -> list[torch.Tensor]:
    """Indices of each environment's shapes in the model."""
    found: list[list[int]] = [[] for _ in range(num_envs)]
    for index, label in enumerate(labels):
        if "/env_" in label:
            found[int(label.split("/env_")[1].split("/")[0])].append(index)
    return [torch.tensor(indices) for indices in found]
