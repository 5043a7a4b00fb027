"""The heat map: how large the error of each implementation is in each suite."""

from __future__ import annotations

import math
from typing import Any

import altair as alt

from lossbench.reports.accuracy import quantities, rank, summary
from lossbench.reports.blocks import Chart
from lossbench.reports.names import joined
from lossbench.reports.results import Record, Results
from lossbench.reports.vega import PENDING, specification

#: Errors from here on have the colour of the end of the scale: 10^8 ulps are all of float32's digits.
_SCALE_END = 8.0
_SHADES = ("#eef5ea", "#fbe3b0", "#ef9a52", "#b3261e", "#5f0f12")
_DEFECT = "#5b3a8e"
#: What stands in a cell, at most four characters: `=`, the error, or the share of defective results.
_MARK = (
    "datum.share > 0 ? (datum.share < 0.01 ? '<1%' : format(datum.share, '.0%')) : datum.error === '' ? '=' "
    ": toNumber(datum.error) < 99.95 ? format(toNumber(datum.error), '.1f') : '1e' + floor(datum.log10)"
)


def heat_map(results: Results, title: str, dtype: str) -> Chart | None:
    """log10 of the largest error, implementation by suite, one panel a quantity."""
    rows = [row for row in results.errors.get(title, ()) if row["dtype"] == dtype]
    if not rows:
        return None
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    panels = quantities(results, title, dtype)
    cells = [f"{panel}|{suite}" for panel in panels for suite in suites]
    lines = _lines(results, rows, cells)
    width = max(34 * len(suites), 60)
    names = {line[0] for line in lines}
    base = alt.Chart().encode(
        x=alt.X("suite:N", title=None, sort=suites, axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=520)),
        tooltip=[
            alt.Tooltip("name:N", title="implementation"),
            alt.Tooltip("suite:N"),
            alt.Tooltip("error:N", title="largest error, ulps"),
            alt.Tooltip("share:Q", title="share of defects", format=".2%"),
        ],
    )
    shades = alt.Scale(range=_SHADES, domain=[-0.5, _SCALE_END], clamp=True)
    legend = alt.Legend(gradientLength=120)
    fine = base.mark_rect().encode(color=alt.Color("log10:Q", title="log10 ulp", scale=shades, legend=legend))
    depth = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 0.3], range=[0.55, 1], clamp=True), legend=None)
    wrong = base.mark_rect(color=_DEFECT).encode(opacity=depth).transform_filter("datum.share > 0")
    ink = alt.condition("datum.log10 > 5 || datum.share > 0", alt.value("#fff"), alt.value("#111"))
    marks = base.mark_text(fontSize=9).encode(text="mark:N", color=ink)
    chart = (
        alt.layer(fine, wrong, marks, data=PENDING)
        .transform_fold([*cells], as_=["where", "cell"])
        .transform_filter("datum.cell ? true : false")
        .transform_calculate(panel="split(datum.where, '|')[0]", suite="split(datum.where, '|')[1]")
        .transform_calculate(error="split(datum.cell, '/')[0]")
        .transform_calculate(share="toNumber(split(datum.cell, '/')[1]) || 0")
        .transform_calculate(log10="datum.error === '' ? -0.5 : log(max(toNumber(datum.error), 0.1)) / LN10")
        .transform_calculate(mark=_MARK)
        .properties(width=width, height=17 * len(names))
        .facet(facet=alt.Facet("panel:N", title=None, sort=panels), columns=max(1, 860 // (width + 20)))
    )
    return Chart(
        f"{title} · {dtype}: largest error by implementation and suite",
        "Best on top, by label encoding. Numbers are ulps, darker is worse, `=` is exact in every result. Violet "
        "cells with a percentage have defects: the share of results that are lost, infinite, NaN or of the wrong sign.",
        specification(chart, ("name", *cells), lines),
        tags={"form": title, "dtype": dtype},
    )


def _lines(results: Results, rows: list[Record], cells: list[str]) -> list[tuple[str, ...]]:
    """(name, then `error/share of defects` for each of `cells`), modes of a call that agree in one line."""
    single = len({row["encoding"] for row in rows}) == 1
    found: dict[tuple[str, str], dict[str, str]] = {}
    for r in summary(rows, ("implementation", "encoding", "quantity", "suite")):
        error = "" if math.isnan(r["worst"]) else f"{r['worst']:.3g}"
        # as short as can be: there are thousands of them
        text = f"{error}/{r['n_bad'] / r['n']:.2g}" if r["n_bad"] else f"{error}/"
        found.setdefault((r["implementation"], r["encoding"]), {})[f"{r['quantity']}|{r['suite']}"] = text
    groups: dict[tuple[Any, ...], list[str]] = {}
    totals = summary(rows, ("implementation", "encoding"))
    for total in sorted(totals, key=lambda total: (total["encoding"], rank(total))):
        own = found[total["implementation"], total["encoding"]]
        call = results.calls[total["implementation"]]
        line = tuple(own.get(cell, "") for cell in cells)
        groups.setdefault((call, total["encoding"], line), []).append(total["implementation"])
    named = ((joined(results, names)[0], encoding, line) for (_, encoding, line), names in groups.items())
    return [(name if single else f"{name} /{encoding}", *line) for name, encoding, line in named]
