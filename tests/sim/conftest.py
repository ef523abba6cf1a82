"""One real simulation for all tests here: Isaac Lab takes seconds to start, and a process holds one scene at a time."""

import pytest

from rev2fwd_il.config.run import Config

NUM_ENVS = 6


@pytest.fixture(scope="package")
def config():
    return Config()


@pytest.fixture(scope="package")
def cell(config):
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    with simulation(config, NUM_ENVS, cameras=True) as (env, watch):
        yield Cell(env, watch, config)
