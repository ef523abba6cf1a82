"""Locks, conda files and set-up agree and name no place."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ["work", "engine"]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.split("[")[0]).lower()


def locked(environment: str) -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9_.\-]+)==([^\s;\\]+)", (ROOT / f"envs/{environment}.txt").read_text(), re.M)
    return {canonical(name): version for name, version in lines}


def asked_for(environment: str) -> list[str]:
    lines = (ROOT / f"envs/{environment}.in").read_text().splitlines()
    return [re.match(r"[A-Za-z0-9_.\-]+", line).group() for line in lines if line.strip() and not line.startswith("#")]


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
    assert work["pydantic"] == engine["pydantic"] and work["pyyaml"] == engine["pyyaml"]


def test_a_second_set_up_does_nothing():
    if not (ROOT / ".venv/rev2fwd.stamp").exists():
        pytest.skip("the environments here were not built by envs/setup.sh")
    result = subprocess.run([ROOT / "envs/setup.sh"], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (0, "")
