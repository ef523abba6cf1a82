"""Pictures that set data beside data: a demonstration beside its reversal, a replay beside its trajectory, and what
policies did, by outcome. Conventions as in plots.py.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from rev2fwd_il import keys
from rev2fwd_il.episodes import Episode, EpisodeDataset
from rev2fwd_il.plots import DARK, LIGHT, MIDDLE, mark_table


def reversal_of(episode: Episode, candidates: EpisodeDataset) -> int | None:
    """The candidate that starts where the object of `episode` ended and ends where it started, to 1 cm; None if none.

    Reversal drops episodes, so that numbers do not agree.
    """
    positions = np.asarray(candidates.arrays[keys.OBJ_POSE])[:, :3]
    ends = np.stack([positions[candidates.starts], positions[candidates.ends - 1]])
    distance = np.linalg.norm(ends - episode.obj_pose[[-1, 0], None, :3], axis=-1).max(axis=0)
    best = int(distance.argmin())
    return best if distance[best] < 0.01 else None


def beside(first: Episode, second: Episode, fps: float, names: tuple[str, str]) -> Figure:
    """Two episodes in two columns, time to the right in both: x, y, z of hand and object, gripper width and label."""
    figure, axes = plt.subplots(4, 2, figsize=(11, 8), sharex="col", sharey="row", height_ratios=[1, 1, 1, 0.8])
    for column, (episode, name) in enumerate(zip((first, second), names)):
        time = np.arange(len(episode)) / fps
        for row in range(3):
            axes[row, column].plot(time, episode.obj_pose[:, row], color=LIGHT, lw=4, label="object")
            axes[row, column].plot(time, episode.ee_pose[:, row], color=DARK, lw=1.2, label="hand")
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
    mark_table(axis, title)
    return figure


def replays(verdicts: list[dict]) -> Figure:
    """Every replayed trajectory: how far the hand strayed against how far from the target the object ended."""
    figure, axis = plt.subplots(figsize=(7.5, 4.5))
    table = np.array([[row["tracking_error_max_m"], row["final_error_m"], row["success"]] for row in verdicts])
    for success, marker, colour, label in ((1, "o", DARK, "success"), (0, "x", MIDDLE, "failure")):
        mine = table[table[:, 2] == success]
        axis.scatter(*(1000 * mine[:, :2].T), marker=marker, color=colour, s=22, label=f"{label}: {len(mine)}")
    worst = worst_replay(verdicts)
    axis.annotate(f"worst: {worst}", 1000 * table[worst, :2], (6, 6), textcoords="offset points", fontsize=8)
    axis.set(
        xlabel="largest distance of the hand from the trajectory [mm]", ylabel="object from target at the end [mm]"
    )
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure


def worst_replay(verdicts: list[dict]) -> int:
    """Index of the replay that ended farthest from the target, a failure before any success."""
    return max(range(len(verdicts)), key=lambda i: (not verdicts[i]["success"], verdicts[i]["final_error_m"]))


def replay_over_time(trajectory: Episode, replayed: Episode | None, fps: float, departure: int | None) -> Figure:
    """A trajectory and what its replay did, x, y, z over time; where the object departed from it by 2 cm, if it did."""
    figure, axes = plt.subplots(3, 1, figsize=(9, 7), sharex=True)
    lines = [("trajectory", trajectory, "-", 3.0, 0.5)]
    if replayed is not None:
        lines.append(("replay", replayed, "--", 1.3, 1.0))
    for row, axis in enumerate(axes):
        for name, episode, style, width, alpha in lines:
            time = np.arange(len(episode)) / fps
            for what, poses, colour in (("object", episode.obj_pose, MIDDLE), ("hand", episode.ee_pose, DARK)):
                axis.plot(time, poses[:, row], style, color=colour, lw=width, alpha=alpha, label=f"{what}, {name}")
        if departure is not None:
            axis.axvline(departure / fps, color="0.2", ls="-.", lw=1, label="object 2 cm off")
        axis.set_ylabel(f"{'xyz'[row]} [m]")
    axes[2].set_xlabel("time [s]")
    axes[0].legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=8)
    return figure
