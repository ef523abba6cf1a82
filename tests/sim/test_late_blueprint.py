"""The browser's viewer gets its layout once its server runs; where that cannot be done, it is said."""

import pytest
import rerun

from rev2fwd_il.running import patches
from rev2fwd_il.running.patches import Patch
from rev2fwd_il.sim.patches import late_blueprint

LAYOUT = rerun.blueprint.Blueprint(rerun.blueprint.Spatial3DView())


@pytest.fixture
def calls(monkeypatch) -> list:
    """What Rerun is asked for; nothing is served."""
    asked = []
    monkeypatch.setattr(patches, "_warned", set())
    monkeypatch.setattr(late_blueprint, "_served", set())
    monkeypatch.setattr(rerun, "serve_grpc", lambda **options: asked.append(("serve", options)) or "address")
    monkeypatch.setattr(rerun, "send_blueprint", lambda layout, **options: asked.append(("send", layout)))
    return asked


def test_the_layout_is_sent_once_the_server_runs(calls, capsys):
    for _ in range(2):
        late_blueprint.send_blueprint_late()  # the second finds it done
    assert rerun.serve_grpc(grpc_port=9876, default_blueprint=LAYOUT) == "address"
    assert calls == [("serve", {"recording": None, "grpc_port": 9876}), ("send", LAYOUT)]
    late_blueprint.confirm()
    assert not capsys.readouterr().err


def test_another_rerun_is_given_the_layout_at_the_start(calls, monkeypatch, capsys):
    monkeypatch.setattr(late_blueprint, "PATCH", Patch("late-blueprint", {"rerun-sdk": "1"}, "it may hang"))
    late_blueprint.send_blueprint_late()
    rerun.serve_grpc(default_blueprint=LAYOUT)
    assert calls == [("serve", {"default_blueprint": LAYOUT})]
    assert capsys.readouterr().err.count("patch 'late-blueprint' is off") == 1


def test_a_viewer_that_starts_otherwise_is_said_once(calls, capsys):
    late_blueprint.send_blueprint_late()
    for _ in range(2):
        late_blueprint.confirm()
    assert capsys.readouterr().err.count("patch 'late-blueprint' is off") == 1
