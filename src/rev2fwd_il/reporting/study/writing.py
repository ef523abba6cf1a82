"""Write a study's results: results.csv, summary.csv, tables, figures. The same contents give the same bytes.

results.csv holds every number with its run; what it was made from stands in made_from.json, and in every table and
figure: the command, and each file with the hash of its contents.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from rev2fwd_il.config.expansion import SEED
from rev2fwd_il.errors import DataError
from rev2fwd_il.reporting.figure_style import save_vector, write_csv
from rev2fwd_il.reporting.runs import CHOSEN, long_rows, paired, summarize
from rev2fwd_il.reporting.seeds_page import flat
from rev2fwd_il.reporting.study import tables
from rev2fwd_il.reporting.study.figures import FIGURES
from rev2fwd_il.reporting.study.measures import study_rows
from rev2fwd_il.reporting.study.reading import Asked, StudyRun

FIGURE_TITLES = {
    "success_by_iteration": "Success against iteration",
    "success_by_demonstrations": "Success against the number of demonstrations",
    "success_by_minutes": "Success against minutes of computing",
    "failures": "Failed episodes of the last policies by kind",
    "interventions": "Interventions of chains that go on after failures",
    "replay_yield": "Yield of the replay by clearance",
}


@dataclass(frozen=True)
class Origin:
    """What a table or figure was made from, for its comments and its metadata."""

    command: str
    sources: dict[str, str]

    def lines(self) -> list[str]:
        command = self.command.replace(" --run ", " \\\n    --run ").splitlines()
        return ["made by:", *command, "from:", *(f"    {path} {digest}" for path, digest in self.sources.items())]


def write_study(name: str, runs: list[StudyRun], asked: Asked, out_dir: Path, command: str) -> str:
    """Write everything to `out_dir`; returns the text of summary.txt."""
    origin = Origin(command, {path: digest for run in runs for path, digest in run.sources.items()})
    rows = study_rows(runs)
    summary = summarize(rows)
    differences = paired(long_rows(run.run for run in runs if run.run))
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        _write_numbers(out_dir, rows, [*summary, *differences])
        (out_dir / "made_from.json").write_text(
            json.dumps({"command": command, "sources": origin.sources}, indent=1) + "\n"
        )
        shown = _tables(summary, differences, runs, asked)
        for stem, table in shown.items():
            (out_dir / f"{stem}.tex").write_text(_comment(origin) + _unfinished_as_comment(runs) + tables.latex(table))
        figures = _write_figures(out_dir / "figures", summary, origin)
        text = _text(name, runs, shown)
        (out_dir / "table.md").write_text("\n".join([text, *_shown_figures(figures), "", *_as_code(origin)]) + "\n")
        (out_dir / "summary.txt").write_text(text + f"\ntables, figures and numbers: {out_dir}\n")
    except OSError as error:
        raise DataError(f"{out_dir}: the study could not be written", found=error, do="free space") from None
    return text


def unfinished(runs: list[StudyRun]) -> list[str]:
    """A line for each run that is not complete."""
    return [f"{run.name}: {'; '.join(run.missing)}" for run in runs if run.missing]


def _write_numbers(out_dir: Path, rows: list[dict], summary: list[dict]) -> None:
    table = [flat(row) for row in summary]
    columns = list(dict.fromkeys(name for row in table for name in row))
    write_csv(out_dir / "results.csv", rows, None if rows else ["run"])
    write_csv(out_dir / "summary.csv", [{name: row.get(name) for name in columns} for row in table], columns or ["run"])


def _tables(
    summary: list[dict], differences: list[dict], runs: list[StudyRun], asked: Asked
) -> dict[str, tables.Table]:
    seeds = len({run.factors[SEED] for run in runs})
    ends = {run.run.chosen_iteration for run in runs if run.run} - {None}
    last = str(*ends) if len(ends) == 1 else CHOSEN
    shown = {"table": tables.main_table(summary, seeds, last)}
    return shown | {"differences": tables.difference_table(differences, seeds, last)} if asked.iterations else shown


def _write_figures(folder: Path, summary: list[dict], origin: Origin) -> list[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    written = []
    for stem, draw in FIGURES.items():
        drawn = draw(summary)
        if drawn is None:
            continue
        figure, rows = drawn
        write_csv(folder / f"{stem}.csv", (flat(row) for row in rows))
        written += save_vector(figure, folder / stem, FIGURE_TITLES[stem], origin.lines())
    return [path for path in written if path.suffix == ".svg"]


def _text(name: str, runs: list[StudyRun], shown: dict[str, tables.Table]) -> str:
    open_runs = unfinished(runs)
    lines = [f"# Study {name}: {len(runs) - len(open_runs)} of {len(runs)} runs finished", ""]
    if open_runs:
        lines += [
            "Unfinished, and missing in the tables as far as they are:",
            "",
            *(f"- {line}" for line in open_runs),
            "",
        ]
    lines += ["Each run counts once: means over seeds, 95 % intervals over runs (Student's t below 20 runs).", ""]
    return "\n".join([*lines, *(tables.markdown(table) for table in shown.values() if table.rows)])


def _shown_figures(figures: list[Path]) -> list[str]:
    return [f"![{FIGURE_TITLES[path.stem]}](figures/{path.name})" for path in figures]


def _as_code(origin: Origin) -> list[str]:
    return ["```", *origin.lines(), "```"]


def _comment(origin: Origin) -> str:
    return "".join(f"% {line}\n" for line in origin.lines())


def _unfinished_as_comment(runs: list[StudyRun]) -> str:
    return "".join(f"% unfinished: {line}\n" for line in unfinished(runs))
