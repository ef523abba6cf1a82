"""Settings with which a training takes a second."""

from rev2fwd_il.config.run import Config, make_config

TINY_POLICY = {"down_dims": [16, 32], "kernel_size": 3, "diffusion_step_embed_dim": 16, "num_train_timesteps": 20}
TINY_ACT = {
    **{"type": "act", "n_obs_steps": 1, "prediction_horizon": 10, "n_action_steps": 8},
    "act": {"dim_model": 16, "n_heads": 2, "dim_feedforward": 32, "n_encoder_layers": 1, "n_vae_encoder_layers": 1},
}
SEES = TINY_POLICY | {"images": True, "include_obj_pose": False, "n_obs_steps": 1, "crop_ratio": 1.0}
TINY_TRAIN = {"batch_size": 8, "warmup_steps": 2, "save_every": 4}


def tiny_config(policy: dict | None = None, seed: int = 0, **train_settings) -> Config:
    """The diffusion policy of TINY_POLICY with changes, or with a type the policy that `policy` describes."""
    chosen = policy if policy and "type" in policy else TINY_POLICY | (policy or {})
    return make_config({"policy": chosen, "train": TINY_TRAIN | train_settings, "seed": seed})
