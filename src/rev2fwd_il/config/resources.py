"""How much memory a job needs at most, from the configuration: what rules ask for and a dry run shows.

    frames of demonstrations   demos.num_episodes x (1 + views.turned) x (1 + views.copies) x task.max_episode_steps
    frames of rollouts         rollout.num_envs x rollout.max_cycles x rollout.max_episode_steps, a task and iteration
    bytes of a frame           images: 2 cameras x height x width x 3; other features and statistics: VECTOR_BYTES

    training       PROCESS_MB + vectors of all frames + images of all frames or train.memory_gb, whichever is less;
                   for each of train.num_processes, which share images only where these are mapped from a file
    simulation     SIMULATION_MB + num_envs x horizon frames with images, where they are recorded: episodes in flight
    conversion     CONVERSION_MB + EPISODE_COPIES x one episode with images

Episodes that end before their longest make the true figures smaller. The constants are for one process without data:
a run of the default configuration took at most 1,050 MB training, 1,780 MB simulating and 1,360 MB converting.
"""

from rev2fwd_il.config.run import Config

CAMERAS, CHANNELS = 2, 3
VECTOR_BYTES = 2000  # features and bounds of a frame, and its window of actions while statistics are made
PROCESS_MB, SIMULATION_MB, CONVERSION_MB = 4000, 8000, 6000
EPISODE_COPIES = 4  # of its images: mapped, encoded, as a table, and as the writer holds them
MB = 10**6


def image_bytes(config: Config) -> int:
    """Bytes of both cameras' images at one control step."""
    return CAMERAS * config.sim.image_height * config.sim.image_width * CHANNELS


def training_frames(config: Config, iterations: int) -> int:
    """Frames a policy of iteration `iterations` is trained on, at most."""
    rollouts = config.rollout.num_envs * config.rollout.max_cycles * config.rollout.max_episode_steps
    kinds = 2 if config.rollout.reversed_rollouts else 1
    copies, turned = 1 + config.views.copies, 1 + config.views.turned
    demonstrations = config.demos.num_episodes * turned * copies * config.task.max_episode_steps
    return demonstrations + iterations * kinds * rollouts * (copies if config.renders_rollouts else 1)


def training_mb(config: Config, iterations: int = 0) -> int:
    """Memory of training or finetuning in that iteration [MB]."""
    frames, processes = training_frames(config, iterations), config.train.num_processes
    images = frames * image_bytes(config) / MB if config.policy.images else 0
    in_memory = min(images, config.train.memory_gb * 1000)
    return round(processes * (PROCESS_MB + frames * VECTOR_BYTES / MB + in_memory))


def simulation_mb(config: Config, num_envs: int, horizon: int, images: bool) -> int:
    """Memory of simulating `num_envs` environments for episodes of up to `horizon` control steps [MB]."""
    return round(SIMULATION_MB + num_envs * horizon * image_bytes(config) * images / MB)


def conversion_mb(config: Config) -> int:
    """Memory of writing a LeRobot dataset, one episode after the other [MB]."""
    longest = max(config.task.max_episode_steps, config.rollout.max_episode_steps)
    return round(CONVERSION_MB + EPISODE_COPIES * longest * image_bytes(config) * config.policy.images / MB)
