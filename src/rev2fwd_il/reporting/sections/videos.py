"""Videos of the alternating tests and of single episodes, the newest policies first."""

from pathlib import Path

from rev2fwd_il.reporting.formats import words
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.start_map import VIDEO

TITLE = "Videos"
OPEN = 2


def content(report: Report) -> dict | None:
    results = report.results
    groups = [("Longest chains", [(name, path) for name, path in reversed(results.chain_videos.items())])]
    iterations = sorted({n for tests in results.videos.values() for n in tests}, reverse=True)
    for n in iterations:
        videos = [(task, path) for task, tests in results.videos.items() for path in tests.get(n, [])]
        groups.append((f"Iteration {n}", [(f"{task}: {name_of(path)}", path) for task, path in videos]))
    groups = [(title, videos) for title, videos in groups if videos]
    newest = {title for title, _ in groups[:OPEN]}  # the others stay closed: many iterations have many videos
    return {"groups": groups, "open": newest} if groups else None


def name_of(path: Path) -> str:
    """not_released_start028.mp4 -> "not released, start 28"."""
    found = VIDEO.search(path.name)
    return f"{words(path.name[: found.start()])}, start {int(found[1])}" if found else words(path.stem)
