"""The sections of the report, in their order. A new one is a module here and templates/sections/{key}.html.

A module has TITLE and `content(report)`, which returns what its template is rendered with, or None where there is
nothing to show. Figures are made with `report.figure(stem, figure, caption, rows)`, tables as `tables.Table`.
"""

from rev2fwd_il.reporting.sections import chains, data, failures, making, practice, rates, starts, videos

SECTIONS = {
    "rates": rates, "starts": starts, "failures": failures, "chains": chains, "practice": practice, "videos": videos,
    "data": data, "making": making,
}  # fmt: skip
