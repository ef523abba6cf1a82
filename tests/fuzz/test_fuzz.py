"""A short run of what `make fuzz` does at length, and the same cases under hypothesis."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.cases import EQUAL, OTHER, REFUSED, Cases, write_originals
from fuzz.mutations import mutated
from rev2fwd_il.errors import DataError
from rev2fwd_il.running.json_files import read_json, write_json

FUZZ = Path(__file__).with_name("fuzz.py")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "originals").mkdir()
    write_originals(folder / "originals")
    return Cases(folder / "originals", folder / "work")


@settings(max_examples=150, deadline=None)
@given(number=st.integers(10**6, 2**32))
def test_a_damaged_file_is_refused_or_equal(cases, number):
    kind, outcome = cases.run(number)
    assert outcome in (REFUSED, EQUAL) or (kind, outcome) == ("rezipped", OTHER)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_mutations_change_something(seed):
    import numpy as np

    assert mutated(b"0123456789" * 30, np.random.default_rng(seed)) != b"0123456789" * 30


def test_the_command_runs_within_its_bounds():
    done = subprocess.run([sys.executable, FUZZ, "--count", "60"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0 and "60 of 60 damaged files" in done.stdout, done.stdout + done.stderr


def test_json_remembers_its_content(tmp_path):
    values = {"rates": {0.05: [1, 2.5]}, "name": "ü", "none": None, "pair": (1, 2)}
    write_json(tmp_path / "x.json", values)
    assert read_json(tmp_path / "x.json", signed=True) == {
        "rates": {"0.05": [1, 2.5]}, "name": "ü", "none": None, "pair": [1, 2],
    }  # fmt: skip
    text = (tmp_path / "x.json").read_text()
    (tmp_path / "x.json").write_text(text.replace("2.5", "2.6"))
    with pytest.raises(DataError, match="was changed"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text('{"by": "hand"}')
    assert read_json(tmp_path / "x.json") == {"by": "hand"}
    with pytest.raises(DataError, match="was changed"):
        read_json(tmp_path / "x.json", signed=True)
