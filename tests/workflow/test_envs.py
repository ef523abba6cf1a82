"""Locks, conda files and set-up agree and name no place."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ["work", "engine"]
NOT_LISTED = {"rerun": ["rerun-sdk"]}  # a package whose modules lie beside the place that lists them
NOT_INSTALLED = {"isaacsim"}  # asked for where it may be missing


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.split("[")[0]).lower()


def locked(environment: str) -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9_.\-]+)==([^\s;\\]+)", (ROOT / f"envs/{environment}.txt").read_text(), re.M)
    return {canonical(name): version for name, version in lines}


def asked_for(environment: str) -> list[str]:
    lines = (ROOT / f"envs/{environment}.in").read_text().splitlines()
    return [re.match(r"[A-Za-z0-9_.\-]+", line).group() for line in lines if line.strip() and not line.startswith("#")]


def imported_distributions() -> set[str]:
    """What installs the modules that the library and the scripts import."""
    names = set()
    for path in [*(ROOT / "src" / "rev2fwd_il").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    names -= {*sys.stdlib_module_names, "rev2fwd_il", *NOT_INSTALLED}
    known = importlib.metadata.packages_distributions() | NOT_LISTED
    return {canonical(distribution) for name in names for distribution in known[name]}


def requirements() -> dict[str, Requirement]:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return {canonical(requirement.name): requirement for requirement in map(Requirement, listed)}


def test_what_is_imported_is_asked_for_by_name_and_nothing_else_is():
    tools = {"pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "ruff"}
    assert imported_distributions() == set(requirements())
    assert {canonical(name) for name in asked_for("work")} == set(requirements()) | tools


def test_the_locks_lie_within_the_bounds_of_the_package():
    for name, requirement in requirements().items():
        for lock in map(locked, ENVIRONMENTS):
            shared = name in ("pydantic", "pyyaml", "psutil")
            if lock == locked("work") or shared:
                assert requirement.specifier.contains(lock[name]), f"{requirement}: locked is {lock[name]}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_lock_holds_what_is_asked_for(environment):
    missing = {canonical(name) for name in asked_for(environment)} - set(locked(environment))
    assert not missing, "run `make lock`"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_conda_file_pins_the_versions_of_the_lock(environment):
    conda = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())
    pins = dict(pin.split("==") for pin in conda["dependencies"][-1]["pip"])
    lock = locked(environment)
    assert {canonical(name): version for name, version in pins.items()} == {
        canonical(name): lock[canonical(name)] for name in asked_for(environment)
    }
    assert f"python={(ROOT / '.python-version').read_text().strip()}" in conda["dependencies"]


@pytest.mark.parametrize("environment", ["work", "engine", "uv"])
def test_every_pin_has_a_hash_and_no_address(environment):
    text = (ROOT / f"envs/{environment}.txt").read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
    assert blocks and all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|index-url|find-links|file:", text)


def test_both_environments_share_the_versions_of_what_the_library_needs_in_both():
    work, engine = locked("work"), locked("engine")
    for name in ("pydantic", "pyyaml", "psutil"):
        assert work[name] == engine[name]


def test_a_second_set_up_does_nothing():
    if not (ROOT / ".venv/rev2fwd.stamp").exists():
        pytest.skip("the environments here were not built by envs/setup.sh")
    result = subprocess.run([ROOT / "envs/setup.sh"], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (0, "")
