"""Several simulating processes: the chains and starts they share, their order, their errors, and their end."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from rev2fwd_il import processes
from rev2fwd_il.alternating import Chains
from rev2fwd_il.config import Config
from rev2fwd_il.errors import CheckpointError
from rev2fwd_il.evaluation import Starts, evaluation_starts
from rev2fwd_il.parallel import Plan, simulations


def test_shared_chains_start_as_they_do_in_one_process():
    chains = Chains(Config(), 5, max_cycles=2, seed=3)
    shares = chains.split([2, 3])
    again = [part for share in shares for part in share.split([len(share.cycles)])]  # as each process does
    numbered = [(share, env) for share in again for env in range(len(share.cycles))]
    for env, (share, own_env) in enumerate(numbered):
        np.testing.assert_array_equal(chains.assign(env, None).obj_pose, share.assign(own_env, None).obj_pose)


def test_each_start_is_dealt_to_one_process():
    starts = Starts(evaluation_starts(Config().task, "A", 3, 5))
    dealt = []
    for share in starts.split([4, 4]):
        while assignment := share.assign(0, None):
            dealt.append(assignment.index)
    assert sorted(dealt) == list(range(5))


def test_shares_differ_by_one_and_have_streams_of_their_own():
    plan = Plan(Config(), {}, num_envs=5, seed=1, num_processes=3)
    assert [share.num_envs for share in plan.shares()] == [2, 2, 1]
    assert len({share.seed for share in plan.shares()} | {1}) == 4
    assert len(Plan(Config(), {}, num_envs=2, seed=1, num_processes=8).shares()) == 2


def test_what_fails_in_a_process_is_raised_here(tmp_path):
    plan = Plan(Config(), {"A": str(tmp_path / "nowhere")}, num_envs=2, seed=0, num_processes=2)
    with pytest.raises(CheckpointError, match="Policy checkpoint not found"), simulations(plan):
        pass
    assert not [each for each in processes.descendants(os.getpid()) if "spawn_main" in " ".join(each.command)]


PARENT = """
from rev2fwd_il.parallel import _Worker, Plan
from rev2fwd_il.config import Config
if __name__ == "__main__":
    workers = [_Worker(i, share) for i, share in enumerate(Plan(Config(), {}, 2, 0, 2).shares())]
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


def test_two_processes_repeat_themselves_in_the_order_of_steps(tmp_path):
    """Real policies in real simulations, twice."""
    from pathlib import Path

    from rev2fwd_il.config import with_changes
    from rev2fwd_il.learning.conversion import Source, convert
    from rev2fwd_il.learning.train import train
    from rev2fwd_il.learning.training_run import TrainingRun

    config = with_changes(["policy.down_dims=[16,32]", "train.batch_size=4", "rollout.continue_after_failure=true"])
    convert([Source(Path(__file__).parents[1] / "data" / "demonstrations_B.npz")], tmp_path / "data")
    policy = str(train(TrainingRun(tmp_path / "data", tmp_path / "run", config, 2, 1e-4)))
    plan = Plan(config, {"A": policy, "B": policy}, num_envs=3, seed=0, num_processes=2)
    with simulations(plan) as cells:
        once, again = (list(cells.attempts(Chains(config, 3, 1, seed=0), horizon=6)) for _ in range(2))
        cells.close()
    assert [(o.step, o.env, o.assignment.task) for o in once] == [
        *((6, env, "A") for env in range(3)), *((12, env, "B") for env in range(3)),
    ]  # fmt: skip
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first.episode.obj_pose, second.episode.obj_pose)
        np.testing.assert_array_equal(first.episode.action, second.episode.action)
