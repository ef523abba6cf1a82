"""Figures of a whole dataset: where its episodes start and end, how long they are, and how they ended."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rev2fwd_il import keys
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.reporting.analysis import final_errors_m, worst_replay
from rev2fwd_il.reporting.figure_style import DARK, LIGHT, MIDDLE, label_table


def coverage(dataset: EpisodeDataset, title: str) -> Figure:
    """Where the object starts and where it has to go, over the table; failed attempts are hollow."""
    starts = np.asarray(dataset.arrays[keys.OBJ_POSE])[dataset.starts, :2]
    figure, axis = plt.subplots(figsize=(6.5, 6))
    for name, points, marker, colour in (("start", starts, "o", DARK), ("target", dataset.target_xy, "x", MIDDLE)):
        done = dataset.success
        axis.scatter(*points[done].T, marker=marker, color=colour, s=28, label=f"{name}, success")
        if (~done).any():
            style = {"facecolors": "none", "edgecolors": colour} if marker == "o" else {"color": colour, "alpha": 0.5}
            axis.scatter(
                *points[~done].T, marker={"x": "+"}.get(marker, marker), s=34, label=f"{name}, failure", **style
            )
    label_table(axis, title)
    return figure


def histograms(dataset: EpisodeDataset, fps: float, title: str) -> Figure:
    """Lengths of the episodes [s], and how far from its target the object ended [cm]; failures are hatched."""
    values = (dataset.ends - dataset.starts) / fps, 100 * final_errors_m(dataset)
    done = dataset.success
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    for axis, value, label in zip(axes, values, ("length [s]", "object from target at the end [cm]")):
        axis.hist([value[done], value[~done]], bins=20, stacked=True, color=[LIGHT, MIDDLE], edgecolor="k", lw=0.5,
                  hatch=["", "////"], label=[f"success: {done.sum()}", f"failure: {(~done).sum()}"])  # fmt: skip
        axis.set(xlabel=label, ylabel="episodes")
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes[0].get_legend_handles_labels(), ncols=2, loc="lower center", bbox_to_anchor=(0.5, 0.88),
                  frameon=False)  # fmt: skip
    figure.suptitle(title, y=1.04)
    return figure


def outcomes(dataset: EpisodeDataset, title: str) -> Figure:
    """Paths of the object from above, by outcome: successes thin and light, failures dark and dashed, to a cross."""
    figure, axis = plt.subplots(figsize=(6.5, 6))
    styles = {True: {"color": LIGHT, "lw": 1.0}, False: {"color": MIDDLE, "lw": 1.4, "ls": "--", "zorder": 3}}
    for success, label in ((True, "success"), (False, "failure")):
        chosen = [dataset[int(index)] for index in np.flatnonzero(dataset.success == success)]
        for number, episode in enumerate(chosen):
            name = f"{label}: {len(chosen)}" if number == 0 else None
            axis.plot(*episode.obj_pose[:, :2].T, label=name, **styles[success])
        if chosen and not success:
            last = np.array([episode.obj_pose[-1, :2] for episode in chosen])
            axis.plot(*last.T, "x", color="k", ms=5, label="where a failure left the object")
    axis.plot(*dataset.target_xy.T, "+", color=DARK, ms=5, label="target", zorder=4)
    label_table(axis, title)
    return figure


def replays(outcomes: list[dict]) -> Figure:
    """Every replayed trajectory: tracking error of the end effector against final error of the object."""
    figure, axis = plt.subplots(figsize=(7.5, 4.5))
    table = np.array([[row["tracking_error_max_m"], row["final_error_m"], row["success"]] for row in outcomes])
    for success, marker, colour, label in ((1, "o", DARK, "success"), (0, "x", MIDDLE, "failure")):
        mine = table[table[:, 2] == success]
        axis.scatter(*(1000 * mine[:, :2].T), marker=marker, color=colour, s=22, label=f"{label}: {len(mine)}")
    worst = worst_replay(outcomes)
    axis.annotate(f"worst: {worst}", 1000 * table[worst, :2], (6, 6), textcoords="offset points", fontsize=8)
    axis.set(
        xlabel="largest distance of the end effector from the trajectory [mm]",
        ylabel="object from target at the end [mm]",
    )
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure
