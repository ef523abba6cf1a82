"""What a training shows while it runs: a progress bar and, if asked for, a W&B run. Neither can fail the training."""

import sys
from pathlib import Path

from tqdm import tqdm

from rev2fwd_il.config import Config

TERMINAL_REFRESH_S, LOG_REFRESH_S = 0.5, 15.0


class Progress:
    """Context manager; `update` reports an absolute step."""

    def __init__(self, config: Config, out: Path, steps: int, start: int, enabled: bool = True):
        refresh = TERMINAL_REFRESH_S if sys.stderr.isatty() else LOG_REFRESH_S
        self._bar = tqdm(
            total=steps, initial=start, disable=not enabled, mininterval=refresh, unit="step", desc=Path(out).name
        )
        self._run = _start_wandb(config, Path(out)) if enabled and config.wandb.enabled else None

    def update(self, step: int, loss: float, lr: float) -> None:
        """Show the mean loss since the previous update."""
        self._bar.set_postfix(loss=f"{loss:.4f}", lr=f"{lr:.1e}", refresh=False)
        self._bar.update(step - self._bar.n)
        if self._run is not None:
            self._run.log({"loss": loss, "lr": lr}, step=step)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind, *_) -> None:
        self._bar.close()
        if self._run is not None:
            self._run.finish(exit_code=0 if kind is None else 1)


def _start_wandb(config: Config, out: Path):
    import wandb  # costs a second, and most trainings do without

    out.mkdir(parents=True, exist_ok=True)
    try:
        return wandb.init(
            project=config.wandb.project, mode=config.wandb.mode, dir=out, name=f"{config.name}-{out.name}",
            config=config.model_dump(mode="json"),
        )  # fmt: skip
    except Exception as error:  # wandb raises many types: no network, no account, a full disk
        print(f"warning: W&B is off: {error}", file=sys.stderr)
        return None
