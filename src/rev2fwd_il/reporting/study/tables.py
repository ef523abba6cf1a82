"""The tables of a study, once as values and then as Markdown and as LaTeX."""

from collections.abc import Iterable

from rev2fwd_il import keys
from rev2fwd_il.config.expansion import FACTORS, SEED
from rev2fwd_il.reporting import formats
from rev2fwd_il.reporting.runs import ARM, CHOSEN, CYCLES, ITERATION, RATE
from rev2fwd_il.reporting.selection import METHOD
from rev2fwd_il.reporting.tables import Table

ROW = tuple(name for name in FACTORS if name != SEED)
ESCAPED = {"\\": r"\textbackslash{}", "–": "--", **{char: f"\\{char}" for char in "&%$#_{}"}}
PLACE = (*ROW, ARM)


def main_table(summary: list[dict], seeds: int, chosen: str) -> Table:
    """A row for each combination of factors and arm, at iteration 0 and at the last (`chosen`: how to call it)."""
    found: dict[tuple, dict] = {}
    for row in summary:
        if row[ITERATION] in (0, CHOSEN) and row["measure"] in (RATE, CYCLES):
            column = CYCLES if row["measure"] == CYCLES else row["task"]
            found.setdefault((*_place(row, PLACE), row[ITERATION]), {})[column] = row
    order = list(dict.fromkeys(place[: len(ROW)] for place in found))
    rows = []
    for (*place, iteration), cells in sorted(found.items(), key=lambda item: order.index(item[0][: len(ROW)])):
        if chosen == "0" and iteration == CHOSEN:
            continue  # there is no other
        runs = max(cell["runs"] for cell in cells.values())
        numbers = [percent_over_runs(cells.get(task)) for task in keys.TASKS] + [_number(cells.get(CYCLES))]
        shown = chosen if iteration == CHOSEN else str(iteration)
        rows.append([*map(formats.words, place), shown, *numbers, f"{runs} of {seeds}"])
    columns = ["iteration", "task A", "task B", "cycles", "seeds"]
    return _without_empty(Table("Success rates, mean over seeds (95 %)", [*PLACE, *columns], rows))


def difference_table(differences: list[dict], seeds: int, chosen: str) -> Table:
    """The method at its last iteration less each other arm there, and less its own iteration 0."""
    rows = [
        [
            *map(formats.words, _place(row, ROW)), row["task"], chosen,
            formats.words(row["against"]), formats.points(row["mean"], row["interval_95"]),
            formats.points_interval(row["interval_95"]),
            f"{row['higher_in']} of {row['runs']}", f"{row['runs']} of {seeds}",
        ]
        for row in differences
        if row[ITERATION] == CHOSEN and row[ARM] == METHOD
    ]  # fmt: skip
    columns = ["task", "iteration", "against", "mean", "95 %", "higher in", "seeds"]
    return _without_empty(Table("Differences within a seed, mean over seeds", [*ROW, *columns], rows))


def percent_over_runs(row: dict | None) -> str:
    """Mean and interval over runs: "93 % (88 to 98 %)"."""
    if row is None:
        return formats.NOTHING
    interval = row["interval_95"]
    mean = formats.percent(row["mean"], interval)
    return f"{mean} ({formats.percent_interval(interval)})" if interval else mean


def _number(row: dict | None) -> str:
    if row is None:
        return formats.NOTHING
    interval = row["interval_95"]
    mean = formats.number(row["mean"], 3)
    return f"{mean} ({formats.number_interval(interval, 3)})" if interval else mean


def _place(row: dict, names: Iterable[str]) -> tuple:
    return tuple(row.get(name, "") for name in names)


def _without_empty(table: Table) -> Table:
    """Without columns that are empty everywhere, such as a factor that is not varied."""
    kept = [i for i in range(len(table.columns)) if any(row[i] not in ("", formats.NOTHING) for row in table.rows)]
    columns = [formats.words(table.columns[i]) for i in kept]
    return Table(table.caption, columns, [[row[i] for i in kept] for row in table.rows])


def markdown(table: Table) -> str:
    """A pipe table under its caption."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    body = "\n".join("| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines)
    return f"**{table.caption}**\n\n{body}\n"


def latex(table: Table) -> str:
    """A tabular, to be put in by \\input; it needs the package booktabs."""
    head, *rows = [" & ".join(_escape(cell) for cell in line) + r" \\" for line in (table.columns, *table.rows)]
    columns = "l" * len(table.columns)
    lines = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([f"% {table.caption}", *lines]) + "\n"


def _escape(cell: object) -> str:
    return "".join(ESCAPED.get(char, char) for char in str(cell))
