"""Wrap a checkpoint for batched planning: observation history (M, n_obs_steps, ...) to actions (M, n_action_steps, 8).

    policy = load_policy("runs/diffusion_A_circle/iter0/checkpoints/checkpoints/last/pretrained_model")
    actions = policy.plan({"observation.state": state, "observation.environment_state": env}, generator)

    M arms at once:  observation.state (M, n_obs_steps, 8), ...environment_state (M, n_obs_steps, 28),
                     images (M, n_obs_steps, H, W, 3) uint8, oldest frame first
    actions          (M, n_action_steps, 8): poses to command now and in the next control steps

The policy predicts `prediction_horizon` steps from the oldest observed frame on; what is executed starts at the newest
one, at index n_obs_steps - 1.
"""

from pathlib import Path

import torch
from torch import Tensor

from rev2fwd_il import keys
from rev2fwd_il.errors import CheckpointError
from rev2fwd_il.learning.image_encoding import encode_in
from rev2fwd_il.learning.policy import PolicyBundle, load_bundle, policy_input
from rev2fwd_il.learning.policy_class import DiffusionPolicy

QUATERNION, GRIPPER = slice(3, 7), 7


class ChunkPolicy:
    """Plans chunks of actions for M arms side by side."""

    def __init__(self, bundle: PolicyBundle, device: str = "cpu"):
        self._bundle, self._device = bundle, device
        config = bundle.config
        self.n_obs_steps: int = config.n_obs_steps
        self.n_action_steps: int = config.n_action_steps
        self.observation_keys: list[str] = list(config.input_features)
        self.uses_images: bool = bool(config.image_features)
        self.uses_obj_pose: bool = keys.OBS_ENVIRONMENT_STATE in config.input_features
        shapes = [feature.shape for feature in config.image_features.values()]
        self.image_size: tuple[int, int] | None = tuple(shapes[0][1:]) if shapes else None  # (H, W) [px]

    @torch.inference_mode()
    def plan(self, history: dict[str, Tensor], generator: torch.Generator | None = None) -> Tensor:
        """(M, n_action_steps, 8) float32 on the CPU: unit quaternions with qw >= 0, gripper exactly +1 or -1.

        Further keys of `history` are ignored. The same generator state gives the same plan.
        """
        self._check(history)
        batch = {key: torch.as_tensor(history[key]).to(self._device) for key in self.observation_keys}
        chunk = self._predict(policy_input(self._bundle, batch), generator)
        return _to_command(self._bundle.postprocessor(chunk[:, : self.n_action_steps]))

    def _predict(self, batch: dict[str, Tensor], generator: torch.Generator | None) -> Tensor:
        """Actions from the newest frame on; what is random comes from `generator`, on the CPU."""
        config, policy = self._bundle.config, self._bundle.policy
        noise = ()
        if isinstance(policy, DiffusionPolicy):
            shape = (len(batch[keys.OBS_STATE]), config.horizon, config.action_feature.shape[0])
            noise = (torch.randn(shape, generator=generator).to(self._device),)  # the same plan on every device
        draws = not noise or config.noise_scheduler_type == "DDPM"  # from the global generator
        with torch.random.fork_rng(enabled=draws):
            if draws:
                torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            return policy.predict_action_chunk(batch, *noise)

    def _check(self, history: dict[str, Tensor]) -> None:
        for key in self.observation_keys:
            shape = tuple(self._bundle.config.input_features[key].shape)
            if len(shape) == 3:
                shape = (*shape[1:], shape[0])
            expected = (self.n_obs_steps, *shape)
            found = tuple(history[key].shape[1:]) if key in history else "absent"
            if found != expected:
                raise CheckpointError(
                    f"observation `{key}` does not fit the policy", expected=("M", *expected), found=found
                )


def _to_command(actions: Tensor) -> Tensor:
    quaternion = torch.nn.functional.normalize(actions[..., QUATERNION], dim=-1)
    actions[..., QUATERNION] = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    opened = actions[..., GRIPPER] >= 0
    actions[..., GRIPPER] = torch.where(opened, keys.GRIPPER_OPEN, keys.GRIPPER_CLOSE)
    return actions


def load_policy(
    path: str | Path, device: str = "cpu", num_inference_steps: int | None = None, n_action_steps: int | None = None
) -> ChunkPolicy:
    """Load a checkpoint to plan with; the two numbers override its own. Raises CheckpointError.

    Only a diffusion policy has `num_inference_steps`: for others it is ignored.
    """
    bundle = load_bundle(path, device)
    encode_in("float32", bundle.policy)  # faster, as in training; bfloat16 would change what is planned
    if num_inference_steps is not None and isinstance(bundle.policy, DiffusionPolicy):
        bundle.policy.diffusion.num_inference_steps = num_inference_steps
    if n_action_steps is not None:
        longest = bundle.prediction_horizon - bundle.config.n_obs_steps + 1
        if not 1 <= n_action_steps <= longest:
            raise CheckpointError(
                f"{path}: cannot execute n_action_steps={n_action_steps}",
                expected=f"1 to {longest}",
                found=n_action_steps,
            )
        bundle.config.n_action_steps = n_action_steps
    return ChunkPolicy(bundle, device)
