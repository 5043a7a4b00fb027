"""What the charts share: data inside the specification, and the looks of the libraries."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from lossbench.reports.results import Results

#: Okabe and Ito's colours, told apart under every common colour blindness, and two more.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7f7f7f", "#a06cd5"),
    "#b3261e",
)
#: A shape for each colour, the last of them a star.
SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"),
    *("M0,-1L1,1L-1,1Z M0,1", "M0,-1L.3,-.3L1,-.3L.4,.2L.6,1L0,.5L-.6,1L-.4,.2L-1,-.3L-.3,-.3Z"),
)


#: What charts are declared over: the data itself is put in at the end, so that it is not copied on the way.
PENDING = alt.NamedData(name="pending")


def specification(
    chart: alt.TopLevelMixin, columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Iterable[str] = ()
) -> dict[str, Any]:
    """The chart as Vega-Lite with its rows inside, as CSV: a third of the size of JSON records.

    numbers: the columns that are read as numbers. Left out are the address of the schema, the only one in a
    specification, and the configuration: fonts and colours are the page's, for its light and its dark scheme.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    read_as = {column: "number" if column in set(numbers) else "string" for column in columns}
    spec: dict[str, Any] = chart.to_dict(validate=False)
    for name in ("$schema", "config", "datasets"):
        spec.pop(name, None)
    return {**spec, "data": {"values": text.getvalue(), "format": {"type": "csv", "parse": read_as}}}


def library_scale(results: Results, values: Sequence[str]) -> alt.Scale:
    """Colours or shapes of the libraries, the same in every chart of a run."""
    libraries = results.libraries
    return alt.Scale(domain=libraries, range=[values[i % len(values)] for i in range(len(libraries))])
