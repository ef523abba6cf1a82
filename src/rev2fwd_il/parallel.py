"""Policies in simulations, in one process or in several side by side: one simulation keeps one core busy, no more.

    plan = Plan(config, {"A": checkpoint, "B": checkpoint}, num_envs=64, seed=0, num_processes=2)
    with simulations(plan) as cells:
        for outcome in cells.attempts(chains, horizon=240): ...
        cells.close()

Each of several processes simulates its share of the environments, with a random stream of its own, and hands over every
outcome as its attempt ends. Outcomes are merged in the order of control steps: the same seed and number of processes
give the same ones in the same order. An error in a process is raised here; none outlives this one.
"""

import contextlib
import heapq
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rev2fwd_il.attempts import Attempts, Outcome
from rev2fwd_il.config import Config
from rev2fwd_il.errors import Rev2FwdError, SimulationError
from rev2fwd_il.processes import end_with, tune_memory
from rev2fwd_il.seeds import derive

DONE = None  # the message that ends an answer


@dataclass(frozen=True)
class Plan:
    """What is simulated: `num_envs` environments in all, and the checkpoints that act in them, by task."""

    config: Config
    checkpoints: dict[str, str]
    num_envs: int
    seed: int
    num_processes: int = 1
    cameras: bool = False  # for films or recordings; policies that see have them anyway
    headless: bool = True
    n_action_steps: int | None = None

    def shares(self) -> list["Plan"]:
        """What each process simulates: as many environments as the others, or one less."""
        sizes = [len(part) for part in np.array_split(range(self.num_envs), min(self.num_processes, self.num_envs))]
        seeds = [derive(self.seed, "process", index) for index in range(len(sizes))]
        return [replace(self, num_envs=size, seed=seed) for size, seed in zip(sizes, seeds, strict=True)]


class Simulations(Protocol):
    """One process's simulation, or several."""

    def attempts(self, attempts: Attempts, *, horizon: int, images: bool = False) -> Iterator[Outcome]:
        """Make all attempts; outcomes in the order in which they end."""

    def film(self, joint_pos: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
        """Pictures of recorded states, see `Cell.film`."""

    def close(self) -> None:
        """Raise SimulationError if a solver has warned."""


@contextlib.contextmanager
def simulations(plan: Plan) -> Iterator[Simulations]:
    """Start them; at the end, or after an error, all are gone."""
    if min(plan.num_processes, plan.num_envs) == 1:
        with _here(plan) as cell:
            yield cell
        return
    with contextlib.ExitStack() as stack:
        workers = [_Worker(index, share) for index, share in enumerate(plan.shares())]
        for worker in workers:
            stack.callback(worker.end)
        for worker in workers:
            worker.receive()  # it has started
        yield _SideBySide(workers)


class _Here:
    """The simulation of this process."""

    def __init__(self, plan: Plan, cell, policies: dict):
        self._plan, self.cell, self._policies = plan, cell, policies
        self.film, self.close = cell.film, cell.close

    def attempts(self, attempts: Attempts, *, horizon: int, images: bool = False) -> Iterator[Outcome]:
        from rev2fwd_il.rollout import run_attempts

        (mine,) = attempts.split([self._plan.num_envs])
        run = {"horizon": horizon, "seed": self._plan.seed, "images": images}
        return run_attempts(self.cell, self._plan.config, self._policies, mine.assign, **run)


@contextlib.contextmanager
def _here(plan: Plan) -> Iterator[_Here]:
    from rev2fwd_il.learning.inference import load_policy
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    config, device = plan.config, plan.config.sim.device
    settings = device, config.policy.num_inference_steps, plan.n_action_steps
    policies = {task: load_policy(path, *settings) for task, path in plan.checkpoints.items()}
    cameras = plan.cameras or any(policy.uses_images for policy in policies.values())
    run = {"cameras": cameras, "seed": plan.seed, "headless": plan.headless}
    with simulation(config, plan.num_envs, **run) as (env, watch):
        yield _Here(plan, Cell(env, watch, config), policies)


class _SideBySide:
    """Simulations of other processes."""

    def __init__(self, workers: list["_Worker"]):
        self._workers = workers
        self._firsts = np.cumsum([0, *(worker.num_envs for worker in workers)]).tolist()

    def attempts(self, attempts: Attempts, *, horizon: int, images: bool = False) -> Iterator[Outcome]:
        shares = attempts.split([worker.num_envs for worker in self._workers])
        for worker, share in zip(self._workers, shares, strict=True):
            worker.ask("attempts", share, horizon=horizon, images=images)
        streams = [self._outcomes(worker, first) for worker, first in zip(self._workers, self._firsts)]
        return heapq.merge(*streams, key=lambda outcome: (outcome.step, outcome.env))

    def film(self, joint_pos: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
        self._workers[0].ask("film", joint_pos, obj_pose, target_xy)
        return np.stack(list(self._workers[0].answers()))

    def close(self) -> None:
        for worker in self._workers:
            worker.ask("close")
        for worker in self._workers:
            list(worker.answers())

    def _outcomes(self, worker: "_Worker", first: int) -> Iterator[Outcome]:
        return (replace(outcome, env=first + outcome.env) for outcome in worker.answers())


class _Worker:
    """A process that simulates its share and answers requests, which are calls of `_Here`."""

    def __init__(self, index: int, share: Plan):
        context = multiprocessing.get_context("spawn")
        self.num_envs, self._name = share.num_envs, f"simulating process {index + 1} of {share.num_processes}"
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, share, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen here

    def ask(self, name: str, *arguments, **options) -> None:
        """Request a call; `answers` gives what it returns."""
        with contextlib.suppress(OSError):  # gone: receiving says why
            self._connection.send((name, arguments, options))

    def answers(self) -> Iterator:
        """What the last request brings, item by item."""
        while (item := self.receive()) is not DONE:
            yield item

    def receive(self):
        """The next message. Raises what was raised there, and SimulationError where the process is gone."""
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise SimulationError(
                f"{self._name} ended", found=f"exit status {self._process.exitcode}",
                do="look above for its own words; -9 is often a lack of memory: lower num_envs or num_processes",
            ) from None  # fmt: skip
        if isinstance(message, Exception):
            raise message
        return message

    def end(self) -> None:
        """It has nothing left to write."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection, share: Plan, parent: int) -> None:
    """Main function of a worker process."""
    end_with(parent)
    tune_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent ends us
    try:
        import torch

        torch.set_num_threads(max(1, torch.get_num_threads() // share.num_processes))
        # Sending from a thread: a simulation does not wait until the parent has time for its outcomes.
        with _here(share) as here, ThreadPoolExecutor(1) as sender:
            connection.send(DONE)
            while True:
                name, arguments, options = connection.recv()
                items = getattr(here, name)(*arguments, **options)
                for item in () if items is None else items:
                    sender.submit(connection.send, item)
                sender.submit(connection.send, DONE)
    except EOFError:
        return
    except Rev2FwdError as error:
        connection.send(error)
    except Exception:
        connection.send(SimulationError("a simulating process failed", found=traceback.format_exc()))
