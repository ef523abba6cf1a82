"""Rates with intervals, comparison of two checkpoints on the same starts, and the length of alternating chains.

Every function returns plain Python numbers, ready for JSON.
"""

import numpy as np
import scipy  # scipy.stats is imported when it is first used, not while a simulation waits to start

CONFIDENCE = 0.95
RESAMPLES = 10_000
ROUNDING = 1e-9  # differences of equal rates differ by less
MIN_BOOTSTRAP_RUNS = 20  # below, runs get a t interval


def rate(successes: int, attempts: int) -> dict:
    """A success rate with its 95 % intervals; without attempts, rate and intervals are None.

    Wilson (score) is what figures show, Clopper-Pearson (exact, never too narrow) what claims rest on:
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

    Chains are resampled, not attempts, since attempts inside a chain are not independent. One chain has no interval, no
    chain has no mean either: None.
    """
    chains = np.asarray(consecutive, int)
    out = {"per_chain": chains.tolist(), "mean": None, "median": None, "max": None, "mean_95": None}
    if len(chains):
        out |= {"mean": float(chains.mean()), "median": float(np.median(chains)), "max": int(chains.max())}
    if len(chains) > 1:
        out["mean_95"] = _bootstrap_mean(chains)
    return out


def poisson_rate(events: int, exposure: float) -> dict:
    """Events per unit of exposure with the exact 95 % interval; without exposure, None.

    Garwood, "Fiducial Limits for the Poisson Distribution", Biometrika 28, 1936.
    """
    out = {"events": events, "exposure": exposure, "rate": None, "poisson_95": None}
    if exposure > 0:
        tail = (1 - CONFIDENCE) / 2
        low = float(scipy.stats.gamma.ppf(tail, events)) if events else 0.0
        out["rate"] = events / exposure
        out["poisson_95"] = [low / exposure, float(scipy.stats.gamma.ppf(1 - tail, events + 1)) / exposure]
    return out


def chain_length_estimate(consecutive: list[int], reached_cap: list[bool]) -> dict:
    """How long chains would be without a cap, from the cycles of each and whether the cap ended it.

    `geometric_mean`: a cycle fails with the same chance however many came before; the interval is that of the chance
    (Clopper-Pearson), an upper bound of None has no limit. `kaplan_meier_median` assumes nothing of the kind; None
    where more than half of the chains outlive the cap (Kaplan, Meier 1958).
    """
    cycles, capped = np.asarray(consecutive, int), np.asarray(reached_cap, bool)
    failed, completed = int((~capped).sum()), int(cycles.sum())
    chance = rate(completed, completed + failed)
    out = {"chains": len(cycles), "reached_cap": int(capped.sum()), "cycle_success": chance}
    out |= {"geometric_mean": None, "geometric_mean_95": None, "kaplan_meier_median": None}
    if completed + failed:
        bounds = [p / (1 - p) if p < 1 else None for p in chance["clopper_pearson_95"]]
        out |= {"geometric_mean": completed / failed if failed else None, "geometric_mean_95": bounds}
    if failed:
        sample = scipy.stats.CensoredData(uncensored=cycles[~capped], right=cycles[capped])
        survival = scipy.stats.ecdf(sample).sf
        half = np.flatnonzero(survival.probabilities <= 0.5)
        out["kaplan_meier_median"] = int(survival.quantiles[half[0]]) if len(half) else None
    return out


def over_runs(values, lowest: float = -np.inf, highest: float = np.inf) -> dict:
    """Mean of one number per training run (N,), with 95 % intervals over runs, cut to [lowest, highest].

    `interval_95` is Student's t up to MIN_BOOTSTRAP_RUNS - 1 runs, since a bootstrap of so few values is too narrow;
    from there it is `bootstrap_95`: runs resampled, percentile, fixed seed. docs/decisions.md has the measured coverage
    of both. One run has no interval; nor have runs that are all equal, since their spread is not known to be zero.
    """
    runs = np.asarray(values, float)
    out = {"runs": len(runs), "values": runs.tolist(), "mean": None, "sd": None, "interval_95": None}
    out |= {"method": "none", "bootstrap_95": None}
    if len(runs):
        out["mean"] = float(runs.mean())
    if len(runs) < 2:
        return out
    out["sd"] = float(runs.std(ddof=1))
    if np.ptp(runs) < ROUNDING:
        return out | {"method": "none: all runs are equal"}
    resampled = _bootstrap_mean(runs)
    few = len(runs) < MIN_BOOTSTRAP_RUNS
    student = scipy.stats.t.interval(CONFIDENCE, len(runs) - 1, runs.mean(), scipy.stats.sem(runs))
    for name, interval in (("bootstrap_95", resampled), ("interval_95", student if few else resampled)):
        out[name] = [float(bound) for bound in np.clip(interval, lowest, highest)]
    return out | {"method": "t" if few else "bootstrap"}


def _bootstrap_mean(values: np.ndarray) -> list[float]:
    """95 % percentile interval of the mean, with a fixed seed (`scipy.stats.bootstrap`; Efron, Tibshirani 1993)."""
    interval = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return [float(interval.low), float(interval.high)]
