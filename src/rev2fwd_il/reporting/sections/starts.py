"""Which starts fail, before and after: a map of the table for each task, and a list with videos."""

from rev2fwd_il import keys
from rev2fwd_il.reporting.figure_style import write_csv
from rev2fwd_il.reporting.formats import words
from rev2fwd_il.reporting.report import Report
from rev2fwd_il.reporting.start_map import STATES, StartMap, state
from rev2fwd_il.reporting.tables import Link, Table

TITLE = "Which starts fail"
SIZE, MARGIN, TICK_M = 480, 34, 0.1  # of a map: longer side and margin in units of its drawing; grid in m


def content(report: Report) -> dict | None:
    found = (StartMap.of(report.results, task) for task in keys.TASKS)
    maps = [one for one in found if one]
    return {"maps": [_drawn(report, one) for one in maps], "states": STATES} if maps else None


def _drawn(report: Report, one: StartMap) -> dict:
    before, after = one.iterations[0], one.iterations[-1]
    numbers = write_csv(report.out_dir / f"starts_{one.task}.csv", _rows(one))
    return {
        "map": one, "before": before, "after": after, "counts": one.count(before, after), "csv": numbers,
        "table": _failing(one), "frame": _Frame(one),
        "state": lambda start: state(start.outcomes[before], start.outcomes[after]),
        "told": lambda start: _told(start, one.iterations),
        "outcomes": [[start.outcomes[n] or "" for n in one.iterations] for start in one.starts],
    }  # fmt: skip


class _Frame:
    """From metres on the table to units of the drawing: x to the right, y up."""

    def __init__(self, one: StartMap):
        xs, ys = [start.x for start in one.starts], [start.y for start in one.starts]
        self._left, self._top = min(xs), max(ys)
        self._scale = SIZE / max(max(xs) - min(xs), max(ys) - min(ys), 0.01)
        self.width, self.height = self.x(max(xs)) + 12, self.y(min(ys)) + MARGIN
        self.ticks_x, self.ticks_y = _ticks(min(xs), max(xs)), _ticks(min(ys), max(ys))

    def x(self, metres: float) -> float:
        return round(MARGIN + 12 + (metres - self._left) * self._scale, 1)

    def y(self, metres: float) -> float:
        return round(12 + (self._top - metres) * self._scale, 1)


def _ticks(low: float, high: float) -> list[float]:
    first, last = round(low / TICK_M + 0.499), round(high / TICK_M - 0.499)
    return [round(TICK_M * i, 3) for i in range(first, last + 1)]


def _told(start, iterations: list[int]) -> str:
    outcomes = "; ".join(f"iteration {n}: {words(start.outcomes[n] or 'success')}" for n in iterations)
    return f"start {start.index}, {outcomes}"


def _failing(one: StartMap) -> Table:
    """Every start that fails at least once, with a link to each video that there is."""
    table = Table(
        f"Starts of task {one.task} that fail at least once",
        ["start", f"{one.place} (x, y)", "what became of it"],
        [],
        text={"what became of it"},
    )
    for start in one.starts:
        if start.ever_failed:
            outcomes = []
            for n in one.iterations:
                text = f"iteration {n}: {words(start.outcomes[n] or 'success')}"
                video = start.videos.get(n)
                outcomes.append(Link(f"{text} (video)", video) if video else text)
            table.rows.append(
                [str(start.index), f"{100 * start.x:.0f}, {100 * start.y:.0f} cm".replace("-", "−"), outcomes]
            )
    return table


def _rows(one: StartMap):
    for start in one.starts:
        outcomes = {f"iteration_{n}": start.outcomes[n] or "success" for n in one.iterations}
        yield {"start": start.index, "x_m": round(start.x, 5), "y_m": round(start.y, 5)} | outcomes
