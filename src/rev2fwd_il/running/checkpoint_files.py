"""What a checkpoint's files say, without importing LeRobot: whether it is there, names no code, and how it plans."""

import json
import re
from pathlib import Path

from rev2fwd_il.errors import CheckpointError
from rev2fwd_il.running.provenance import WEIGHTS

CONFIG, PREPROCESSOR = "config.json", "policy_preprocessor.json"
PROCESSORS = (PREPROCESSOR, "policy_postprocessor.json")
REQUIRED = (CONFIG, WEIGHTS, PREPROCESSOR)
REGISTERED_NAME = re.compile(r"[A-Za-z0-9_]+")


def check_checkpoint(path: str | Path) -> None:
    """Raise CheckpointError where `path` is no folder pretrained_model with all it needs, or names code to be run."""
    path = Path(path)
    missing = [name for name in REQUIRED if not (path / name).is_file()]
    if missing:
        raise CheckpointError(
            f"Policy checkpoint not found: {path}", expected="a pretrained_model folder with config.json and weights",
            found=f"no {', '.join(missing)}" if path.is_dir() else "no such folder",
            do="make sure the initial training completed; the path ends in checkpoints/last/pretrained_model",
        )  # fmt: skip
    _check_type(path / CONFIG)
    for name in PROCESSORS:
        if (path / name).is_file():
            _check_steps(path / name)


def planning_steps(path: str | Path, num_inference_steps: int | None = None, n_action_steps: int | None = None) -> dict:
    """What a checkpoint plans with, its own numbers unless others are given; None where its kind of policy has none.

    Raises CheckpointError where its config.json cannot be read.
    """
    own = _read_object(Path(path) / CONFIG)
    steps = own.get("num_inference_steps") or own.get("num_train_timesteps")  # LeRobot's: all of them
    return {
        "num_inference_steps": num_inference_steps or steps,
        "n_action_steps": n_action_steps or own.get("n_action_steps"),
    }


def _check_type(file: Path) -> None:
    kind = _read_object(file).get("type")
    if not isinstance(kind, str) or not REGISTERED_NAME.fullmatch(kind):
        raise CheckpointError(f"{file}: names no policy class of LeRobot", expected='"type": "diffusion"', found=kind)


def _check_steps(file: Path) -> None:
    """LeRobot imports and calls any class that a step names by its path; a registered name reaches its own only."""
    steps = _read_object(file).get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise CheckpointError(f"{file}: has no list of steps", found=steps)
    for index, step in enumerate(steps):
        name, state = step.get("registry_name"), step.get("state_file", "none")
        if "class" in step or not isinstance(name, str) or not REGISTERED_NAME.fullmatch(name):
            raise CheckpointError(
                f"{file}: step {index} names Python code, which would be run",
                expected="the registered name of a step of LeRobot's", found=step.get("class", name),
                do="use no checkpoint of a maker whom you do not know; register the step with LeRobot if it is yours",
            )  # fmt: skip
        if not isinstance(state, str) or Path(state).name != state:
            raise CheckpointError(
                f"{file}: the state of step {index} lies elsewhere", expected="a file beside it", found=state
            )


def _read_object(file: Path) -> dict:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: cannot be read", found=error) from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{file}: is no JSON object", found=type(content).__name__)
    return content
