"""Random patterns on the table, and how the renderer is told of them.

Newton's ray tracer multiplies a surface's colour by a texture; which one, it looks up by shape. Its own calls only load
textures of meshes from files, the same in all environments: what it looks up in is therefore replaced here.
"""

import numpy as np
import torch
import warp as wp
from isaaclab.envs import ManagerBasedEnv
from newton._src.sensors.warp_raytrace.types import TextureData

CAMERAS = ("table_camera", "wrist_camera", "video_camera")
PLAIN = -1
NUM_PATTERNS, PATTERN_PX = 128, 64
TILE_M = 0.355  # as far as the board's centre is from the squares' origin: a pattern runs on from one to the other
ROUGHNESS = (1.0, 2.5)  # fall of a pattern's spectrum: fine grain to broad stains
STRETCH = 4.0  # a pattern is up to so many times longer than wide, as the grain of wood is


class TableTextures:
    """The patterns of one Isaac Lab environment with cameras: each of its environments shows one of them, or none."""

    def __init__(self, env: ManagerBasedEnv, patterns: np.ndarray):
        """`patterns` (P, H, W, 3) are factors in [0, 1] of what each channel would show without them."""
        sensors = {id(sensor): sensor for sensor in (_sensor(env, name) for name in CAMERAS)}
        contexts = [sensor._SensorTiledCamera__render_context for sensor in sensors.values()]
        for context in contexts if len(patterns) else ():
            context.table_textures = _textures(patterns, context.device)  # kept: the array below holds pointers
            context.texture_data = wp.array(context.table_textures, dtype=TextureData, device=context.device)
        self._shown = [wp.to_torch(context.shape_texture_ids) for context in contexts]
        labels = _sensor(env, CAMERAS[0]).model.shape_label
        self._tables = [_tops(labels, index) for index in range(env.num_envs)]

    def show(self, env: int, pattern: int) -> None:
        """A pattern's number, or PLAIN. Written in place: CUDA graphs of the renderer hold the arrays."""
        for ids in self._shown:
            ids[self._tables[env].to(ids.device)] = pattern


def draw_patterns(rng: np.random.Generator, number: int, contrast: float) -> np.ndarray:
    """(number, PATTERN_PX, PATTERN_PX, 3) factors between 1 - contrast and 1; each pattern tiles."""
    return np.array([_draw_pattern(rng, contrast) for _ in range(number)]).reshape(number, PATTERN_PX, PATTERN_PX, 3)


def _draw_pattern(rng: np.random.Generator, contrast: float) -> np.ndarray:
    """Noise with a falling spectrum, from grain to stains, mixed into the channels by a random tint."""
    waves = np.fft.fftfreq(PATTERN_PX, 1 / PATTERN_PX)
    stretch = STRETCH ** rng.uniform(-1, 1)
    frequency = np.hypot(waves[:, None] * stretch, waves[None, :] / stretch)
    fall = np.maximum(frequency, 1.0) ** -rng.uniform(*ROUGHNESS)
    fall[0, 0] = 0.0  # no mean
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((PATTERN_PX, PATTERN_PX))) * fall).real
    depth = np.clip(0.5 + noise / (4 * noise.std()), 0, 1)
    return 1 - contrast * depth[..., None] * rng.uniform(0.5, 1.0, 3)


def _textures(patterns: np.ndarray, device) -> list[TextureData]:
    textures = []
    for pattern in patterns:
        pixels = np.full((*pattern.shape[:2], 4), 255, np.uint8)
        pixels[..., :3] = np.round(255 * pattern)
        data = TextureData()
        data.texture = wp.Texture2D(
            pixels,
            filter_mode=wp.TextureFilterMode.LINEAR,
            address_mode=wp.TextureAddressMode.WRAP,
            normalized_coords=True,
            dtype=wp.uint8,
            num_channels=4,
            device=device,
        )
        data.repeat = wp.vec2f(1 / TILE_M, 1 / TILE_M)
        textures.append(data)
    return textures


def _sensor(env: ManagerBasedEnv, camera: str):
    return env.scene[camera]._renderer.newton_sensor


def _tops(labels: list[str], env: int) -> torch.Tensor:
    """Shapes of an environment's table top, the board and the squares painted on it."""
    parts = (f"/env_{env}/Mat/top", f"/env_{env}/Mat/squares")
    return torch.tensor([index for index, label in enumerate(labels) if label.endswith(parts)])
