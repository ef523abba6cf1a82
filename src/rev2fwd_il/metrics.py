"""Rates with intervals, comparison of two checkpoints on the same starts, and the length of alternating chains.

Every function returns plain Python numbers, ready for JSON.
"""

import numpy as np
import scipy  # scipy.stats is imported when it is first used, not while a simulation waits to start

CONFIDENCE = 0.95
RESAMPLES = 10_000


def rate(successes: int, attempts: int) -> dict:
    """A success rate with its 95 % intervals; without attempts, rate and intervals are None.

    Wilson (score) is what pictures show, Clopper-Pearson (exact, never too narrow) what claims rest on:
    Brown, Cai, DasGupta, "Interval Estimation for a Binomial Proportion", 2001. Raises ValueError for other counts.
    """
    successes, attempts = int(successes), int(attempts)
    if not 0 <= successes <= attempts:
        raise ValueError(f"{successes} successes in {attempts} attempts")
    out = {"successes": successes, "attempts": attempts, "rate": None, "wilson_95": None, "clopper_pearson_95": None}
    if attempts:
        test = scipy.stats.binomtest(successes, attempts)
        out["rate"] = successes / attempts
        for name, method in (("wilson_95", "wilson"), ("clopper_pearson_95", "exact")):
            interval = test.proportion_ci(CONFIDENCE, method)
            out[name] = [float(interval.low), float(interval.high)]
    return out


def mcnemar(first, second) -> dict:
    """Exact two-sided McNemar test of two success series (N,) bool on the same N starts.

    Only starts where the two differ tell them apart; under the null each of those is a fair coin
    (McNemar, Psychometrika 12, 1947). Raises ValueError when the series are not paired.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"not pairs: {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    p = float(scipy.stats.binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
    return {"pairs": len(first), "only_first": only_first, "only_second": only_second, "p": p}


def chain_summary(consecutive: list[int]) -> dict:
    """Consecutive successes of each chain: mean, median, max, and a 95 % bootstrap interval of the mean.

    Chains are resampled, not attempts, since attempts inside a chain are not independent (percentile bootstrap with a
    fixed seed; Efron, Tibshirani 1993). One chain has no interval, no chain has no mean either: None.
    """
    chains = np.asarray(consecutive, int)
    out = {"per_chain": chains.tolist(), "mean": None, "median": None, "max": None, "mean_95": None}
    if len(chains):
        out |= {"mean": float(chains.mean()), "median": float(np.median(chains)), "max": int(chains.max())}
    if len(chains) > 1:
        samples = np.random.default_rng(0).choice(chains, (RESAMPLES, len(chains))).mean(axis=1)
        out["mean_95"] = [float(q) for q in np.quantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])]
    return out
