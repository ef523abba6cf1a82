"""W&B records what it is told to, and never fails or holds up a job."""

import time

import pytest

from rev2fwd_il.config.run import make_config
from rev2fwd_il.running.wandb_run import flat, wandb_run


def config(**settings):
    return make_config({"name": "tests", "wandb": {"enabled": True} | settings})


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No account, and no server but a closed port of this machine."""
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def record(config, out):
    with wandb_run(config, "evaluate", out) as run:
        run.log({"loss": 1.0}, 0)
        run.summarize({"rate": 0.5, "chains": [1, 2]})
    return list((out / "wandb").glob("offline-run-*")) if (out / "wandb").exists() else []


def test_without_being_asked_it_does_nothing(tmp_path):
    assert record(config(enabled=False), tmp_path) == []


def test_disabled_leaves_nothing(tmp_path):
    assert record(config(mode="disabled"), tmp_path) == []


@pytest.mark.parametrize("key", [None, "0" * 40])
def test_online_without_key_or_server_records_offline_at_once(tmp_path, monkeypatch, capsys, key):
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    started = time.monotonic()
    assert len(record(config(mode="online"), tmp_path)) == 1
    assert time.monotonic() - started < 60
    assert ("cannot be reached" if key else "no key") in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_switches_it_off(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert record(config(), tmp_path / "file") == []
    assert "W&B is off" in capsys.readouterr().err


def test_nested_results_become_flat_numbers():
    assert flat({"A": {"rate": 0.5, "wilson": [0, 1]}, "n": 3, "none": None}) == {"A.rate": 0.5, "n": 3}
