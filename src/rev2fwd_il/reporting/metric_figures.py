"""Figures of metrics: success against iteration, consecutive successes, kinds of failure."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from rev2fwd_il import keys
from rev2fwd_il.reporting.analysis import count_chain_lengths
from rev2fwd_il.reporting.figure_style import DARK, LIGHT, MIDDLE, label_iterations
from rev2fwd_il.reporting.results import Results

TASK_STYLE = {
    keys.TASK_A: {"color": DARK, "marker": "o", "linestyle": "-"},
    keys.TASK_B: {"color": MIDDLE, "marker": "s", "linestyle": "--"},
}
ARM_STYLE = {
    "with_rollouts": {},
    "no_rollouts": {"mfc": "w", "alpha": 0.75, "linestyle": ":"},
    "forward_demos": {"mfc": "w", "marker": "^"},
    "teacher": {"mfc": "w", "marker": "D", "linestyle": "-."},
}
ARM_LABEL = {
    "with_rollouts": "",
    "no_rollouts": "no rollouts, ",
    "forward_demos": "forward demonstrations, ",
    "teacher": "teacher, ",
}
OFFSETS = {  # side by side where intervals would cover each other
    (arm, task): 0.05 * (2 * i + j) - 0.05 for i, arm in enumerate(ARM_STYLE) for j, task in enumerate(TASK_STYLE)
}
FAILURE_STYLE = {  # kind: (fill, hatch); kinds not listed come last
    "never_reached": ("#12355b", ""),
    "missed_grasp": ("#f2f2f2", "////"),
    "dropped": ("#d1495b", ".."),
    "lifted_too_low": ("#c9b8dd", "\\\\\\\\"),
    "placed_wide": ("#8fb8a8", ""),
    "not_released": ("#edae49", "xx"),
    "timeout": ("#9a9a9a", "--"),
}
OTHER_FAILURE_STYLES = (("k", ""), ("w", "||"), ("#5f4b8b", "\\\\\\\\"), ("w", "oo"))  # kinds of other tasks, in turn


def success_curve(results: Results) -> Figure:
    """Success rate of both tasks on independent episodes against iteration, with 95 % Wilson intervals."""
    figure, axis = plt.subplots(figsize=(7.5, 4.5))
    series: dict[tuple[str, str], dict[int, dict]] = {}
    for arm, task, n, metrics in results.tests():
        if metrics.get("rate") is not None:
            series.setdefault((arm, task), {})[n] = metrics
    for (arm, task), known in series.items():
        x, rates = np.array([*known]) + OFFSETS[arm, task], np.array([m["rate"] for m in known.values()])
        bounds = np.array([m.get("wilson_95") or [m["rate"]] * 2 for m in known.values()])
        errors = np.maximum(0, np.abs(bounds.T - rates))
        first = next(iter(known.values()))
        label = f"task {task}, {_cm(first.get('distance_threshold'))} (n = {first.get('num_episodes')})"
        style = TASK_STYLE[task] | ARM_STYLE[arm]
        axis.errorbar(x, rates, errors, capsize=4, lw=1.8, ms=7, label=ARM_LABEL[arm] + label, **style)
    label_iterations(axis, "iteration of the policy")
    axis.set(ylabel="success rate, 95 % Wilson interval", ylim=(-0.02, 1.02))
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    if axis.has_data():
        axis.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return figure


def chains(results: Results) -> Figure:
    """Consecutive successes of every chain against the iteration of the policies; areas count chains."""
    figure, axis = plt.subplots(figsize=(7.5, 4.5))
    tests = {n - 1: metrics for n, metrics in results.alternating.items()} | results.long_chains
    means = {}
    for n, metrics in tests.items():
        summary = metrics.get("consecutive_success") or {}
        counts = count_chain_lengths(metrics)
        areas = 45 * np.array([*counts.values()])
        axis.scatter(np.full(len(counts), n), [*counts], s=areas, color=LIGHT, edgecolors="k", lw=0.5)
        for length, count in counts.items():
            axis.annotate(count, (n, length), ha="center", va="center", fontsize=7)
        if summary.get("mean") is not None:
            means[n] = (summary["mean"], *(summary.get("mean_95") or [summary["mean"]] * 2))
        if metrics.get("max_cycles") is not None:
            axis.hlines(metrics["max_cycles"], n - 0.4, n + 0.4, color="0.3", ls="--", lw=1)
    if means:
        mean, low, high = np.array([*means.values()]).T
        errors = np.maximum(0, [mean - low, high - mean])
        axis.errorbar(
            np.array([*means]) + 0.18, mean, errors, color=MIDDLE, marker="D", ls="", capsize=4, label="mean, 95 %"
        )
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    label_iterations(axis, "iteration of the policies (in circles: number of chains; dashed: most cycles allowed)")
    axis.set(ylabel="consecutive successful cycles")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def practice(results: Results) -> Figure:
    """Interventions per 1,000 attempts of chains that go on after failures, against the iteration of the policies."""
    figure, axis = plt.subplots(figsize=(7.5, 4.2))
    series: dict[str, list[tuple[int, float, float, float]]] = {}
    for test, n, numbers in results.practice():
        rate = numbers["interventions_per_1000_attempts"]
        if rate["rate"] is not None:
            series.setdefault(test, []).append((n, rate["rate"], *rate["poisson_95"]))
    for (test, rows), (color, marker) in zip(series.items(), ((DARK, "o"), (MIDDLE, "D"))):
        n, rates, low, high = np.array(rows).T
        shown = np.where(rates > 0, rates, high)  # a logarithmic axis has no zero: there the upper bound is drawn
        errors = np.stack([np.where(rates > 0, rates - low, 0), high - shown])
        axis.errorbar(
            n, shown, errors, color=color, capsize=4, lw=1.6, ls=":", ms=7, marker=marker, mfc="none", label=test
        )
        axis.plot(n[rates > 0], rates[rates > 0], color=color, marker=marker, ms=7, ls="")
    label_iterations(axis, "iteration of the policies")
    axis.set(ylabel="interventions per 1,000 attempts", yscale="log")
    if axis.has_data():
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure


def failures(results: Results) -> Figure:
    """Failed evaluation episodes by kind, stacked, against iteration; one panel per task."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    counts = {
        task: {n: m.get("failures") or {} for n, m in tests.items()} for task, tests in results.evaluation.items()
    }
    occurring = {kind for tests in counts.values() for test in tests.values() for kind in test}
    styles = {kind: style for kind, style in FAILURE_STYLE.items() if kind in occurring}
    styles |= dict(zip(sorted(occurring - FAILURE_STYLE.keys()), cycle(OTHER_FAILURE_STYLES)))
    for axis, task in zip(axes, keys.TASKS):
        tests = counts.get(task, {})
        bottom = np.zeros(len(tests))
        for kind, (fill, hatch) in styles.items():
            heights = np.array([test.get(kind, 0) for test in tests.values()], float)
            label = kind.replace("_", " ")
            axis.bar([*tests], heights, 0.6, bottom, color=fill, hatch=hatch, edgecolor="k", lw=0.6, label=label)
            bottom += heights
        label_iterations(axis, "iteration of the policy")
        axis.set_title(f"task {task}")
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("failed episodes")
    if occurring:
        source = axes[0] if axes[0].containers else axes[1]
        figure.legend(*source.get_legend_handles_labels(), ncols=6 if len(styles) <= 6 else 4, loc="lower center",
                      bbox_to_anchor=(0.5, 0.98), frameon=False)  # fmt: skip
    return figure


def _cm(metres: float | None) -> str:
    return "" if metres is None else f"{100 * metres:g} cm"
