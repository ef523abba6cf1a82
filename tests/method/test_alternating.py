"""What a chain counts, against a count by hand; no simulator."""

import numpy as np
from synthetic import make_episode

from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.config.run import Config
from rev2fwd_il.method.alternating import Chains
from rev2fwd_il.method.episodes import EpisodeResult
from rev2fwd_il.running.provenance import relevant_settings


def run(chains, env, successes):
    """Let one environment's attempts end like this; the tasks that were attempted."""
    spec, tasks = chains.assign(env, None), []
    for success in successes:
        tasks.append(spec.task)
        failure = None if success else "dropped"
        episode = make_episode(0)
        result = EpisodeResult(spec, env, success, failure, 0.0, episode, np.zeros((len(episode), 9)), 1)
        spec = chains.assign(env, result)
        if spec is None:
            break
    return tasks


def test_what_follows_the_first_failure_is_counted_apart():
    chains = Chains(Config(), 2, max_cycles=2, seed=0, after_failure="reset")
    assert run(chains, 0, [True, False, True, True]) == ["A", "B", "A", "B"]
    assert run(chains, 1, [True, True, False, True]) == ["A", "B", "A", "B"]
    metrics = chains.metrics()
    counts = {task: (metrics[task]["successes"], metrics[task]["attempts"]) for task in "AB"}
    assert counts == {"A": (2, 3), "B": (1, 2)}
    assert metrics["A_success_rate"] == 2 / 3 and metrics["B_success_rate"] == 1 / 2
    after = {task: (row["successes"], row["attempts"]) for task, row in metrics["after_failure"].items()}
    assert after == {"A": (1, 1), "B": (2, 2)}
    assert metrics["consecutive_success"]["per_chain"] == [0, 1]
    assert [chain["ended_by"] for chain in metrics["chains"]] == ["B:dropped", "A:dropped"]


def test_a_chain_that_stops_has_nothing_after_its_failure():
    chains = Chains(Config(), 1, max_cycles=3, seed=0)
    assert run(chains, 0, [True, True, False, True]) == ["A", "B", "A"]
    metrics = chains.metrics()
    assert (metrics["A"]["attempts"], metrics["B"]["attempts"]) == (2, 1)
    assert {row["attempts"] for row in metrics["after_failure"].values()} == {0}


def test_the_record_of_chains_says_whether_they_went_on_after_a_failure():
    for kind, section in (("rollouts", "rollout"), ("chains", "evaluation")):
        settings = relevant_settings(with_changes([f"{section}.after_failure=recover"]), kind)
        assert settings[f"{section}.after_failure"] == "recover" and settings[f"{section}.max_retries"] == 4
