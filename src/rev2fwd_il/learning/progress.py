"""What a training shows while it runs: a progress bar and, if asked for, a W&B run. Neither can fail the training."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from rev2fwd_il.config.run import Config
from rev2fwd_il.running.wandb_run import wandb_run

TERMINAL_REFRESH_S, LOG_REFRESH_S = 0.5, 15.0


class Progress:
    """Context manager; `update` reports an absolute step."""

    def __init__(self, config: Config, out: Path, steps: int, start: int, *, job_type: str, enabled: bool = True):
        refresh = TERMINAL_REFRESH_S if sys.stderr.isatty() else LOG_REFRESH_S
        self._bar = tqdm(
            total=steps, initial=start, disable=not enabled, mininterval=refresh, unit="step", desc=Path(out).name
        )
        self._open = contextlib.ExitStack()
        self._open.callback(self._bar.close)
        self._run = self._open.enter_context(wandb_run(config, job_type, out, enabled))

    def update(self, step: int, loss: float, lr: float, parts: Mapping[str, Tensor] | None = None) -> None:
        """Show the mean loss since the previous update, and the parts of the last one where it has some."""
        now = {name: float(value) for name, value in (parts or {}).items()}
        shown = {name: f"{value:.4f}" for name, value in now.items()}
        self._bar.set_postfix(loss=f"{loss:.4f}", **shown, lr=f"{lr:.1e}", refresh=False)
        self._bar.update(step - self._bar.n)
        self._run.log({"loss": loss, "lr": lr} | now, step)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        self._open.__exit__(*error)
