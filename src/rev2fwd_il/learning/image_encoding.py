"""How a diffusion policy's image encoders compute, which is most of a training step and half of a plan on a CPU.

Their maps lie channels last in memory: a step takes a fifth less time, a plan three tenths. In training they may
multiply in bfloat16, where the processor can; keypoints and the U-Net stay float32.
"""

from collections.abc import Callable

import torch
from lerobot.policies.diffusion.modeling_diffusion import DiffusionRgbEncoder
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor

from rev2fwd_il.errors import ConfigError


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it: without them a CPU converts back and forth, and takes longer."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def choose_precision(asked: str, device: torch.device) -> str:
    """`float32` or `bfloat16`. Raises ConfigError where bfloat16 is asked for and the processor lacks it."""
    has = multiplies_bfloat16(device)
    if asked == "bfloat16" and not has:
        raise ConfigError(
            "train.precision=bfloat16: this processor cannot multiply it", expected="AVX-512 BF16, AMX or a recent GPU",
            do="use auto or float32",
        )  # fmt: skip
    return "bfloat16" if asked != "float32" and has else "float32"


def encode_in(precision: str, policy: PreTrainedPolicy) -> None:
    """Let the convolutions of a diffusion policy's image encoders run in `precision`; what they give is float32."""
    for module in policy.modules():
        if isinstance(module, DiffusionRgbEncoder):
            forward = _channels_last(module.backbone.forward)
            in_bfloat16 = _autocast(forward, next(policy.parameters()).device.type)
            module.backbone.forward = in_bfloat16 if precision == "bfloat16" else forward


def _channels_last(forward: Callable) -> Callable:
    return lambda images: forward(images.contiguous(memory_format=torch.channels_last))


def _autocast(forward: Callable, device_type: str) -> Callable:
    def in_bfloat16(images: Tensor) -> Tensor:
        with torch.autocast(device_type, dtype=torch.bfloat16):
            return forward(images).float()

    return in_bfloat16
