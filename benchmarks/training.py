"""Training samples a second, against `lerobot-train` on the same data and network, and against a constant batch."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from measuring import Effort, Row, demonstrations

from data import tiled

THREADS = 2
LEROBOT_TRAIN = Path(sys.executable).with_name("lerobot-train")
BIG_STATE = ["train.batch_size=256"]
IMAGES_96 = [
    "policy.images=true", "policy.include_obj_pose=false", "policy.down_dims=[64,128,256]", "train.batch_size=32",
]  # fmt: skip


def state(effort: Effort) -> list[Row]:
    """The default network, batch 256."""
    row = Row("training, state policy, batch 256", "`lerobot-train`, same network, data, batch", "≥ 8", "samples/s")
    constant = Row("training, state policy, batch 256", "the same step on one constant batch", "≥ 0.9", "samples/s")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "B.npz"
        tiled(data, effort.pick(20_000, 800))
        ours = Training(Path(folder), data, BIG_STATE)
        steps = effort.pick(40, 3)
        batch = ours.loop.make_batch(ours.loop.sampler(0)[0])
        constant.measure(range(effort.repetitions), lambda: ours.rate(steps), lambda: ours.rate(steps, batch))
        theirs = effort.pick(40, 6)
        row.measure(range(effort.repetitions), lambda: ours.rate(steps), lambda: ours.lerobot_rate(theirs))
    return [row, constant]


def images(effort: Effort) -> list[Row]:
    """Two cameras at 96 px."""
    row = Row("training, image policy, 96 px, batch 32", "`lerobot-train`, same", "≥ 1.3", "samples/s")
    with tempfile.TemporaryDirectory() as folder:
        data = demonstrations(Path(folder), 96, effort.pick(16, 2))
        ours = Training(Path(folder), data, IMAGES_96)
        steps = effort.pick(12, 2)
        return [row.measure(effort.at_most(3), lambda: ours.rate(steps), lambda: ours.lerobot_rate(steps))]


ROWS = {"train_state": state, "train_images": images}


class Training:
    """Our training loop, and LeRobot's on the same dataset."""

    def __init__(self, folder: Path, data: Path, settings: list[str]):
        import torch

        from rev2fwd_il.config.reading import with_changes
        from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset
        from rev2fwd_il.learning.training import make_accelerator, make_loop
        from rev2fwd_il.learning.training_run import TrainingRun
        from rev2fwd_il.running.processes import tune_memory

        tune_memory()  # as every script does first
        torch.set_num_threads(THREADS)
        self.config, self.dataset, self.folder = with_changes(settings), folder / "lerobot", folder
        write_lerobot_dataset([Source(data)], self.dataset, images=self.config.policy.images)
        run = TrainingRun(self.dataset, folder / "ours", self.config, steps=10**6, lr=1e-4)
        self.loop = make_loop(run, make_accelerator(self.config.train.device))
        self._make_batch = self.loop.make_batch
        self.rate(2)

    def rate(self, steps: int, batch: dict | None = None) -> float:
        """Samples a second of our steps; with a `batch`, all of them on that one."""
        self.loop.make_batch = self._make_batch if batch is None else lambda anchors: batch
        started = time.perf_counter()
        for _ in range(steps):
            loss = self.loop.take_step()
        loss.item()  # a GPU has finished, too
        return steps * self.config.train.batch_size / (time.perf_counter() - started)

    def lerobot_rate(self, steps: int) -> float:
        """What lerobot-train reports of its own steps; the first window, which starts its loaders, is left out."""
        policy, train = self.config.policy, self.config.train
        window = max(1, steps // 4)
        settings = {
            "dataset.repo_id": "local/rev2fwd", "dataset.root": self.dataset, "output_dir": self.folder / "theirs",
            "batch_size": train.batch_size, "num_workers": THREADS, "steps": steps, "log_freq": window,
            "save_checkpoint": "false", "env_eval_freq": 0, "wandb.enable": "false", "policy.type": "diffusion",
            "policy.push_to_hub": "false", "policy.device": train.device.partition(":")[0],
            "policy.n_obs_steps": policy.n_obs_steps, "policy.horizon": policy.prediction_horizon,
            "policy.n_action_steps": policy.n_action_steps, "policy.drop_n_last_frames": 7,
            "policy.down_dims": list(policy.diffusion.down_dims), "policy.kernel_size": policy.diffusion.kernel_size,
            "policy.diffusion_step_embed_dim": policy.diffusion.diffusion_step_embed_dim,
        }  # fmt: skip
        if policy.images:
            settings["policy.crop_shape"] = list(self.loop.bundle.config.crop_shape)
            settings |= {"policy.pretrained_backbone_weights": "null", "policy.use_group_norm": "true"}
            settings["policy.input_features"] = _features(self.loop.bundle.config.input_features)
        subprocess.run(["rm", "-rf", self.folder / "theirs"], check=True)
        environment = os.environ | {"OMP_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1"}
        command = [LEROBOT_TRAIN, *(f"--{name}={value}" for name, value in settings.items())]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        # Its own smp/s is this quotient as a whole number, which is coarse for large networks.
        windows = re.findall(r"updt_s:([\d.]+) data_s:([\d.]+)", done.stdout)
        if done.returncode or len(windows) < 2:
            raise RuntimeError(f"lerobot-train failed:\n{done.stdout[-3000:]}")
        return median(train.batch_size / (float(update) + float(waited)) for update, waited in windows[1:])


def _features(described: dict) -> str:
    entries = [
        f'"{name}": {{"type": "{item.type.value}", "shape": {list(item.shape)}}}' for name, item in described.items()
    ]
    return "{" + ", ".join(entries) + "}"
