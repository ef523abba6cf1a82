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


@pytest.fixture(scope="module")
def demonstrations(cell, config):
    """One of Task B in each environment."""
    from itertools import islice

    from rev2fwd_il.method.demonstration import demonstrate

    return list(islice(demonstrate(cell, config, "B", 7, images=False), cell.num_envs))
