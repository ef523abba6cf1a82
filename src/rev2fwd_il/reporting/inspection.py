"""What a dataset holds, in numbers and figures: the inside of `2_inspect_data.py`."""

import json
from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data import video_files
from rev2fwd_il.data.checks.findings import ERROR, Finding
from rev2fwd_il.data.checks.validation import tracking_errors, validate
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.method.statistics import rate
from rev2fwd_il.reporting import dataset_figures, episode_figures, figure_data
from rev2fwd_il.reporting.figure_style import save, save_with_numbers
from rev2fwd_il.reporting.rerun_recording import write_rrd

MAX_LISTED = 20


def statistics(dataset: EpisodeDataset, fps: float) -> dict:
    """Counts, lengths, success rate, ranges and tracking error of a dataset, ready for JSON. [m], [s]"""
    lengths = dataset.ends - dataset.starts
    errors = tracking_errors(dataset)
    arrays = {name: np.asarray(dataset.arrays[name]) for name in (keys.EE_POSE, keys.OBJ_POSE, keys.ACTION)}
    ranges = {
        f"{name}_{axis}": _range(values[:, column])
        for name, values in arrays.items()
        for column, axis in enumerate("xyz")
    }
    ranges |= {f"target_{axis}": _range(dataset.target_xy[:, column]) for column, axis in enumerate("xy")}
    return {
        "dataset": str(dataset.path),
        "task": dataset.meta.get("task"),
        "episodes": len(dataset),
        "frames": dataset.num_frames,
        "length_frames": {"min": int(lengths.min()), "median": float(np.median(lengths)), "max": int(lengths.max())},
        "length_median_s": float(np.median(lengths) / fps),
        "success": rate(dataset.success.sum(), len(dataset)),
        "attempted": dataset.meta.get("attempted"),
        "successful": dataset.meta.get("successful"),
        "images": {name: list(dataset.arrays[name].shape[1:]) for name in _cameras(dataset)},
        "tracking_error_p99_m": float(np.quantile(errors, 0.99)) if len(errors) else None,
        "tracking_error_max_m": float(errors.max(initial=0)),
        "ranges_m": ranges | {keys.GRIPPER_WIDTH: _range(np.asarray(dataset.arrays[keys.GRIPPER_WIDTH]))},
        "meta": dataset.meta,
    }


def describe(stats: dict, findings: list[Finding]) -> str:
    """The statistics and findings as text for a terminal."""
    length, success = stats["length_frames"], stats["success"]
    lines = [
        f"{stats['dataset']}: task {stats['task']}, {stats['episodes']} episodes, {stats['frames']} frames",
        f"length: {length['min']} to {length['max']} frames, median {stats['length_median_s']:.1f} s",
        f"success: {success['successes']} of {success['attempts']} episodes here",
    ]
    if stats["attempted"] is not None:
        lines.append(f"collected: {stats['successful']} successes in {stats['attempted']} attempts")
    p99 = stats["tracking_error_p99_m"]
    if p99 is not None:
        lines.append(f"tracking error: 99 % below {p99:.4f} m, at most {stats['tracking_error_max_m']:.4f} m")
    lines += [f"images: {name} {' x '.join(map(str, shape))}" for name, shape in stats["images"].items()]
    lines += [f"range of {name}: {low:.3f} to {high:.3f} m" for name, (low, high) in stats["ranges_m"].items()]
    errors = sum(finding.severity == ERROR for finding in findings)
    lines.append(f"findings: {errors} errors, {len(findings) - errors} warnings")
    lines += [f"  {finding}" for finding in findings[:MAX_LISTED]]
    if len(findings) > MAX_LISTED:
        lines.append(f"  and {len(findings) - MAX_LISTED} more, see the JSON summary")
    return "\n".join(lines)


def inspect(
    dataset: EpisodeDataset, out_dir: str | Path, *, episode: int = 0, fps: float = 30.0, xyz_viz: bool = False,
    stats_json: str | Path | None = None, rrd: bool = False,
) -> tuple[dict, list[Finding]]:  # fmt: skip
    """Write figures, video and `stats.json` (or `stats_json`) of a dataset; returns its statistics and findings.

    `rrd` adds a recording of the episode for the Rerun viewer, with the thresholds of the dataset's task.

    Raises DataError when there is no such episode.
    """
    if not 0 <= episode < len(dataset):
        raise DataError(f"{dataset.path}: no episode {episode}", expected=f"0 to {len(dataset) - 1}", found=episode)
    out_dir = Path(out_dir)
    findings, stats = validate(dataset), statistics(dataset, fps)
    table = dataset_figures.coverage(dataset, f"{dataset.path.stem}: starts and targets")
    lengths = dataset_figures.histograms(dataset, fps, f"{dataset.path.stem}: lengths and final errors")
    episodes = list(figure_data.episodes(dataset, fps))
    written = [
        *save_with_numbers(table, out_dir / "coverage.png", episodes),
        *save_with_numbers(lengths, out_dir / "histograms.png", episodes),
    ]
    if not dataset.success.all():
        paths = dataset_figures.outcomes(dataset, f"{dataset.path.stem}: paths of the object")
        written += save_with_numbers(paths, out_dir / "outcomes.png", figure_data.paths(dataset))
    chosen, name = dataset[episode], f"{dataset.path.stem}, episode {episode}"
    stem = f"episode_{episode:03d}"
    for camera in _cameras(dataset):
        sheet = episode_figures.contact_sheet(
            getattr(chosen, camera), chosen, fps, f"{name}: {camera}", str(dataset.meta.get("task", "")),
            dataset.meta.get("task_settings", {}).get("goal_xy"),
        )  # fmt: skip
        written.append(save(sheet, out_dir / f"{stem}_{camera}.png"))
    if xyz_viz:
        numbers = list(figure_data.over_time({name: chosen}, fps))
        written += save_with_numbers(episode_figures.over_time(chosen, fps, name), out_dir / f"{stem}_xyz.png", numbers)
        written += save_with_numbers(episode_figures.plan_view(chosen, name), out_dir / f"{stem}_plan.png", numbers)
    if _cameras(dataset):
        frames = (np.concatenate(views, axis=1) for views in zip(*(getattr(chosen, c) for c in _cameras(dataset))))
        written.append(video_files.write_mp4(out_dir / f"{stem}.mp4", map(video_files.enlarge, frames), fps))
    if rrd:
        written.append(write_rrd(out_dir / f"{stem}.rrd", chosen, dataset.meta, fps=fps, name=name))
    stats |= {"findings": [finding.to_dict() for finding in findings], "written": [path.name for path in written]}
    path = Path(stats_json or out_dir / "stats.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stats, indent=1) + "\n")
    return stats, findings


def _cameras(dataset: EpisodeDataset) -> list[str]:
    """Image fields present; a video shows them side by side, so only those of the table camera's height."""
    present = [name for name in (keys.IMAGES, keys.WRIST_IMAGES) if name in dataset.arrays]
    return [name for name in present if dataset.arrays[name].shape[1] == dataset.arrays[present[0]].shape[1]]


def _range(values: np.ndarray) -> list[float]:
    return [float(values.min()), float(values.max())]
