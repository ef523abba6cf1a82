"""The cell for LeRobot's EnvHub: this folder is what a repository on the Hub holds. It needs `rev2fwd_il` installed.

lerobot.envs.make_env("USER/REPOSITORY", n_envs=64, trust_remote_code=True)
"""

from rev2fwd_il.learning.plugin.environment import Rev2FwdEnv


def make_env(n_envs: int = 1, use_async_envs: bool = False, cfg=None) -> dict:
    """{"rev2fwd": {0: vectorised environment}} of the task that `cfg.task` names, PickPlace-A if none does."""
    task = getattr(cfg, "task", None)
    return (Rev2FwdEnv(task=task) if task else Rev2FwdEnv()).create_envs(n_envs, use_async_envs)
