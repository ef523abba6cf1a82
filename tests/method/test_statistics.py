import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rev2fwd_il.method.statistics import chain_length_estimate, chain_summary, mcnemar, poisson_rate, rate

outcomes = st.lists(st.booleans(), max_size=60)


def test_rate_by_hand():
    # Wilson, 8 of 10, z = 1.95996: centre (0.8 + z²/20) / (1 + z²/10) = 0.71675, half width 0.22657
    counts = rate(8, 10)
    assert counts["rate"] == 0.8
    assert counts["wilson_95"] == pytest.approx([0.49016, 0.94331], abs=1e-5)
    # Clopper-Pearson of 10 of 10: (0.025) ** (1 / 10) to 1
    assert rate(10, 10)["clopper_pearson_95"] == pytest.approx([0.025**0.1, 1.0])


def test_rate_without_attempts_is_unknown():
    assert rate(0, 0) == {"successes": 0, "attempts": 0, "rate": None, "wilson_95": None, "clopper_pearson_95": None}


@pytest.mark.parametrize("counts", [(-1, 3), (4, 3), (0, -1)])
def test_impossible_counts(counts):
    with pytest.raises(ValueError):
        rate(*counts)


@settings(deadline=None)  # its first example waits for scipy.stats
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_hold_the_rate_and_mirror(counts):
    successes, attempts = counts
    forward, mirrored = rate(successes, attempts), rate(attempts - successes, attempts)
    for name in ("wilson_95", "clopper_pearson_95"):
        low, high = forward[name]
        assert 0 <= low <= forward["rate"] + 1e-12 and forward["rate"] - 1e-12 <= high <= 1
        assert [1 - high, 1 - low] == pytest.approx(mirrored[name], abs=1e-9)
    json.dumps(forward)


def test_mcnemar_by_hand():
    # 1 start lost, 7 won: two-sided p = 2 (C(8,0) + C(8,1)) / 2^8 = 18 / 256
    first = [True] * 5 + [True] * 1 + [False] * 7 + [False] * 2
    second = [True] * 5 + [False] * 1 + [True] * 7 + [False] * 2
    assert mcnemar(first, second) == {"pairs": 15, "only_first": 1, "only_second": 7, "p": pytest.approx(18 / 256)}


@given(outcomes)
def test_mcnemar_of_equals_is_one(series):
    assert mcnemar(series, series)["p"] == 1.0


@given(outcomes, st.randoms(use_true_random=False))
def test_mcnemar_is_symmetric(series, random):
    other = [random.random() < 0.5 for _ in series]
    assert mcnemar(series, other)["p"] == pytest.approx(mcnemar(other, series)["p"])


def test_mcnemar_wants_pairs():
    with pytest.raises(ValueError, match="not pairs"):
        mcnemar([True], [True, False])


def test_chain_summary_by_hand():
    summary = chain_summary([0, 2, 4, 10])
    assert (summary["per_chain"], summary["mean"], summary["median"], summary["max"]) == ([0, 2, 4, 10], 4.0, 3.0, 10)
    assert summary["mean_95"] == chain_summary([0, 2, 4, 10])["mean_95"]
    assert chain_summary([3, 3, 3])["mean_95"] == [3.0, 3.0]


def test_chain_interval_that_the_readme_gives():
    """The 32 long chains of the default run: mean 17.1, 95 % interval 15.3 to 18.7."""
    lengths = {20: 21, 17: 1, 16: 2, 15: 1, 14: 2, 10: 2, 8: 1, 7: 1, 0: 1}
    order = [20, 20, 0, 7, 20, 20, 14, 20, 15, 20, 20, 20, 20, 17, 8, 20, 20, 16, 16, 20, 20, 20, 20, 14, 20, 10]
    order += [20, 20, 20, 10, 20, 20]
    assert {length: order.count(length) for length in order} == lengths
    summary = chain_summary(order)
    assert summary["mean"] == 17.09375 and summary["mean_95"] == [15.28125, 18.6875]


def test_chain_summary_of_few():
    assert chain_summary([])["mean"] is None
    assert chain_summary([2])["mean_95"] is None


@given(st.lists(st.integers(0, 50), min_size=2, max_size=64))
def test_chain_interval_lies_within_the_chains(consecutive):
    summary = chain_summary(consecutive)
    low, high = summary["mean_95"]
    assert min(consecutive) <= low <= high <= max(consecutive)
    assert summary["mean"] == pytest.approx(np.mean(consecutive))
    json.dumps(summary)


@pytest.mark.parametrize(
    ("events", "low", "high"),
    [(0, 0.0, 3.69), (1, 0.0253, 5.57), (3, 0.619, 8.77), (10, 4.80, 18.39), (20, 12.22, 30.89)],
)
def test_poisson_interval_against_published_limits(events, low, high):
    """Exact 95 % limits of a Poisson count: Garwood 1936, Pearson and Hartley's table 40."""
    estimate = poisson_rate(events, 2.0)
    assert estimate["rate"] == events / 2
    assert np.multiply(2, estimate["poisson_95"]) == pytest.approx([low, high], rel=2e-3)
    assert poisson_rate(0, 0) == {"events": 0, "exposure": 0, "rate": None, "poisson_95": None}


def test_chain_length_without_a_cap_by_hand():
    # chains of 2, 4 and 4 cycles, the last two ended by the cap: 1 failure in 11 cycles, mean 10 cycles a failure
    estimate = chain_length_estimate([2, 4, 4], [False, True, True])
    assert estimate["geometric_mean"] == 10 and estimate["reached_cap"] == 2
    low, high = rate(10, 11)["clopper_pearson_95"]
    assert estimate["geometric_mean_95"] == pytest.approx([low / (1 - low), high / (1 - high)])
    assert estimate["kaplan_meier_median"] is None  # 2 of 3 outlive the cap


def test_kaplan_meier_median_with_censoring_by_hand():
    # at risk 6, 5, 3, 2: S(1) = 5/6, S(2) = 5/6 * 4/5 = 2/3 (one censored there), S(4) = 2/3 * 2/3 = 4/9
    estimate = chain_length_estimate([1, 2, 2, 4, 5, 5], [False, False, True, False, True, True])
    assert estimate["kaplan_meier_median"] == 4


def test_chain_length_without_failures_has_no_upper_bound():
    estimate = chain_length_estimate([5, 5], [True, True])
    assert estimate["geometric_mean"] is None
    assert estimate["geometric_mean_95"] == [pytest.approx(0.025**0.1 / (1 - 0.025**0.1)), None]
    assert chain_length_estimate([0, 0], [False, False])["geometric_mean"] == 0
    json.dumps(estimate)


def test_the_geometric_interval_holds_the_mean_of_simulated_capped_chains():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        cycles = rng.geometric(1 / 31, 32) - 1  # mean 30
        estimate = chain_length_estimate(np.minimum(cycles, 20).tolist(), (cycles >= 20).tolist())
        low, high = estimate["geometric_mean_95"]
        held += low <= 30 <= (high or np.inf)
    assert 186 <= held <= 199
