"""The charts of the page, as Vega-Lite specifications with their data inside."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from lossbench.reports.accuracy import summary
from lossbench.reports.blocks import Chart
from lossbench.reports.notation import dtype_rank, quantity_rank, ulps
from lossbench.reports.results import Results
from lossbench.reports.throughput import Race

#: Errors from here on have the colour of the end of the scale: 10^8 ulps are all of float32's digits.
_SCALE_END = 8.0
_SHADES = ("#eef5ea", "#fbe3b0", "#ef9a52", "#b3261e", "#5f0f12")
_DEFECT = "#5b3a8e"
#: What stands in a cell of the heat map, at most four characters.
_MARK = (
    "datum.bad > 0 ? '✗' : datum.error === '' ? '=' : toNumber(datum.error) < 99.95 "
    "? format(toNumber(datum.error), '.1f') : '1e' + floor(datum.log10)"
)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "stroke")
#: Okabe and Ito's colours, told apart under every common colour blindness.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7f7f7f")


def _data(columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Iterable[str]) -> alt.InlineData:
    """Rows as CSV inside the specification: a third of the size of JSON records."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    parse = {column: "number" if column in set(numbers) else "string" for column in columns}
    return alt.InlineData(values=text.getvalue(), format=alt.CsvDataFormat(type="csv", parse=parse))


def _spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("$schema", None)  # the only address in a specification: a page without it loads nothing
    spec.pop("config", None)  # the page sets fonts and colours, for its light and its dark scheme
    return spec


def heat_map(results: Results, title: str) -> Chart | None:
    """log10 of the largest error, implementation by suite, one panel a dtype and quantity."""
    folded = summary(results.errors.get(title, ()))
    if not folded:
        return None
    single = len({r["encoding"] for r in folded}) == 1
    suites = list(dict.fromkeys(r["suite"] for r in folded))
    panels: dict[tuple[Any, ...], str] = {}
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for r in folded:
        panel = panels.setdefault(
            (dtype_rank(r["dtype"]), quantity_rank(r["quantity"])), f"{r['dtype']} · {r['quantity']}"
        )
        name = r["implementation"] if single else f"{r['implementation']} /{r['encoding']}"
        # `error/defects`, as short as can be: there are thousands of them
        error = "" if math.isnan(r["worst"]) else f"{r['worst']:.3g}"
        lines.setdefault((name, panel), {})[r["suite"]] = f"{error}/{r['n_bad'] or ''}"
    rows = [(*line, *(cells.get(suite, "") for suite in suites)) for line, cells in lines.items()]
    order = [panels[key] for key in sorted(panels)]
    base = alt.Chart().encode(
        x=alt.X("suite:N", title=None, sort=suites, axis=alt.Axis(labelAngle=-40, orient="bottom")),
        y=alt.Y("name:N", title=None, axis=alt.Axis(labelLimit=330)),
        tooltip=[
            alt.Tooltip("name:N", title="implementation"),
            alt.Tooltip("suite:N"),
            alt.Tooltip("error:N", title="largest error, ulps"),
            alt.Tooltip("bad:Q", title="defects"),
        ],
    )
    shades = alt.Scale(range=_SHADES, domain=[-0.5, _SCALE_END], clamp=True)
    shade = alt.Color("log10:Q", title="log10 ulp", scale=shades, legend=alt.Legend(gradientLength=120))
    cells = base.mark_rect().encode(color=alt.condition("datum.bad > 0", alt.value(_DEFECT), shade))
    dark = "datum.log10 > 5 || datum.bad > 0"
    marks = base.mark_text(fontSize=9).encode(
        text="mark:N", color=alt.condition(dark, alt.value("#fff"), alt.value("#111"))
    )
    width = max(34 * len(suites), 60)
    data = _data(("name", "panel", *suites), rows, ())
    chart = (
        alt.layer(cells, marks, data=data)
        .transform_fold(suites, as_=["suite", "cell"])
        .transform_filter("datum.cell !== ''")
        .transform_calculate(
            error="split(datum.cell, '/')[0]",
            bad="toNumber(split(datum.cell, '/')[1]) || 0",
        )
        .transform_calculate(
            log10="datum.error === '' ? -0.5 : log(max(toNumber(datum.error), 0.1)) / LN10",
        )
        .transform_calculate(mark=_MARK)
        .properties(width=width, height=17 * len({row[0] for row in rows}))
        .facet(facet=alt.Facet("panel:N", title=None, sort=order), columns=_columns(order, width))
    )
    return Chart(
        f"{title}: largest error by implementation and suite",
        "Darker is worse; ✗ on violet marks defects (lost values, infinities, NaN, wrong signs), whatever "
        "the largest finite error beside them; `=` is exact in every result.",
        _spec(chart),
        tags={"form": title},
    )


def _columns(panels: Sequence[str], width: int) -> int:
    """Panels beside each other: as many as fit a page, a multiple of the quantities where it can be."""
    fit = max(1, 760 // (width + 20))
    return min(len(panels), fit - fit % 2 if fit > 1 else 1)


def speed_and_accuracy(results: Results, races: Sequence[Race], title: str) -> Chart | None:
    """Elements per second against the largest error, at one shape of each dtype and work class."""
    worst: dict[tuple[str, str, str], tuple[float, int]] = {}
    for r in summary(results.errors.get(title, ())):
        key = (r["implementation"], r["encoding"], r["dtype"])
        before = worst.get(key, (0.1, 0))
        # the value alone and the gradient share a dot: a call is used for both
        worst[key] = (
            max(before[0], 0.1 if math.isnan(r["worst"]) else r["worst"]),
            before[1] + int(r["n_bad"]),
        )
    rows = []
    for race in _shown(races, title):
        panel = f"{race.dtype} · {race.work_class} · {race.shape}"
        for t in race.timings:
            key = (t.implementation, race.encoding, race.dtype)
            if t.barred or key not in worst:
                continue
            error, bad = worst[key]
            kind = "with defects" if bad else "no defect"
            rate = float(f"{t.elements_per_s:.6g}")
            rows.append((t.implementation, t.library, panel, rate, min(error, 1e18), ulps(error), bad, kind))
    if not rows:
        return None
    columns = ("name", "library", "panel", "rate", "error", "ulp", "bad", "kind")
    colours, shapes = _scale(results, _COLOURS), _scale(results, _SHAPES)
    chart = (
        alt.Chart(_data(columns, rows, ("rate", "error", "bad")))
        .mark_point(size=90, strokeWidth=1.6)
        .encode(
            x=alt.X("rate:Q", scale=alt.Scale(type="log"), title="elements/s", axis=alt.Axis(format="~s")),
            y=alt.Y(
                "error:Q",
                scale=alt.Scale(type="log"),
                title="largest error, ulps",
                axis=alt.Axis(format="~e", tickCount=6),
            ),
            color=alt.Color("library:N", scale=colours),
            fill=alt.Fill("library:N", scale=colours),
            shape=alt.Shape("library:N", scale=shapes),
            fillOpacity=alt.FillOpacity(
                "kind:O",
                title="filled: no defect",
                scale=alt.Scale(domain=["no defect", "with defects"], range=[0.9, 0.0]),
            ),
            tooltip=[
                alt.Tooltip("name:N", title="implementation"),
                alt.Tooltip("rate:Q", title="elements/s", format=".3s"),
                alt.Tooltip("ulp:N", title="largest error, ulps"),
                alt.Tooltip("bad:Q", title="defects"),
            ],
        )
        .properties(width=330, height=230)
        .facet(facet=alt.Facet("panel:N", title=None), columns=2)
        .resolve_scale(x="independent")
    )
    return Chart(
        f"{title}: speed against accuracy",
        "Right is faster, down is more accurate; a hollow mark has defects, whatever its finite error.",
        _spec(chart),
        tags={"form": title},
    )


def bars(results: Results, races: Sequence[Race], title: str) -> Chart | None:
    """Elements per second of every implementation at one shape of each dtype and work class."""
    rows = []
    for race in _shown(races, title):
        labels = "" if race.encoding == "-" else f"{race.encoding} · "
        panel = f"{labels}{race.dtype} · {race.work_class} · {race.shape}"
        for t in race.timings:
            if t.barred and not t.barred.startswith("disqualified"):
                continue
            rate = 0.0 if t.barred else float(f"{t.elements_per_s:.6g}")
            label = "disqualified" if t.barred else f"{race.ratio(t):.2f}x"
            rows.append((t.implementation, t.library, panel, rate, label))
    if not rows:
        return None
    fastest = alt.EncodingSortField(field="rate", op="max", order="descending")
    base = alt.Chart().encode(
        y=alt.Y("name:N", title=None, sort=fastest, axis=alt.Axis(labelLimit=330)),
        x=alt.X("rate:Q", title="elements/s", axis=alt.Axis(format="~s", tickCount=4)),
        tooltip=[
            alt.Tooltip("name:N", title="implementation"),
            alt.Tooltip("rate:Q", title="elements/s", format=".3s"),
            alt.Tooltip("label:N", title="time over the fastest"),
        ],
    )
    colour = alt.Color("library:N", scale=_scale(results, _COLOURS), legend=None)
    drawn = alt.layer(
        base.mark_bar(height={"band": 0.72}).encode(color=colour),
        base.mark_text(align="left", dx=4, fontSize=10).encode(text="label:N"),
        data=_data(("name", "library", "panel", "rate", "label"), rows, ("rate",)),
    )
    chart = (
        drawn.properties(width=300, height=alt.Step(17))
        .facet(facet=alt.Facet("panel:N", title=None), columns=2)
        .resolve_scale(x="independent", y="independent")
    )
    return Chart(
        f"{title}: throughput at the shape where most were timed",
        "Longer is faster; the number at a bar is its time over the fastest of its panel.",
        _spec(chart),
        tags={"form": title},
    )


def _shown(races: Sequence[Race], title: str) -> list[Race]:
    """For each kind of work of a form the race with most runners, the largest of equals."""
    chosen: dict[tuple[Any, ...], Race] = {}
    for race in races:
        if race.title != title:
            continue
        key = (race.encoding, race.work_class, race.dtype)
        if key not in chosen or race.reach >= chosen[key].reach:
            chosen[key] = race
    return list(chosen.values())


def _scale(results: Results, values: Sequence[str]) -> alt.Scale:
    """Colours or shapes of the libraries, the same in every chart of a run."""
    libraries = sorted({row["library"] for row in results.records})
    return alt.Scale(domain=libraries, range=[values[i % len(values)] for i in range(len(libraries))])
