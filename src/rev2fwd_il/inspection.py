"""What a dataset holds, in numbers and pictures: the inside of `2_inspect_data.py`."""

import json
from pathlib import Path

import numpy as np

from rev2fwd_il import films, keys, plots
from rev2fwd_il.comparison_plots import outcomes
from rev2fwd_il.config import TaskConfig
from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.findings import ERROR, Finding
from rev2fwd_il.metrics import rate
from rev2fwd_il.rerun_export import write_rrd
from rev2fwd_il.validation import tracking_errors, validate

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
    """Write pictures, film and `stats.json` (or `stats_json`) of a dataset; returns its statistics and findings.

    `rrd` adds a recording of the episode for the Rerun viewer, with the default thresholds of success.

    Raises DataError when there is no such episode.
    """
    if not 0 <= episode < len(dataset):
        raise DataError(f"{dataset.path}: no episode {episode}", expected=f"0 to {len(dataset) - 1}", found=episode)
    out_dir = Path(out_dir)
    findings, stats = validate(dataset), statistics(dataset, fps)
    table = plots.coverage(dataset, f"{dataset.path.stem}: starts and targets")
    lengths = plots.histograms(dataset, fps, f"{dataset.path.stem}: lengths and final errors")
    written = [plots.save(table, out_dir / "coverage.png"), plots.save(lengths, out_dir / "histograms.png")]
    if not dataset.success.all():
        paths = outcomes(dataset, f"{dataset.path.stem}: paths of the object")
        written.append(plots.save(paths, out_dir / "outcomes.png"))
    chosen, name = dataset[episode], f"{dataset.path.stem}, episode {episode}"
    stem = f"episode_{episode:03d}"
    for camera in _cameras(dataset):
        sheet = plots.contact_sheet(getattr(chosen, camera), fps, f"{name}: {camera}")
        written.append(plots.save(sheet, out_dir / f"{stem}_{camera}.png"))
    if xyz_viz:
        written.append(plots.save(plots.over_time(chosen, fps, name), out_dir / f"{stem}_xyz.png"))
        written.append(plots.save(plots.plan_view(chosen, name), out_dir / f"{stem}_plan.png"))
    if _cameras(dataset):
        frames = (np.concatenate(views, axis=1) for views in zip(*(getattr(chosen, c) for c in _cameras(dataset))))
        written.append(films.write_mp4(out_dir / f"{stem}.mp4", map(films.enlarge, frames), fps))
    if rrd:
        written.append(write_rrd(out_dir / f"{stem}.rrd", chosen, TaskConfig(), fps=fps, name=name))
    stats |= {"findings": [finding.to_dict() for finding in findings], "written": [path.name for path in written]}
    path = Path(stats_json or out_dir / "stats.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stats, indent=1) + "\n")
    return stats, findings


def _cameras(dataset: EpisodeDataset) -> list[str]:
    """Image fields present; a film shows them side by side, so only those of the table camera's height."""
    present = [name for name in (keys.IMAGES, keys.WRIST_IMAGES) if name in dataset.arrays]
    return [name for name in present if dataset.arrays[name].shape[1] == dataset.arrays[present[0]].shape[1]]


def _range(values: np.ndarray) -> list[float]:
    return [float(values.min()), float(values.max())]
