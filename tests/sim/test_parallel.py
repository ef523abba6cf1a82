"""Several simulating processes: the chains and starts they share, their order, their errors, and their end."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import CheckpointError, SimulationError
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.evaluation import FixedStarts, evaluation_starts
from rev2fwd_il.method.parallel import SimulationSetup, simulations
from rev2fwd_il.running import processes


def test_shared_chains_start_as_they_do_in_one_process():
    chains = Chains(Config(), 5, max_cycles=2, seed=3)
    shares = chains.split([2, 3])
    again = [part for share in shares for part in share.split([len(share.cycles)])]  # as each process does
    numbered = [(share, env) for share in again for env in range(len(share.cycles))]
    for env, (share, own_env) in enumerate(numbered):
        np.testing.assert_array_equal(chains.assign(env, None).obj_pose, share.assign(own_env, None).obj_pose)


def test_each_start_is_dealt_to_one_process():
    starts = FixedStarts(evaluation_starts(Config().task, "A", 3, 5))
    dealt = []
    for share in starts.split([4, 4]):
        while spec := share.assign(0, None):
            dealt.append(spec.index)
    assert sorted(dealt) == list(range(5))


def test_shares_differ_by_one_and_have_streams_of_their_own():
    setup = SimulationSetup(Config(), {}, num_envs=5, seed=1, num_processes=3)
    assert [share.num_envs for share in setup.shares()] == [2, 2, 1]
    assert len({share.seed for share in setup.shares()} | {1}) == 4
    assert len(SimulationSetup(Config(), {}, num_envs=2, seed=1, num_processes=8).shares()) == 2


def test_what_fails_in_a_process_is_raised_here(tmp_path):
    setup = SimulationSetup(Config(), {"A": str(tmp_path / "nowhere")}, num_envs=2, seed=0, num_processes=2)
    with pytest.raises(CheckpointError, match="Policy checkpoint not found"), simulations(setup):
        pass
    assert not [each for each in processes.descendants(os.getpid()) if "spawn_main" in " ".join(each.command)]


PARENT = """
from rev2fwd_il.method.parallel import _Worker, SimulationSetup
from rev2fwd_il.config.run import Config
if __name__ == "__main__":
    workers = [_Worker(i, share) for i, share in enumerate(SimulationSetup(Config(), {}, 2, 0, 2).shares())]
    print("started", flush=True)
    workers[0].receive()
    workers[0].receive()
"""


def test_processes_end_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "started\n"
    deadline = time.monotonic() + 60
    workers = []
    while len(workers) < 2:  # whether they have begun to watch their parent or not: both have to end
        assert time.monotonic() < deadline, "the workers did not start"
        time.sleep(0.01)
        workers = [each.pid for each in processes.descendants(parent.pid) if "--multiprocessing-fork" in each.command]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(processes.read(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.1)


class Slow:
    """What fails only after a while, when the worker has long had nothing else to send."""

    def __reduce__(self):
        time.sleep(0.5)
        raise TypeError("cannot pickle this")


class Unsendable:
    """Chains whose episodes name something that no process can send to another."""

    def __init__(self, chains):
        self.chains = chains

    def assign(self, env, result):
        spec = self.chains.assign(env, result)
        return spec and replace(spec, index=Slow())

    def split(self, num_envs):
        return [Unsendable(share) for share in self.chains.split(num_envs)]


def test_two_processes_repeat_themselves_in_the_order_of_steps(tmp_path):
    """Real policies in real simulations, twice; and what cannot be sent to the parent is an error there."""
    from pathlib import Path

    from rev2fwd_il.config.reading import with_changes
    from rev2fwd_il.learning.dataset_writing import Source, write_lerobot_dataset
    from rev2fwd_il.learning.training import train
    from rev2fwd_il.learning.training_run import TrainingRun

    config = with_changes(["policy.down_dims=[16,32]", "train.batch_size=4"])
    write_lerobot_dataset([Source(Path(__file__).parents[1] / "files" / "demonstrations_B.npz")], tmp_path / "data")
    policy = str(train(TrainingRun(tmp_path / "data", tmp_path / "run", config, 2, 1e-4)))
    setup = SimulationSetup(config, {"A": policy, "B": policy}, num_envs=3, seed=0, num_processes=2)
    going_on = {"after_failure": "reset"}
    with simulations(setup) as cells:
        once, again = (
            list(cells.attempts(Chains(config, 3, 1, seed=0, **going_on), max_episode_steps=6)) for _ in range(2)
        )
        cells.close()
        with pytest.raises(SimulationError, match="pickle"):
            list(cells.attempts(Unsendable(Chains(config, 3, 1, seed=0)), max_episode_steps=6))
    assert [(o.step, o.env, o.spec.task) for o in once] == [
        *((6, env, "A") for env in range(3)), *((12, env, "B") for env in range(3)),
    ]  # fmt: skip
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first.episode.obj_pose, second.episode.obj_pose)
        np.testing.assert_array_equal(first.episode.action, second.episode.action)


@pytest.mark.parametrize(("variable", "threads"), [(None, 1), ("2", 2)])
def test_policies_plan_in_one_thread_unless_told_otherwise(variable, threads):
    code = (
        "import torch; torch.set_num_threads(2); from rev2fwd_il.method import parallel; parallel._plan_in_one_thread()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"OMP_NUM_THREADS": variable} if variable else {}
    command = [sys.executable, "-c", f"{code}; print(torch.get_num_threads())"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert int(told) == threads
