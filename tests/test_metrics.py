import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rev2fwd_il.metrics import chain_summary, mcnemar, rate

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
