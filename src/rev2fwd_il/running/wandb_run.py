"""Weights & Biases: one group an experiment, one job type a rule. It can fail nothing and keeps nothing waiting.

    with wandb_run(config, "evaluate", out) as run:
        run.log({"rate": 0.9}, step=3)

Without `wandb.enabled` nothing happens. `online` without a key or without its server is recorded offline, in
<out>/wandb; `wandb sync` sends it later.
"""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rev2fwd_il.config.run import Config

REACH_TIMEOUT_S, INIT_TIMEOUT_S, FINISH_TIMEOUT_S = 3.0, 20.0, 60.0


class WandbRun:
    """A W&B run, or none: what goes wrong is said once and ends the recording, not the program."""

    def __init__(self, run=None):
        self._run = run

    def log(self, values: Mapping, step: int | None = None) -> None:
        """Numbers at a step."""
        self._try(lambda run: run.log(dict(values), step=step))

    def summarize(self, values: Mapping) -> None:
        """Results: numbers and texts, nested ones as section.key; lists are left out."""
        self._try(lambda run: run.summary.update(flat(values)))

    def finish(self, exit_code: int) -> None:
        """Close it."""
        self._try(lambda run: run.finish(exit_code=exit_code))
        self._run = None

    def _try(self, action) -> None:
        if self._run is None:
            return
        try:
            action(self._run)
        except Exception as error:  # wandb raises many types: no network, a full disk, its service gone
            print(f"warning: W&B is off from here on: {error}", file=sys.stderr)
            self._run = None


@contextlib.contextmanager
def wandb_run(config: Config, job_type: str, out: Path, enabled: bool = True) -> Iterator[WandbRun]:
    """A run of this experiment's group for one job, its files in <out>/wandb."""
    run = WandbRun(_start(config, job_type, Path(out)) if enabled and config.wandb.enabled else None)
    try:
        yield run
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish(exit_code=0)


def flat(values: Mapping, prefix: str = "") -> dict:
    """Nested mappings as one, keys joined by dots, with numbers and texts only."""
    out = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float | str):
            out[f"{prefix}{key}"] = value
    return out


def _start(config: Config, job_type: str, out: Path):
    import wandb  # costs a second, and most jobs do without

    try:
        out.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            init_timeout=INIT_TIMEOUT_S, finish_timeout=FINISH_TIMEOUT_S, silent=True, disable_git=True
        )
        mode = config.wandb.mode
        if mode == "online" and (missing := _missing(settings.base_url)):
            print(f"warning: W&B records offline in {out / 'wandb'}: {missing}", file=sys.stderr)
            mode = "offline"
        return wandb.init(
            project=config.wandb.project, group=config.name, job_type=job_type, name=f"{job_type} {out.name}",
            mode=mode, dir=out, config=config.model_dump(mode="json"), settings=settings,
        )  # fmt: skip
    except Exception as error:
        print(f"warning: W&B is off: {error}", file=sys.stderr)
        return None


def _missing(address: str) -> str | None:
    """What stands between this job and the server, or None."""
    import wandb

    if not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
        return "no key (WANDB_API_KEY, or `wandb login`)"
    url = urlsplit(os.environ.get("WANDB_BASE_URL") or str(address))
    try:
        socket.create_connection(
            (url.hostname, url.port or (443 if url.scheme == "https" else 80)), REACH_TIMEOUT_S
        ).close()
    except OSError as error:
        return f"{url.hostname} cannot be reached: {error}"
    return None
