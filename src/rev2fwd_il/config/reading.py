"""Where settings come from: YAML files laid over each other, and `--set` on a command line."""

import functools
import json
from pathlib import Path

import yaml

from rev2fwd_il.config.lerobot_reversal import ReversalFeatures, make_reversal_features
from rev2fwd_il.config.run import Config, make_config
from rev2fwd_il.errors import ConfigError


def load_config(path: str | Path) -> Config:
    """Read one YAML file."""
    return load_configs([path])


def load_configs(paths: list[str | Path]) -> Config:
    """Read YAML files, each laid over those before, as Snakemake lays --configfile over config/config.yaml."""
    values: dict = {}
    for path in paths:
        values = laid_over(values, _read_yaml(Path(path)))
    return make_config(values, ", ".join(map(str, paths)))


def load_reversal_features(path: str | Path | None) -> ReversalFeatures:
    """Read the YAML that says what a LeRobot dataset's features mean; without one, their names say it."""
    return ReversalFeatures() if path is None else make_reversal_features(_read_yaml(Path(path)), str(path))


def laid_over(below: dict, above: dict) -> dict:
    """Both mappings in one, sections within sections too; where they differ, `above` holds."""
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = laid_over(out[key], value) if both else value
    return out


def _read_yaml(path: Path) -> dict:
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML", found=str(error)) from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: not a mapping of keys", expected="key: value lines", found=type(values).__name__)
    return values


def config_from_overrides(assignments: list[str]) -> Config:
    """Config from `section.key=value` strings (value: JSON, or a bare word)."""
    return with_changes(assignments)


def explicit(config: Config, name: str) -> object | None:
    """The value of `section.key` where a file or a command line gave one, else None, whatever its default."""
    *sections, leaf = name.split(".")
    values = functools.reduce(getattr, sections, config)
    return getattr(values, leaf) if leaf in values.model_fields_set else None


def with_changes(assignments: list[str], **sections: dict) -> Config:
    """Config from `section.key=value` strings, and whole keys of sections that command-line flags set."""
    values: dict = {}
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--set {assignment}: not an assignment", expected="section.key=value")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        node = values
        *parents, leaf = path.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"--set {assignment}: {parent} was set to {node!r} before", do="set one of the two")
        node[leaf] = value
    for name, changes in sections.items():
        values[name] = values.get(name, {}) | changes
    return make_config(values, "command line")
