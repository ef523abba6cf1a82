"""Pictures of a dataset: contact sheets, an episode over time, and the table from above.

Readable in grey: lines differ in style and markers as well as in colour. Lengths in m, times in s.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rev2fwd_il import keys
from rev2fwd_il.episodes import Episode, EpisodeDataset

DARK, MIDDLE, LIGHT = "#12355b", "#d1495b", "#8fb8a8"
DPI = 110
plt.rcParams.update({"axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as PNG and close it. No date inside: the same figure gives the same bytes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return path


def contact_sheet(images: np.ndarray, fps: float, title: str, columns: int = 8, rows: int = 3) -> Figure:
    """(T, H, W, 3) uint8 -> evenly spaced frames of one camera, each with its time [s]."""
    shown = np.unique(np.linspace(0, len(images) - 1, columns * rows).astype(int))
    figure, axes = plt.subplots(rows, columns, figsize=(1.5 * columns, 1.7 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, frame in zip(axes.flat, shown):
        axis.imshow(images[frame], interpolation="nearest")
        axis.set_title(f"{frame / fps:.2f} s", fontsize=8)
    figure.suptitle(title)
    return figure


def gripper_events(episode: Episode) -> list[tuple[int, str]]:
    """(frame, "open" | "close") wherever the commanded gripper changes."""
    label = episode.action[:, 7]
    frames = np.flatnonzero(np.diff(np.sign(label))) + 1
    return [(int(frame), "open" if label[frame] > 0 else "close") for frame in frames]


def over_time(episode: Episode, fps: float, title: str) -> Figure:
    """x, y, z of hand, command and object, and the gripper's width and label, over time [s], with its events."""
    time = np.arange(len(episode)) / fps
    figure, axes = plt.subplots(4, 1, figsize=(9, 9), sharex=True, height_ratios=[1, 1, 1, 0.8])
    lines = (("object", episode.obj_pose, LIGHT, "-", 4.0), ("command", episode.action, MIDDLE, ":", 2.0))
    lines = (*lines, ("hand", episode.ee_pose, DARK, "-", 1.2))
    for column, axis in enumerate(axes[:3]):
        for name, values, colour, style, width in lines:
            axis.plot(time, values[:, column], style, color=colour, lw=width, label=name)
        axis.set_ylabel(f"{'xyz'[column]} [m]")
    for column in range(2):
        axes[column].axhline(episode.target_xy[column], color="0.3", ls="--", lw=1, label="target")
    axes[0].legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes[3].plot(time, episode.gripper_width, color=DARK, label="measured width")
    axes[3].set(ylabel="gripper width [m]", xlabel="time [s]", ylim=(-0.005, 0.1))
    label = axes[3].twinx()
    label.step(time, episode.action[:, 7], where="post", color=MIDDLE, ls=":", lw=2)
    label.set(ylabel="label (dotted)", yticks=[-1, 1], yticklabels=["close", "open"], ylim=(-1.3, 1.3))
    label.grid(False)
    for frame, event in gripper_events(episode):
        for axis in axes:
            axis.axvline(frame / fps, color="0.2", lw=0.8, ls="-.")
        axes[2].annotate(event, (frame / fps, 1), (3, -10), xycoords=("data", "axes fraction"),
                         textcoords="offset points", fontsize=8)  # fmt: skip
    figure.suptitle(title, y=0.95)
    return figure


def plan_view(episode: Episode, title: str) -> Figure:
    """Hand and object paths of one episode from above (x to the right, y up), with start, target and gripper events."""
    figure, axis = plt.subplots(figsize=(6.5, 6))
    axis.plot(*episode.obj_pose[:, :2].T, color=LIGHT, lw=5, label="object")
    axis.plot(*episode.ee_pose[:, :2].T, color=DARK, lw=1.2, label="hand")
    axis.plot(*episode.ee_pose[0, :2], "o", color=DARK, label="hand at the start")
    axis.plot(*episode.obj_pose[0, :2], "s", ms=9, mfc="none", mec="k", label="object at the start")
    axis.plot(*episode.target_xy, "x", ms=10, mew=2, color=MIDDLE, label="target")
    for frame, event in gripper_events(episode):
        marker = "v" if event == "close" else "^"
        axis.plot(*episode.ee_pose[frame, :2], marker, ms=8, color="k", label=f"gripper {event}")
    mark_table(axis, title)
    return figure


def histograms(dataset: EpisodeDataset, fps: float, title: str) -> Figure:
    """Lengths of the episodes [s], and how far from its target the object ended [cm]; failures are hatched."""
    last = np.asarray(dataset.arrays[keys.OBJ_POSE])[dataset.ends - 1, :2]
    values = (dataset.ends - dataset.starts) / fps, 100 * np.linalg.norm(last - dataset.target_xy, axis=1)
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
    mark_table(axis, title)
    return figure


def mark_table(axis, title: str) -> None:
    """Label a plan view: x to the right, y up, equal scales, the legend below."""
    axis.set(xlabel="x, away from the robot [m]", ylabel="y, to the robot's left [m]", title=title)
    axis.set_aspect("equal", adjustable="datalim")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False, ncols=3, fontsize=8)
