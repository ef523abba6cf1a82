"""The first screen of the report as text: what `make run` ends with."""

import textwrap

from rev2fwd_il.reporting.headline import headline
from rev2fwd_il.reporting.report import Report

WIDTH = 100  # characters


def summary_text(report: Report) -> str:
    """Result and where to look, within one screen; the page is written already."""
    head, results = headline(report.results), report.results
    lines = textwrap.wrap(f"Rev2Fwd: {results.name}. {' '.join(head.what)}", WIDTH)
    for card in head.cards:
        lines += ["", f"{card.title}: {card.value}"]
        for sentence in (card.sure, card.compared):
            lines += textwrap.wrap(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")
    if results.problems:
        lines += ["", *(f"problem: {problem}" for problem in results.problems[:5])]
    if results.left_out:
        lines += ["", f"left out: {len(results.left_out)} older or foreign files, listed in the report"]
    lines += [
        "",
        f"report    {report.out_dir / 'index.html'} ({report.weight() / 1e6:.1f} MB with its videos)",
        f"numbers   {report.out_dir / 'metrics.csv'}, and beside each figure",
        f"policies  runs/diffusion_A_{results.name}, runs/diffusion_B_{results.name}",
        f"logs      runs/log_{results.name}, .snakemake/log",
    ]
    return "\n".join(lines) + "\n"
