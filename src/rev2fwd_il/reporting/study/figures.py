"""The figures of a study: means over seeds with 95 % intervals over runs, a panel for each task and direction.

Every function takes the summary's rows and returns a figure with the rows that it shows, or None where there is nothing
to show: no second number of demonstrations, no task with a clearance, no chain that went on after a failure.
"""

from collections.abc import Callable, Iterable
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rev2fwd_il import keys
from rev2fwd_il.config.expansion import DEMONSTRATIONS, POLICY, TASK_KIND
from rev2fwd_il.config.run import evaluated_in
from rev2fwd_il.reporting import formats
from rev2fwd_il.reporting.figure_style import DARK, LIGHT, MIDDLE, label_iterations
from rev2fwd_il.reporting.metric_figures import FAILURE_STYLE, OTHER_FAILURE_STYLES
from rev2fwd_il.reporting.runs import ARM, CHOSEN, FAILURES, INTERVENTIONS, ITERATION, MINUTES, RATE, YIELD
from rev2fwd_il.reporting.study.measures import CLEARANCE

COLORS = (DARK, MIDDLE, "#3a7d44", "#b07c0c", "#5f4b8b", LIGHT)
ARM_LINES = {
    "with_rollouts": ("-", "o"),
    "no_rollouts": (":", "s"),
    "forward_demos": ("--", "^"),
    "teacher": ("-.", "D"),
}
DODGE = 0.025  # iterations, between series whose intervals would cover each other
Drawn = tuple[Figure, list[dict]] | None


def success_by_iteration(summary: list[dict]) -> Drawn:
    """Success against iteration."""
    return _success(_rates(summary), lambda row: row[ITERATION], "iteration of the policy", _label_iterations)


def success_by_demonstrations(summary: list[dict]) -> Drawn:
    """Success of the last policies against the number of demonstrations, and of those trained on these alone."""
    rows = [row for row in summary if row["measure"] == RATE and row[ITERATION] in (0, CHOSEN)]
    if len({row.get(DEMONSTRATIONS) for row in rows}) < 2:
        return None

    def label(axis, text):
        axis.set(xlabel=text, xscale="log", xticks=ticks, xticklabels=ticks)
        axis.minorticks_off()

    ticks = sorted({int(row[DEMONSTRATIONS]) for row in rows})
    return _success(rows, lambda row: int(row[DEMONSTRATIONS]), "demonstrations of Task B", label, DEMONSTRATIONS)


def success_by_minutes(summary: list[dict]) -> Drawn:
    """Success against the minutes of computing behind the policies, mean over seeds, a point an iteration."""
    minutes = {(*_series(row), row[ITERATION]): row["mean"] for row in summary if row["measure"] == MINUTES}
    rows = [row for row in _rates(summary) if (*_series(row), row[ITERATION]) in minutes]
    rows = [row | {MINUTES: minutes[(*_series(row), row[ITERATION])]} for row in rows]
    return _success(rows, lambda row: row[MINUTES], "minutes of computing, jobs one after the other", _label_x)


def failures(summary: list[dict]) -> Drawn:
    """Share of the last policies' episodes that failed, by kind."""
    rows = [row for row in summary if row["measure"].startswith(FAILURES) and row[ITERATION] == CHOSEN]
    if not rows:
        return None
    figure, panels = _panels(rows)
    figure.set_figheight(0.35 * len(panels) / 2 * len({_label(row) for row in rows}) + 1.0 * len(panels) / 2 + 0.8)
    kinds = dict.fromkeys(row["measure"].removeprefix(FAILURES) for row in rows)
    styles = dict(zip((kind for kind in kinds if kind not in FAILURE_STYLE), cycle(OTHER_FAILURE_STYLES)))
    for where, axis in panels.items():
        here = [row for row in rows if _panel(row) == where]
        names = list(dict.fromkeys(_label(row) for row in here))
        left = np.zeros(len(names))
        for kind in [kind for kind in (FAILURE_STYLE | styles) if kind in kinds]:
            means = {_label(row): row["mean"] for row in here if row["measure"] == FAILURES + kind}
            share = np.array([means.get(name, 0) for name in names])
            color, hatch = (FAILURE_STYLE | styles)[kind]
            style = {"color": color, "hatch": hatch, "edgecolor": "k", "lw": 0.5, "label": formats.words(kind)}
            axis.barh(names, share, left=left, **style)
            left += share
        axis.xaxis.set_major_formatter(PercentFormatter(1))
        axis.set_xlim(0, 1)
    next(iter(panels.values())).invert_yaxis()  # all share it: the first series on top
    return _finish(figure, panels, None, "episodes that failed, mean over runs"), rows


def interventions(summary: list[dict]) -> Drawn:
    """Interventions in 1000 attempts of chains that go on after failures, against iteration."""
    rows = [row for row in summary if row["measure"] == INTERVENTIONS and row[ITERATION] != CHOSEN]
    if not rows:
        return None
    figure, panels = _panels(rows)
    for where, axis in panels.items():
        _lines(axis, [row for row in rows if _panel(row) == where], lambda row: row[ITERATION])
        _label_iterations(axis, "iteration of the policies")
        axis.set_ylim(bottom=0)
    return _finish(figure, panels, "interventions in 1000 attempts"), rows


def replay_yield(summary: list[dict]) -> Drawn:
    """Share of reversed demonstrations that succeed when replayed, against the clearance."""
    rows = [row for row in summary if row["measure"] == YIELD and row.get(CLEARANCE) and row[ITERATION] == 0]
    if not rows:
        return None
    figure, axis = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for color, number in zip(cycle(COLORS), dict.fromkeys(row.get(DEMONSTRATIONS) for row in rows)):
        here = sorted(
            (row for row in rows if row.get(DEMONSTRATIONS) == number and row.get(POLICY) == rows[0].get(POLICY)),
            key=lambda row: row[CLEARANCE],
        )  # policies share demonstrations
        name = f"{number} demonstrations" if number else "mean"
        _errorbar(axis, here, [1000 * row[CLEARANCE] for row in here], color=color, marker="o", label=name)
    axis.set(xlabel="clearance [mm]", ylabel="yield of the replay, 95 % over runs", ylim=(-0.02, 1.02))
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.legend(frameon=False)
    return figure, rows


FIGURES: dict[str, Callable[[list[dict]], Drawn]] = {
    each.__name__: each
    for each in (
        success_by_iteration,
        success_by_demonstrations,
        success_by_minutes,
        failures,
        interventions,
        replay_yield,
    )
}


def _rates(summary: list[dict]) -> list[dict]:
    return [row for row in summary if row["measure"] == RATE and row[ITERATION] != CHOSEN]


def _success(rows: list[dict], x: Callable, label: str, label_x: Callable, along: str = ITERATION) -> Drawn:
    if not rows:
        return None
    figure, panels = _panels(rows)
    for where, axis in panels.items():
        _lines(axis, [row for row in rows if _panel(row) == where], x, along)
        label_x(axis, label)
        axis.set_ylim(-0.02, 1.02)
        axis.yaxis.set_major_formatter(PercentFormatter(1))
    return _finish(figure, panels, "success rate"), rows


def _lines(axis, rows: list[dict], x: Callable, along: str = ITERATION) -> None:
    """A line a series; iteration 0, which arms share, is drawn as the beginning of each."""
    colors = dict(zip(dict.fromkeys(_color_key(row, along) for row in rows), cycle(COLORS)))
    series: dict[tuple, list[dict]] = {}
    for row in rows:
        first = (row[ITERATION] == 0,) if along == DEMONSTRATIONS else ()
        series.setdefault((*_color_key(row, along), row[ARM], *first), []).append(row)
    for index, (key, points) in enumerate(series.items()):
        arm = points[0][ARM]
        if along == ITERATION and evaluated_in(arm, 1)[1].start:
            start = [
                row for row in rows if _color_key(row, along) == _color_key(points[0], along) and row[ITERATION] == 0
            ]
            points = [row for row in start if row[ARM] == "with_rollouts"] + points
        points = sorted(points, key=x)
        style, marker = ARM_LINES[arm]
        name = _label(points[-1], along, "iteration 0" if key[-1] is True else None)
        aside = DODGE * (index - (len(series) - 1) / 2) if isinstance(x(points[0]), int) and along == ITERATION else 0
        _errorbar(
            axis, points, [x(row) + aside for row in points], color=colors[_color_key(points[0], along)], ls=style,
            marker=marker, mfc="w" if arm != "with_rollouts" or key[-1] is True else None, label=name,
        )  # fmt: skip


def _errorbar(axis, rows: list[dict], x: list[float], **style) -> None:
    mean = np.array([row["mean"] for row in rows])
    bounds = np.array([row["interval_95"] or [row["mean"]] * 2 for row in rows])
    axis.errorbar(x, mean, np.abs(bounds.T - mean), capsize=3, lw=1.6, ms=6, **style)


def _panels(rows: list[dict]) -> tuple[Figure, dict[tuple, plt.Axes]]:
    """A row of panels for each task of the study, a column for A and B (or one for both)."""
    tasks = list(dict.fromkeys(row.get(TASK_KIND, "") for row in rows))
    directions = [task for task in keys.TASKS if any(row["task"] == task for row in rows)] or [rows[0]["task"]]
    shape = (len(tasks), len(directions))
    size = (4.6 * shape[1] + 0.8, 3.1 * shape[0] + 0.7)
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, sharey=True, layout="constrained")
    panels = {(kind, task): axes[i, j] for i, kind in enumerate(tasks) for j, task in enumerate(directions)}
    for (kind, task), axis in panels.items():
        axis.set_title(f"{kind}, task {task}" if kind else f"task {task}", fontsize=10)
    return figure, panels


def _finish(figure: Figure, panels: dict[tuple, plt.Axes], up: str | None, along: str | None = None) -> Figure:
    """Legend above all panels, and what their axes share."""
    handles = {}
    for axis in panels.values():
        handles |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels())}
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", ncols=min(3, len(handles)), frameon=False
    )
    if up:
        figure.supylabel(f"{up}, mean and 95 % over runs", fontsize=10)
    if along:
        figure.supxlabel(along, fontsize=10)
    return figure


def _panel(row: dict) -> tuple:
    return row.get(TASK_KIND, ""), row["task"]


def _series(row: dict) -> tuple:
    """What a line is about, apart from A or B."""
    return tuple(row.get(name) for name in (TASK_KIND, POLICY, DEMONSTRATIONS, ARM))


def _color_key(row: dict, along: str) -> tuple:
    return tuple(row.get(name) for name in (POLICY, DEMONSTRATIONS) if name != along)


def _label(row: dict, along: str = ITERATION, instead_of_arm: str | None = None) -> str:
    number = row.get(DEMONSTRATIONS) if along != DEMONSTRATIONS else None
    parts: Iterable[str | None] = (row.get(POLICY), number and f"{number} demos")
    parts = (*parts, instead_of_arm or formats.words(row[ARM]))
    return ", ".join(part for part in parts if part)


def _label_iterations(axis, text: str) -> None:
    label_iterations(axis, text)
    if axis.has_data():  # a single iteration stays in the middle
        first, last = map(round, axis.dataLim.intervalx)
        axis.set_xlim(first - 0.3, last + 0.3)


def _label_x(axis, text: str) -> None:
    axis.set_xlabel(text)
    axis.set_xlim(left=0)
