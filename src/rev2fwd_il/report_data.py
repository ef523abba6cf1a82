"""The report's pictures of data: a demonstration beside its reversal, the replays, and the rollouts by outcome."""

import re
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from rev2fwd_il import comparison_plots as draw
from rev2fwd_il import keys
from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.provenance import CONTROL_HZ
from rev2fwd_il.results import Results


def data_figures(results: Results, data_dir: Path) -> Iterator[tuple[str, Figure, str]]:
    """(name of the file, figure, caption) of what can be shown; files that cannot be read go to `results.problems`."""
    name = results.name
    demos, reversals, kept = (
        _open(data_dir / f"{stem}_{name}.npz", results) for stem in ("B", "reversed_A", "A")
    )  # fmt: skip
    if demos and reversals:
        yield from _reversal(demos, reversals)
    verdicts = (results.replay or {}).get("episodes")
    if verdicts:
        yield "replays", draw.replays(verdicts), "Replays of the reversed demonstrations; the worst by its number."
        if reversals and len(reversals) == len(verdicts):
            yield _worst_replay(reversals, kept, verdicts)
    for task in keys.TASKS:
        files = {
            int(re.search(r"(\d+)$", path.stem)[1]): path for path in data_dir.glob(f"rollout_{task}_{name}_iter*.npz")
        }
        if files and (rollouts := _open(files[max(files)], results)):
            title = f"task {task}, alternating test {max(files)}"
            caption = f"Paths of the object in the last alternating test, task {task}, by outcome."
            yield f"rollouts_{task}", draw.outcomes(rollouts, title), caption


def _reversal(demos: EpisodeDataset, reversals: EpisodeDataset) -> Iterator[tuple[str, Figure, str]]:
    """The first demonstration that has a reversal, beside it."""
    for index, episode in enumerate(demos):
        if (match := draw.reversal_of(episode, reversals)) is not None:
            names = f"B, episode {index}", f"reversed: A, episode {match}"
            caption = "A demonstration of task B, and its reversal, which is one of task A."
            yield "reversal", draw.beside(episode, reversals[match], CONTROL_HZ, names), caption
            return


def _worst_replay(
    reversals: EpisodeDataset, kept: EpisodeDataset | None, verdicts: list[dict]
) -> tuple[str, Figure, str]:
    """The worst replay against its trajectory; what a failed replay did is not stored, only where it departed."""
    worst = draw.worst_replay(verdicts)
    row, place = verdicts[worst], sum(verdict["success"] for verdict in verdicts[:worst])
    replayed = kept[place] if kept and row["success"] and place < len(kept) else None
    figure = draw.replay_over_time(reversals[worst], replayed, CONTROL_HZ, row["first_departure_step"])
    ending = "succeeded all the same" if row["success"] else f"failed: {row['failure']}"
    caption = f"The worst replay, trajectory {worst}: it {ending}, {100 * row['final_error_m']:.1f} cm from the target."
    return "worst_replay", figure, caption


def _open(path: Path, results: Results) -> EpisodeDataset | None:
    """A dataset, or None where it is absent or damaged."""
    if not path.is_file():
        return None
    try:
        return EpisodeDataset(path)
    except DataError as error:
        if str(error) not in results.problems:
            results.problems.append(str(error))
        return None
