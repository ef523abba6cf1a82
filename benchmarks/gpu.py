"""GPU: parallel environments, training at the specification's size, and GPU utilization."""

import subprocess
import tempfile
from pathlib import Path
from statistics import mean

import simulation
from measuring import Effort, Row, demonstrations
from training import Training

ENVIRONMENTS = (1, 16, 256, 1024)
SIZE = ["policy.images=true", "policy.include_obj_pose=false", "policy.down_dims=[512,1024,2048]",
        "policy.diffusion_step_embed_dim=128", "train.device=cuda:0", "train.batch_size=32"]  # fmt: skip
QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=200"]


def steps(effort: Effort) -> list[Row]:
    """Control steps a second against the bare loop, 1 to 1024 environments."""
    rows = []
    for num_envs in ENVIRONMENTS:
        row = Row(f"GPU: alternating test, {num_envs} environments", "bare `env.step` loop", "", "steps/s")
        rows.append(row)
        if not _there(row):
            continue
        with simulation.Pools(effort, "cuda:0") as pools:
            sim = pools.start(num_envs, num_envs)
            with _Busy() as busy:
                row.measure(
                    range(effort.repetitions), lambda s=sim: s(simulation.rate), lambda s=sim: s(simulation.bare)
                )
            row.note = busy.note()
    return rows


def train(effort: Effort) -> list[Row]:
    """The image policy of config/gpu.yaml, 128 px."""
    row = Row("GPU: training, image policy of config/gpu.yaml", "`lerobot-train`, same", "", "samples/s")
    if not _there(row):
        return [row]
    with tempfile.TemporaryDirectory() as folder:
        ours = Training(Path(folder), demonstrations(Path(folder), 128, effort.pick(32, 2)), SIZE)
        count = effort.pick(100, 4)
        with _Busy() as busy:
            ours.rate(count)
        row.note = busy.note()
        return [row.measure(effort.at_most(3), lambda: ours.rate(count), lambda: ours.lerobot_rate(count))]


ROWS = {"gpu_steps": steps, "gpu_train": train}


def _there(row: Row) -> bool:
    import torch

    if not torch.cuda.is_available():
        row.note = "no GPU here"
    return torch.cuda.is_available()


class _Busy:
    """GPU utilization while the block runs."""

    def __enter__(self) -> "_Busy":
        self._query = subprocess.Popen(QUERY, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error) -> None:
        self._query.terminate()
        self._percent = [float(line) for line in self._query.communicate()[0].split() if line.isdigit()]

    def note(self) -> str:
        """The mean, as a note for the table."""
        return f"GPU busy {mean(self._percent):.0f} %" if self._percent else ""
