"""`--env.type=rev2fwd`: the cell, one simulation whatever the number of environments (environments/vector.py)."""

from dataclasses import dataclass, field

import gymnasium
from gymnasium.vector import AutoresetMode, VectorEnv
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig

from rev2fwd_il import keys
from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.config.task import KINDS
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.tasks import make_task, observation

MODULE = "rev2fwd_il.environments"  # which gymnasium imports, and so registers
KIND_OF = {name.partition(":")[2]: kind for kind, name in KINDS.items()}  # PickPlace -> pick_place


@EnvConfig.register_subclass("rev2fwd")
@dataclass
class Rev2FwdEnv(EnvConfig):
    """`task`: PickPlace-A, PickPlace-B, Stack-A, ...

    LeRobot's seeds are numbers of the evaluation's starts: with `lerobot-eval --seed=0` 200 episodes begin at the 200
    starts of 5_eval_diffusion.py, each once. Those are drawn from `starts_seed`. `settings` are as `--set` takes them.
    LeRobot keeps videos of ten episodes, for which it has all environments rendered: `render_every` so many steps.
    """

    task: str | None = "PickPlace-A"
    fps: int = keys.CONTROL_HZ
    images: bool = False
    starts_seed: int = 0
    render_every: int = 20
    settings: list[str] = field(default_factory=list)

    def __post_init__(self):
        kind = self._kind_and_direction()[0]
        config = with_changes([f"task.kind={kind}", *self.settings])
        vectors = {
            "agent_pos": (FeatureType.STATE, len(observation.STATE_NAMES), keys.OBS_STATE),
            "environment_state": (
                FeatureType.ENV, len(make_task(config.task).environment_state_names), keys.OBS_ENVIRONMENT_STATE,
            ),
            keys.ACTION: (FeatureType.ACTION, len(observation.ACTION_NAMES), keys.ACTION),
        }  # fmt: skip
        self.features = {name: PolicyFeature(type=kind, shape=(size,)) for name, (kind, size, _) in vectors.items()}
        self.features_map = {name: key for name, (_, _, key) in vectors.items()}
        for key in keys.CAMERAS if self.images else ():
            name = f"pixels/{key.rpartition('.')[2]}"
            shape = (config.sim.image_height, config.sim.image_width, 3)
            self.features[name] = PolicyFeature(type=FeatureType.VISUAL, shape=shape)
            self.features_map[name] = key

    def _kind_and_direction(self) -> tuple[str, str]:
        name, _, direction = (self.task or "").rpartition("-")
        if name not in KIND_OF or direction not in keys.TASKS:
            known = [f"{each}-{direction}" for each in KIND_OF for direction in keys.TASKS]
            raise ConfigError(f"--env.task={self.task}: no such task", expected=", ".join(known), found=self.task)
        return KIND_OF[name], direction

    @property
    def gym_kwargs(self) -> dict:
        """Keywords of the gymnasium environment."""
        given = {"settings": self.settings} if self.settings else {}
        given |= {"render_mode": "rgb_array", "render_every": self.render_every}
        return given | {"images": self.images, "seed": self.starts_seed}

    def create_envs(self, n_envs: int, use_async_envs: bool = False) -> dict[str, dict[int, VectorEnv]]:
        """One vectorised environment, in this process whatever `use_async_envs` says."""
        envs = gymnasium.make_vec(
            f"{MODULE}:rev2fwd/{self.task}-v0", n_envs, autoreset_mode=AutoresetMode.DISABLED, **self.gym_kwargs
        )
        return {self.type: {0: envs}}
