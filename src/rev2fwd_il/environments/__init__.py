"""The cell as an environment that others drive: gymnasium's, and through it LeRobot's (learning/plugin).

    import gymnasium, rev2fwd_il.environments
    envs = gymnasium.make_vec("rev2fwd/PickPlace-A-v0", num_envs=64)      # one simulation, 64 environments
    observations, infos = envs.reset(seed=0)       # the first 64 starts of the evaluation; then each takes the next one

Isaac Lab's registry, which is gymnasium's too, has the same tasks as Rev2Fwd-PickPlace-A-v0 and so on, for its own
programs (sim/isaaclab_task.py).

Registered for each task by name, in both directions, under gymnasium's keywords `settings` (a list of what `--set`
takes), `images`, `seed` (of the evaluation's starts), `autoreset_mode` and `render_mode`.
"""

import gymnasium

from rev2fwd_il.config.task import KINDS
from rev2fwd_il.keys import TASKS

NAMESPACE, VERSION = "rev2fwd", "v0"
SETTINGS = {"insert": ("evaluation.max_episode_steps=300",)}  # as config/insert.yaml has it


def environment_id(kind: str, direction: str) -> str:
    """rev2fwd/PickPlace-A-v0 for pick_place and A."""
    return f"{NAMESPACE}/{KINDS[kind].partition(':')[2]}-{direction}-{VERSION}"


def _register() -> None:
    for kind in KINDS:
        for direction in TASKS:
            gymnasium.register(
                environment_id(kind, direction),
                entry_point=f"{__name__}.single:CellEnv",
                vector_entry_point=f"{__name__}.vector:CellVectorEnv",
                kwargs={"kind": kind, "direction": direction, "settings": SETTINGS.get(kind, ())},
            )
            name = KINDS[kind].partition(":")[2]
            gymnasium.register(
                f"Rev2Fwd-{name}-{direction}-{VERSION}",
                entry_point="isaaclab.envs:ManagerBasedRLEnv",
                disable_env_checker=True,
                kwargs={"env_cfg_entry_point": f"rev2fwd_il.sim.isaaclab_task:{name}{direction}EnvCfg"},
            )


_register()
