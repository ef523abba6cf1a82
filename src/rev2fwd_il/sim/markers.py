"""The red target markers: shapes without a body, moved where the Newton renderer reads them."""

import numpy as np
import torch
import warp as wp
from isaaclab_newton.physics import NewtonManager


class TargetMarkers:
    """The `Target` shape of each environment in the Newton model; env_origins (N, 3) [m] is the scene's."""

    def __init__(self, env_origins: torch.Tensor):
        model = NewtonManager.get_model()
        labels = enumerate(model.shape_label)
        by_env = {label.split("/env_")[1].split("/")[0]: i for i, label in labels if "/Target" in label}
        # Without cameras the model holds no visual shapes, and there is nothing to move.
        self._shapes = torch.tensor([by_env[str(env)] for env in range(len(env_origins))]) if by_env else None
        self._transforms = wp.to_torch(model.shape_transform)
        self._origins = env_origins
        self._no_body = wp.empty(0, dtype=wp.int32, device=model.device)

    def move(self, env_ids: np.ndarray, xy: np.ndarray) -> None:
        """Put the markers of these environments at (M, 2) [m] in the environment's frame."""
        if self._shapes is None:
            return
        ids = torch.as_tensor(env_ids, dtype=torch.long)
        xy_w = torch.as_tensor(xy, dtype=torch.float32, device=self._origins.device) + self._origins[ids, :2]
        self._transforms[self._shapes[ids], :2] = xy_w
        # Tells the renderer, which would show the old place else, that something moved; and that no body did.
        NewtonManager.invalidate_body_state(env_ids=self._no_body)
