"""Starting the simulator: solver warnings are errors, and a missing display is said."""

import os

import pytest

from rev2fwd_il.config import Config
from rev2fwd_il.errors import SimulationError
from rev2fwd_il.sim.launch import SolverWatch, simulation


@pytest.mark.parametrize(
    "line",
    [
        "nefc overflow - please increase njmax to 130",
        "Warning: EPA horizon = 12 isn't large enough.",
        "solver iterations limit reached - please increase iterations to 100",
    ],
)
def test_a_solver_warning_is_an_error(line, capfd):
    with SolverWatch().watching() as watch:
        os.write(1, f"fine\n{line}\n".encode())
    with pytest.raises(SimulationError, match="hit a limit"):
        watch.check()
    assert line in capfd.readouterr().out


@pytest.mark.parametrize(
    "line", ["solved", "linesearch iterations limit reached - please increase ls_iterations to 200"]
)
def test_other_output_is_passed_on(line, capfd):
    with SolverWatch().watching() as watch:
        os.write(1, f"{line}\n".encode())
    watch.check()
    assert line in capfd.readouterr().out


def test_a_viewer_without_a_display_is_refused(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SimulationError, match="no display"), simulation(Config(), 1, headless=False):
        pass
