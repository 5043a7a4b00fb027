"""Charts of speed: against accuracy, and by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from lossbench.reports.accuracy import summary
from lossbench.reports.blocks import Chart
from lossbench.reports.notation import ulps
from lossbench.reports.results import Results
from lossbench.reports.throughput import Race
from lossbench.reports.vega import COLOURS, PENDING, SHAPES, library_scale, specification


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
    colours, shapes = library_scale(results, COLOURS), library_scale(results, SHAPES)
    chart = (
        alt.Chart(PENDING)
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
        specification(chart, columns, rows, ("rate", "error", "bad")),
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
    colour = alt.Color("library:N", scale=library_scale(results, COLOURS), legend=None)
    drawn = alt.layer(
        base.mark_bar(height={"band": 0.72}).encode(color=colour),
        base.mark_text(align="left", dx=4, fontSize=10).encode(text="label:N"),
        data=PENDING,
    )
    chart = (
        drawn.properties(width=300, height=alt.Step(17))
        .facet(facet=alt.Facet("panel:N", title=None), columns=2)
        .resolve_scale(x="independent", y="independent")
    )
    return Chart(
        f"{title}: throughput at the shape where most were timed",
        "Longer is faster; the number at a bar is its time over the fastest of its panel.",
        specification(chart, ("name", "library", "panel", "rate", "label"), rows, ("rate",)),
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
