"""Figures of single episodes: images, poses over time, the path from above, and two episodes beside each other."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from rev2fwd_il import keys
from rev2fwd_il.data.reading import Episode
from rev2fwd_il.reporting.analysis import gripper_events
from rev2fwd_il.reporting.figure_style import DARK, GOAL, LIGHT, MIDDLE, TARGET, label_table

TASK_COLOURS = {keys.TASK_A: GOAL, keys.TASK_B: TARGET}  # of where the object ends
SHOWN_YX_M = ((-0.2, 0.35), (0.2, 0.65))  # at least, so that sheets are alike
DIRECTIONS = {keys.TASK_A: "Task A: from anywhere to the goal", keys.TASK_B: "Task B: from the goal to the target"}


def contact_sheet(
    images: np.ndarray, episode: Episode, fps: float, title: str, direction: str = "",
    goal_xy: tuple[float, float] | None = None, columns: int = 6, rows: int = 3,
) -> Figure:  # fmt: skip
    """(T, H, W, 3) uint8 -> evenly spaced frames of one camera with their times [s], beside the object's way.

    The way leads to the ring of the goal in Task A, from there to the disc of the target in Task B. Frames have the
    task's colour while the gripper is commanded to close.
    """
    colour = TASK_COLOURS.get(direction, DARK)
    figure = plt.figure(figsize=(1.5 * columns + 3.4, 1.75 * rows + 0.5), layout="constrained")
    grid = figure.add_gridspec(rows, columns + 1, width_ratios=[2.2, *[1] * columns])
    _object_way(figure.add_subplot(grid[:, 0]), episode, direction, colour, goal_xy)
    shown = _frames_to_show(episode, columns * rows)
    events = dict(gripper_events(episode)) | {0: "start", len(images) - 1: "end"}
    for frame, cell in zip(shown, (grid[row, column + 1] for row in range(rows) for column in range(columns))):
        axis = figure.add_subplot(cell)
        axis.imshow(images[frame], interpolation="nearest")
        closed = episode.action[frame, 7] < 0
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=colour if closed else "0.8", linewidth=3 if closed else 1)
        happens = f"  {events[frame]}" if frame in events else ""
        axis.set_title(f"{frame / fps:.2f} s{happens}", fontsize=8, fontweight="bold" if happens else None)
    figure.suptitle(f"{title} (coloured: gripper closes)", color=colour, fontweight="bold")
    return figure


def _frames_to_show(episode: Episode, count: int) -> list[int]:
    """Evenly spaced frames with the first and the last, each gripper event in place of its nearest neighbour."""
    shown = np.unique(np.linspace(0, len(episode) - 1, count).astype(int))
    for event, _ in gripper_events(episode):
        inner = np.abs(shown[1:-1] - event)
        if inner.size:
            shown[1 + inner.argmin()] = event
    return np.unique(shown).tolist()


def _object_way(axis, episode: Episode, direction: str, colour: str, goal_xy) -> None:
    """The object's path as the table camera sees it: the robot at the top, y to the right, x downwards [m]."""
    path = episode.obj_pose[:, [1, 0]]
    axis.plot(*path.T, color=colour, lw=2)
    middle = len(path) // 2
    ahead = middle + np.flatnonzero(np.linalg.norm(path[middle:] - path[middle], axis=1) > 0.02)
    if len(ahead):
        axis.annotate("", path[ahead[0]], path[middle], arrowprops={"arrowstyle": "-|>,head_width=0.5,head_length=0.9",
                      "color": colour, "lw": 2.5})  # fmt: skip
    places = {}  # name: place, which side its name stands at, style
    if goal_xy is not None:
        places["goal"] = goal_xy[::-1], "left", {"marker": "o", "ms": 22, "mfc": "none", "mec": GOAL, "mew": 4}
    if direction != keys.TASK_A:
        places["target"] = episode.target_xy[::-1], "left", {"marker": "o", "ms": 16, "color": TARGET, "alpha": 0.7}
    places["start"] = path[0], "right", {"marker": "s", "ms": 8, "mfc": "w", "mec": "k", "mew": 1.5}
    places["end"] = path[-1], "right", {"marker": "s", "ms": 8, "color": "k"}
    for name, (place, side, style) in places.items():
        axis.plot(*place, **style)
        offset, anchor = ((14, 0), "left") if side == "right" else ((-14, 0), "right")
        axis.annotate(name, place, offset, textcoords="offset points", va="center", ha=anchor, fontsize=9)
    axis.update_datalim(SHOWN_YX_M)
    axis.set(xlabel="y [m]", ylabel="x [m]", title=DIRECTIONS.get(direction, ""))
    axis.locator_params(nbins=5)
    axis.set_aspect("equal", adjustable="datalim")
    axis.invert_yaxis()


def over_time(episode: Episode, fps: float, title: str) -> Figure:
    """x, y, z of end effector, command and object, gripper width and label, over time [s], with gripper events."""
    time = np.arange(len(episode)) / fps
    figure, axes = plt.subplots(4, 1, figsize=(9, 9), sharex=True, height_ratios=[1, 1, 1, 0.8])
    lines = (("object", episode.obj_pose, LIGHT, "-", 4.0), ("command", episode.action, MIDDLE, ":", 2.0))
    lines = (*lines, ("end effector", episode.ee_pose, DARK, "-", 1.2))
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
    """Paths of end effector and object from above (x to the right, y up), with start, target and gripper events."""
    figure, axis = plt.subplots(figsize=(6.5, 6))
    axis.plot(*episode.obj_pose[:, :2].T, color=LIGHT, lw=5, label="object")
    axis.plot(*episode.ee_pose[:, :2].T, color=DARK, lw=1.2, label="end effector")
    axis.plot(*episode.ee_pose[0, :2], "o", color=DARK, label="end effector at the start")
    axis.plot(*episode.obj_pose[0, :2], "s", ms=9, mfc="none", mec="k", label="object at the start")
    axis.plot(*episode.target_xy, "x", ms=10, mew=2, color=MIDDLE, label="target")
    for frame, event in gripper_events(episode):
        marker = "v" if event == "close" else "^"
        axis.plot(*episode.ee_pose[frame, :2], marker, ms=8, color="k", label=f"gripper {event}")
    label_table(axis, title)
    return figure


def beside(first: Episode, second: Episode, fps: float, names: tuple[str, str]) -> Figure:
    """Two episodes beside each other over time: x, y, z of end effector and object, gripper width and label."""
    figure, axes = plt.subplots(4, 2, figsize=(11, 8), sharex="col", sharey="row", height_ratios=[1, 1, 1, 0.8])
    for column, (episode, name) in enumerate(zip((first, second), names)):
        time = np.arange(len(episode)) / fps
        for row in range(3):
            axes[row, column].plot(time, episode.obj_pose[:, row], color=LIGHT, lw=4, label="object")
            axes[row, column].plot(time, episode.ee_pose[:, row], color=DARK, lw=1.2, label="end effector")
            axes[row, 0].set_ylabel(f"{'xyz'[row]} [m]")
        axes[3, column].plot(time, episode.gripper_width, color=DARK, lw=1.2, label="measured width")
        closing = episode.action[:, 7] < 0
        for axis in axes[:, column]:
            axis.fill_between(time, 0, 1, where=closing, transform=axis.get_xaxis_transform(), color="0.85", lw=0,
                              step="post", zorder=0, label="gripper commanded to close")  # fmt: skip
        axes[0, column].set_title(name)
        axes[3, column].set_xlabel("time [s]")
    axes[3, 0].set(ylabel="gripper width [m]", ylim=(-0.005, 0.09))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.06),
                  frameon=False)  # fmt: skip
    return figure


def replay_over_time(trajectory: Episode, replayed: Episode | None, fps: float, departure: int | None) -> Figure:
    """A trajectory and what its replay did, x, y, z over time; where the object departed from it by 2 cm, if it did."""
    figure, axes = plt.subplots(3, 1, figsize=(9, 7), sharex=True)
    lines = [("trajectory", trajectory, "-", 3.0, 0.5)]
    if replayed is not None:
        lines.append(("replay", replayed, "--", 1.3, 1.0))
    for row, axis in enumerate(axes):
        for name, episode, style, width, alpha in lines:
            time = np.arange(len(episode)) / fps
            for what, poses, colour in (("object", episode.obj_pose, MIDDLE), ("end effector", episode.ee_pose, DARK)):
                axis.plot(time, poses[:, row], style, color=colour, lw=width, alpha=alpha, label=f"{what}, {name}")
        if departure is not None:
            axis.axvline(departure / fps, color="0.2", ls="-.", lw=1, label="object 2 cm off")
        axis.set_ylabel(f"{'xyz'[row]} [m]")
    axes[2].set_xlabel("time [s]")
    axes[0].legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=8)
    return figure
