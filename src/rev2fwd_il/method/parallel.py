"""Policies in simulations, in one process or in several side by side: one simulation keeps one core busy, no more.

    setup = SimulationSetup(config, {"A": checkpoint, "B": checkpoint}, num_envs=64, seed=0, num_processes=2)
    with simulations(setup) as cells:
        for result in cells.attempts(chains, max_episode_steps=240): ...
        cells.close()

Each of several processes simulates its share of the environments, with a random stream of its own, and hands over every
result as its attempt ends. Results are merged in the order of control steps: the same seed and number of processes
give the same ones in the same order. An error in a process is raised here; none outlives this one.
"""

import contextlib
import heapq
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import Rev2FwdError, SimulationError
from rev2fwd_il.method.episodes import EpisodeResult, EpisodeScheduler
from rev2fwd_il.method.tolerances import FurtherTolerances
from rev2fwd_il.running.command_line import NO_VIEWER
from rev2fwd_il.running.processes import end_with, tune_memory
from rev2fwd_il.seeds import derive
from rev2fwd_il.tasks import make_task

DONE = None  # the message that ends an answer


@dataclass(frozen=True)
class SimulationSetup:
    """What is simulated: `num_envs` environments in all, and the checkpoints that act in them, by name."""

    config: Config
    checkpoints: dict[str, str]
    num_envs: int
    seed: int
    num_processes: int = 1
    cameras: bool = False  # for videos or recordings; policies that see have them anyway
    viewer: str = NO_VIEWER
    n_action_steps: int | None = None  # None, here and below: the checkpoint's own
    num_inference_steps: int | None = None

    def shares(self) -> list["SimulationSetup"]:
        """What each process simulates: as many environments as the others, or one less."""
        sizes = [len(part) for part in np.array_split(range(self.num_envs), min(self.num_processes, self.num_envs))]
        seeds = [derive(self.seed, "process", index) for index in range(len(sizes))]
        viewers = [self.viewer, *[NO_VIEWER] * (len(sizes) - 1)]  # one is enough
        return [
            replace(self, num_envs=size, seed=seed, viewer=viewer)
            for size, seed, viewer in zip(sizes, seeds, viewers, strict=True)
        ]


class Simulations(Protocol):
    """One process's simulation, or several."""

    def attempts(
        self,
        attempts: EpisodeScheduler,
        *,
        max_episode_steps: int,
        images: bool = False,
        tolerances_m: tuple[float, ...] = (),
    ) -> Iterator[EpisodeResult]:
        """Make all attempts; results in the order in which they end, judged at these further tolerances as well."""

    def render_video(self, joint_pos: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
        """Images of recorded states, see `Cell.render_video`."""

    def close(self) -> None:
        """Raise SimulationError if a solver has warned."""


@contextlib.contextmanager
def simulations(setup: SimulationSetup) -> Iterator[Simulations]:
    """Start them; at the end, or after an error, all are gone."""
    if min(setup.num_processes, setup.num_envs) == 1:
        with _here(setup) as cell:
            yield cell
        return
    with contextlib.ExitStack() as stack:
        workers = [_Worker(index, share) for index, share in enumerate(setup.shares())]
        for worker in workers:
            stack.callback(worker.end)
        for worker in workers:
            worker.receive()  # it has started
        yield _SideBySide(workers)


class _Here:
    """The simulation of this process."""

    def __init__(self, setup: SimulationSetup, cell, policies: dict):
        self._setup, self.cell, self._policies = setup, cell, policies
        sees = any(policy.uses_images for policy in policies.values())
        self.render_video, self.close = partial(cell.render_video, with_cameras=sees), cell.check_solver

    def attempts(
        self,
        attempts: EpisodeScheduler,
        *,
        max_episode_steps: int,
        images: bool = False,
        tolerances_m: tuple[float, ...] = (),
    ) -> Iterator[EpisodeResult]:
        from rev2fwd_il.method.rollout import run_attempts

        (mine,) = attempts.split([self._setup.num_envs])
        further = FurtherTolerances(make_task(self._setup.config.task), self._setup.num_envs, tolerances_m)
        run = {"max_episode_steps": max_episode_steps, "seed": self._setup.seed, "images": images, "further": further}
        return run_attempts(self.cell, self._setup.config, self._policies, mine.assign, **run)


def _plan_in_one_thread() -> None:
    """As the rules have it, unless OMP_NUM_THREADS says otherwise: sums of several threads round differently."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


@contextlib.contextmanager
def _here(setup: SimulationSetup) -> Iterator[_Here]:
    from rev2fwd_il.learning.inference import load_policy
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.launch import simulation

    _plan_in_one_thread()
    config, device = setup.config, setup.config.sim.device
    settings = device, setup.num_inference_steps, setup.n_action_steps
    policies = {task: load_policy(path, *settings) for task, path in setup.checkpoints.items()}
    cameras = setup.cameras or any(policy.uses_images for policy in policies.values())
    run = {"cameras": cameras, "seed": setup.seed, "viewer": setup.viewer}
    with simulation(config, setup.num_envs, **run) as (env, watch):
        yield _Here(setup, Cell(env, watch, config, looks="policies"), policies)


class _SideBySide:
    """Simulations of other processes."""

    def __init__(self, workers: list["_Worker"]):
        self._workers = workers
        self._firsts = np.cumsum([0, *(worker.num_envs for worker in workers)]).tolist()

    def attempts(self, attempts: EpisodeScheduler, **options) -> Iterator[EpisodeResult]:
        shares = attempts.split([worker.num_envs for worker in self._workers])
        for worker, share in zip(self._workers, shares, strict=True):
            worker.ask("attempts", share, **options)
        streams = [self._results(worker, first) for worker, first in zip(self._workers, self._firsts)]
        return heapq.merge(*streams, key=lambda result: (result.step, result.env))

    def render_video(self, joint_pos: np.ndarray, obj_pose: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
        self._workers[0].ask("render_video", joint_pos, obj_pose, target_xy)
        return np.stack(list(self._workers[0].answers()))

    def close(self) -> None:
        for worker in self._workers:
            worker.ask("close")
        for worker in self._workers:
            list(worker.answers())

    def _results(self, worker: "_Worker", first: int) -> Iterator[EpisodeResult]:
        return (replace(result, env=first + result.env) for result in worker.answers())


class _Worker:
    """A process that simulates its share and answers requests, which are calls of `_Here`."""

    def __init__(self, index: int, share: SimulationSetup):
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


def _serve(connection, share: SimulationSetup, parent: int) -> None:
    """Main function of a worker process."""
    end_with(parent)
    tune_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent ends us
    try:
        import torch

        torch.set_num_threads(max(1, torch.get_num_threads() // share.num_processes))
        with _here(share) as here, ThreadPoolExecutor(1) as thread:
            sender = _Sender(connection, thread)
            connection.send(DONE)
            while True:
                name, arguments, options = connection.recv()
                items = getattr(here, name)(*arguments, **options)
                for item in () if items is None else items:
                    sender.send(item)
                sender.flush()  # before the answer ends: what could not be sent must not look like a complete answer
                connection.send(DONE)
    except EOFError:
        return
    except Exception as error:
        known = isinstance(error, Rev2FwdError)
        message = error if known else SimulationError("a simulating process failed", found=traceback.format_exc())
        with contextlib.suppress(OSError):  # the parent is gone: nobody to tell
            connection.send(message)


class _Sender:
    """Sends from a thread, so that a simulation does not wait for its parent; raises here what sending raises there."""

    def __init__(self, connection, thread: ThreadPoolExecutor):
        self._connection, self._thread, self._pending = connection, thread, deque()

    def send(self, message) -> None:
        """Send after all that were asked before. Raises what a former message met with."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._connection.send, message))

    def flush(self) -> None:
        """Wait until all is sent."""
        while self._pending:
            self._pending.popleft().result()
