"""Patches of other people's code: written for what is installed, documented, and said once where they do not apply."""

from dataclasses import replace
from pathlib import Path

import pytest

from rev2fwd_il.running import patches
from rev2fwd_il.running.patches import Patch, installed_version

TABLE = Path(__file__).parents[2] / "docs" / "patches.md"


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(patches, "_warned", set())


@pytest.mark.parametrize("patch", patches.ALL, ids=lambda patch: patch.name)
def test_a_patch_is_written_for_what_is_installed(patch, capsys):
    assert patch.written_for and patch.fits()
    assert not capsys.readouterr().err


@pytest.mark.parametrize("patch", patches.ALL, ids=lambda patch: patch.name)
def test_a_patch_is_in_the_documentation(patch):
    (row,) = [line for line in TABLE.read_text().splitlines() if line.startswith(f"| {patch.name} |")]
    assert all(f"{library} {version}" in row for library, version in patch.written_for.items())


@pytest.mark.parametrize("versions", [{"numpy": "0.1"}, {"numpy": "0.1", "pytest": "0"}, {"no-such-library": "1"}])
def test_another_version_is_said_once(versions, capsys):
    patch = Patch("probe", versions, "it is slower")
    assert not patch.fits() and not patch.fits()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: patch 'probe' is off: written for") and line.endswith("it is slower")
    assert all(f"{library} {installed_version(library)}" in line for library in versions)


def test_a_version_stands_for_those_that_begin_with_it():
    numpy = installed_version("numpy")
    patch = Patch("probe", {"numpy": numpy.split(".")[0]}, "it is slower")
    assert patch.fits() and replace(patch, written_for={"numpy": numpy}).fits()
    assert not replace(patch, written_for={"numpy": numpy[0] + numpy}).fits()
