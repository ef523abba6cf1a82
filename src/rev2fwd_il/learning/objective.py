"""What is minimized: the policy's own loss, or a loss that makes more of each encoded observation.

Encoding two images takes most of a step of an image policy. So that more is learned from it,

- several noises and diffusion times are drawn for each observation, which is encoded once;
- a linear head reads the task's environment state (where object and target are) off what the U-Net is conditioned on.
  The simulator knows it, the policy does not; the head is dropped when the training ends, so a checkpoint is
  LeRobot's in any case.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor, nn

from rev2fwd_il import keys
from rev2fwd_il.config.policy import DIFFUSION
from rev2fwd_il.config.sections import TrainConfig
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.learning.relative.configuration_rev2fwd import base_type
from rev2fwd_il.learning.windows import ACTION_IS_PAD

PRIVILEGED = "privileged"  # environment state at the newest frame, standardized: (B, D)
REPEATED = (keys.OBS_STATE, keys.ACTION, ACTION_IS_PAD)


class SharedEncodingLoss(nn.Module):
    """Loss of a diffusion policy and, with `privileged_dim`, of the auxiliary head; called as the policy is."""

    def __init__(self, policy: PreTrainedPolicy, noises: int, weight: float, privileged_dim: int):
        super().__init__()
        self.policy, self.noises, self.weight = policy, noises, weight
        self.head: nn.Linear | None = None
        if weight:
            config, (first, *_) = policy.config, policy.diffusion.unet.down_modules[0]
            width = first.cond_encoder[1].in_features - config.diffusion_step_embed_dim
            self.head = nn.Linear(width, privileged_dim, device=next(policy.parameters()).device)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Windows as `policy_input` gives them, and PRIVILEGED where there is a head: loss, and its parts."""
        diffusion, parts = self.policy.diffusion, {}
        with _replaced(diffusion, "compute_loss", functools.partial(self._loss, diffusion.compute_loss, parts)):
            loss, _ = self.policy(batch)
        return loss, parts

    def _loss(self, theirs: Callable, parts: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
        """In place of LeRobot's loss, `theirs`, of a batch that the policy has prepared for it."""
        diffusion = self.policy.diffusion
        conditioning = diffusion._prepare_global_conditioning(batch)  # (B, D)
        repeated = {key: batch[key].repeat_interleave(self.noises, 0) for key in REPEATED}
        for_each = conditioning.repeat_interleave(self.noises, 0)
        with _replaced(diffusion, "_prepare_global_conditioning", lambda batch: for_each):
            loss = theirs(batch | repeated)
        parts["denoising"] = loss.detach()
        if self.head is not None:
            auxiliary = nn.functional.mse_loss(self.head(conditioning), batch[PRIVILEGED])
            parts["auxiliary"] = auxiliary.detach()
            loss = loss + self.weight * auxiliary
        return loss


@contextlib.contextmanager
def _replaced(module: nn.Module, method: str, function: Callable) -> Iterator[None]:
    """A method of this one module, meanwhile another function."""
    setattr(module, method, function)
    try:
        yield
    finally:
        delattr(module, method)


def make_objective(policy: PreTrainedPolicy, config: TrainConfig, privileged_dim: int) -> nn.Module:
    """The policy itself where nothing is asked beyond its own loss. Raises ConfigError for other policy types."""
    if config.noises_per_observation == 1 and not config.auxiliary_weight:
        return policy
    kind = base_type(policy.config.type)
    if kind != DIFFUSION:
        raise ConfigError(
            f"policy.type={kind}: encodes no observation for several noises and has no auxiliary head",
            do="train.noises_per_observation=1 train.auxiliary_weight=0, or policy.type=diffusion",
        )
    return SharedEncodingLoss(policy, config.noises_per_observation, config.auxiliary_weight, privileged_dim)
