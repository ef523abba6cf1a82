"""A teacher takes over from a policy in the middle of its attempts, and what the teacher does from there is kept.

    corrections = Corrections(config, "A", range(256), seed=0)
    for result in cells.attempts(corrections, max_episode_steps=240):
        if corrected(result): ...

DAgger asks an expert what to do in the states that a policy comes to. Here the expert is a policy that observes poses,
which can be asked anywhere. A policy predicts chunks of actions, and what is asked for at each step of somebody else's
way makes no chunk: so the teacher acts, from a random step of the policy's attempt to the end of the task, and its
episode is a demonstration that begins where the policy has brought things. Both parts are judged as one: the policy may
have lifted what the teacher only sets down. They are recorded with images for policies that see, since a replay from
the middle could not be judged. Attempts that the policy ends before that step bring nothing; those that go wrong last
longer, so they are taken over more often.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from rev2fwd_il.config.run import Config
from rev2fwd_il.method.episodes import EpisodeResult, EpisodeSpec
from rev2fwd_il.seeds import generator
from rev2fwd_il.tasks import make_task

PUPIL, TEACHER = "pupil", "teacher"


class Corrections:
    """Assigns attempts of the policy PUPIL, each up to a step of its own, and what TEACHER makes of them.

    Start and step of an attempt depend on the seed, the task and its number, so that `num_envs` changes nothing.
    """

    def __init__(self, config: Config, task: str, numbers: Iterable[int], seed: int):
        self._config, self._task, self._direction, self._seed = config, make_task(config.task), task, seed
        self._longest = config.rollout.max_episode_steps
        self._waiting = deque(numbers)

    def assign(self, env: int, result: EpisodeResult | None) -> EpisodeSpec | None:
        """The teacher's part of an attempt that has not succeeded, else the policy's of the next."""
        if result is not None and result.spec.policy == PUPIL and not result.success:
            return EpisodeSpec(
                self._direction, result.spec.target_pose, index=result.spec.index, policy=TEACHER, continues=True
            )
        return self._attempt(self._waiting.popleft()) if self._waiting else None

    def split(self, num_envs: Iterable[int]) -> list["Corrections"]:
        """The same attempts, dealt out like cards to so many shares."""
        waiting, parts = list(self._waiting), len(list(num_envs))
        return [Corrections(self._config, self._direction, waiting[index::parts], self._seed) for index in range(parts)]

    def _attempt(self, index: int) -> EpisodeSpec:
        rng = generator(self._seed, "corrections", self._direction, index)
        start = self._task.sample_initial_states(self._direction, rng, 1)
        spec = EpisodeSpec(self._direction, start.target_pose[0], start.ee_pose[0], start.obj_pose[0], index)
        return replace(spec, policy=PUPIL, max_steps=int(rng.integers(1, self._longest)))


def corrected(result: EpisodeResult) -> bool:
    """Whether this is the teacher's part of an attempt, and it succeeded."""
    return result.spec.policy == TEACHER and result.success
