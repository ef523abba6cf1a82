"""Settings with which a training takes a second."""

from rev2fwd_il.config import Config, make_config

TINY_POLICY = {"down_dims": [16, 32], "kernel_size": 3, "diffusion_step_embed_dim": 16, "num_train_timesteps": 20}
TINY_TRAIN = {"batch_size": 8, "warmup_steps": 2, "save_every": 4}


def tiny_config(policy: dict | None = None, seed: int = 0, **train_settings) -> Config:
    return make_config({"policy": TINY_POLICY | (policy or {}), "train": TINY_TRAIN | train_settings, "seed": seed})
