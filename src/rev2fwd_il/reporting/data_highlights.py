"""What the report shows of the data: a demonstration beside its reversal, the replays, the last rollouts by outcome."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from matplotlib.figure import Figure

from rev2fwd_il import keys
from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.errors import DataError
from rev2fwd_il.keys import CONTROL_HZ
from rev2fwd_il.reporting import dataset_figures, episode_figures, figure_data
from rev2fwd_il.reporting.analysis import reversal_of, worst_replay
from rev2fwd_il.reporting.results import Results

Highlight = tuple[str, Figure, str, Iterable[dict]]
NAMES = ("reversal", "replays", "worst_replay", *(f"rollouts_{task}" for task in keys.TASKS))


def data_highlights(results: Results) -> Iterator[Highlight]:
    """(stem, figure, caption, rows of its numbers) of what can be shown; damaged files go to `results.problems`."""
    demos, reversals, kept = (
        _open(results.datasets.get(what), results) for what in ("demos", "reversals", "replayed")
    )  # fmt: skip
    if demos and reversals:
        yield from _reversal(demos, reversals)
    outcomes = (results.replay or {}).get("episodes")
    if outcomes:
        caption = "Replays of the reversed demonstrations; the worst by its number."
        yield "replays", dataset_figures.replays(outcomes), caption, figure_data.replays(outcomes)
        if reversals and len(reversals) == len(outcomes):
            yield _worst_replay(reversals, kept, outcomes)
    for task in keys.TASKS:
        n, path = results.rollouts.get(task, (0, None))
        if rollouts := _open(path, results):
            caption = f"Paths of the object in the last alternating test, task {task}, by outcome."
            figure = dataset_figures.outcomes(rollouts, f"task {task}, alternating test {n}")
            yield f"rollouts_{task}", figure, caption, figure_data.paths(rollouts)


def _reversal(demos: EpisodeDataset, reversals: EpisodeDataset) -> Iterator[Highlight]:
    """The first demonstration that has a reversal, beside it."""
    for index, episode in enumerate(demos):
        if (match := reversal_of(episode, reversals)) is not None:
            names = f"B, episode {index}", f"reversed: A, episode {match}"
            caption = "A demonstration of task B, and its reversal, which is one of task A."
            shown = dict(zip(names, (episode, reversals[match])))
            figure = episode_figures.beside(*shown.values(), CONTROL_HZ, names)
            yield "reversal", figure, caption, figure_data.over_time(shown, CONTROL_HZ)
            return


def _worst_replay(reversals: EpisodeDataset, kept: EpisodeDataset | None, outcomes: list[dict]) -> Highlight:
    """The worst replay against its trajectory; what a failed replay did is not stored, only where it departed."""
    worst = worst_replay(outcomes)
    row, place = outcomes[worst], sum(outcome["success"] for outcome in outcomes[:worst])
    replayed = kept[place] if kept and row["success"] and place < len(kept) else None
    figure = episode_figures.replay_over_time(reversals[worst], replayed, CONTROL_HZ, row["first_departure_step"])
    ending = "succeeded all the same" if row["success"] else f"failed: {row['failure']}"
    caption = f"The worst replay, trajectory {worst}: it {ending}, {100 * row['final_error_m']:.1f} cm from the target."
    shown = {"trajectory": reversals[worst]} | ({"replay": replayed} if replayed is not None else {})
    return "worst_replay", figure, caption, figure_data.over_time(shown, CONTROL_HZ)


def _open(path: Path | None, results: Results) -> EpisodeDataset | None:
    """A dataset, or None where there is none or it is damaged."""
    if path is None:
        return None
    try:
        return EpisodeDataset(path)
    except DataError as error:
        if str(error) not in results.problems:
            results.problems.append(str(error))
        return None
