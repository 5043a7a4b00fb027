"""Tables of accuracy: who is how wrong where, the ranking, and flush-to-zero."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from lossbench.reports.blocks import EMPTY, Cell, Table
from lossbench.reports.names import fold_modes
from lossbench.reports.notation import (
    bad_text,
    dtype_rank,
    form_rank,
    quantity_rank,
    tone,
    ulps,
)
from lossbench.reports.results import Record, Results

#: Columns that name one cell of "implementation x suite".
CELL = ("encoding", "dtype", "quantity", "implementation", "library", "suite")


def summary(rows: Iterable[Record], by: Sequence[str] = CELL) -> list[Record]:
    """Fold rows that agree in the columns `by`, in the order in which they come.

    A folded row holds those columns, worst (the largest error, NaN without a finite case), where (its
    suite), n (results), n_bad (defects), bad (defects by category) and defect (whether a row's verdict says
    so: a defect category, or an error that leaves fewer than half of the digits).
    """
    folded: dict[tuple[Any, ...], Record] = {}
    key = itemgetter(*by)
    for row in rows:
        entry = folded.get(key(row))
        if entry is None:
            entry = {column: row[column] for column in by}
            entry |= {
                "worst": math.nan,
                "where": row["suite"],
                "n": 0,
                "n_bad": 0,
                "bad": {},
                "defect": False,
            }
            folded[key(row)] = entry
        if not row["value"] <= entry["worst"] and not math.isnan(row["value"]):
            entry["worst"], entry["where"] = row["value"], row["suite"]
        entry["n"] += row["n"]
        entry["n_bad"] += row["n_bad"]
        entry["defect"] |= row["n_bad"] > 0 or row["verdict"] == "defect"
        for name, count in row["bad"].items():
            entry["bad"][name] = entry["bad"].get(name, 0) + count
    return list(folded.values())


def error_cell(record: Record) -> Cell:
    """The largest error of a row of `summary`, ✗ for a defect, and the number of defective results."""
    worst, bad = record["worst"], record["n_bad"]
    if not record["defect"] and math.isnan(worst):
        return Cell("=", tone="good")
    note = f"✗{bad or ''}" if record["defect"] else ""
    return Cell(ulps(worst), tone=tone(worst, record["defect"]), note=note)


def suites(results: Results, title: str, dtype: str, quantity: str, by_labels: bool = True) -> Table:
    """Who is how wrong where: implementation by suite.

    by_labels: a row for each label encoding; else one for all of them, with the largest error.
    """
    part = [row for row in _part(results.errors, title, dtype) if row["quantity"] == quantity]
    by = ("implementation", "encoding") if by_labels else ("implementation",)
    names = list(dict.fromkeys(row["suite"] for row in part))
    who = itemgetter(*by, "suite")
    cells = {who(record): record for record in summary(part, (*by, "suite"))}
    lines = []
    for total in sorted(summary(part, by), key=lambda total: (total.get("encoding", ""), rank(total))):
        found = [cells.get((*(total[column] for column in by), suite)) for suite in names]
        measured = [EMPTY if record is None else error_cell(record) for record in found]
        labels = (Cell(total["encoding"]),) if by_labels else ()
        lines.append((Cell(total["implementation"], code=True), *labels, *measured))
    table = Table(
        f"{title} · {dtype} · {quantity}: largest error in ulps by suite",
        ("implementation", *(("labels",) if by_labels else ()), *(f">{name}" for name in names)),
        tuple(fold_modes(results, lines)),
        fixed=len(by),
        tags={"form": title, "dtype": dtype},
    )
    return table.without_blank("labels") if by_labels else table


def quantities(results: Results, title: str, dtype: str) -> list[str]:
    """Quantities in which a form was measured, the value first."""
    return sorted({row["quantity"] for row in _part(results.errors, title, dtype)}, key=quantity_rank)


def ranking(results: Results, title: str, dtype: str, full: bool) -> Table:
    """Implementations of a form by label encoding, best first: no defect, then the smallest maximum error.

    full: with the place, the suite of the largest error and the defects by category.
    """
    errors = _part(results.errors, title, dtype)
    by = ("implementation", "encoding")
    who = itemgetter(*by)
    split = {(*who(r), r["quantity"]): r for r in summary(errors, (*by, "quantity"))}
    flushed = {who(r): r for r in summary(_part(results.flushed, title, dtype), by)}
    scored = quantities(results, title, dtype)
    lines = []
    for total in sorted(summary(errors, by), key=lambda total: (total["encoding"], rank(total))):
        found = [split.get((*who(total), quantity)) for quantity in scored]
        line = [Cell(total["implementation"], code=True), Cell(total["encoding"])]
        line += [EMPTY if record is None else error_cell(record) for record in found]
        if flushed:
            line.append(error_cell(flushed[who(total)]) if who(total) in flushed else EMPTY)
        if full:
            where = "-" if math.isnan(total["worst"]) else total["where"]
            line += [Cell(where), Cell(bad_text(total["bad"]), sort=float(total["n_bad"]))]
        lines.append(tuple(line))
    lines = fold_modes(results, lines)
    columns = ("implementation", "labels", *(f">{quantity}" for quantity in scored))
    notes: tuple[str, ...] = ()
    if flushed:
        columns += (">if flushed",)
        notes = ("If flushed: all quantities, scored with subnormal results and inputs taken as zero.",)
    return Table(
        f"{title} · {dtype}: ranking over all suites (largest error in ulps, ✗ number of defects)",
        (columns[0], *((">#",) if full else ()), *columns[1:], *(("worst suite", "defects") if full else ())),
        tuple(_placed(lines) if full else lines),
        fixed=3 if full else 2,
        notes=notes,
        tags={"form": title, "dtype": dtype},
    ).without_blank("labels")


def _placed(lines: Iterable[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
    """Put the place behind each name, counted for each label encoding, the second column."""
    places: Counter[str] = Counter()
    for line in lines:
        places[line[1].text] += 1
        yield line[0], Cell(str(places[line[1].text])), *line[1:]


def flush_to_zero(results: Results) -> Table:
    """Which libraries flush subnormal numbers to zero, and what that does to their score."""
    by = ("library", "mode", "device", "dtype")
    which = itemgetter(*by)
    strict, forgiving = (
        {which(total): total for total in summary(rows, by)}
        for rows in (results.scores, [r for rows in results.flushed.values() for r in rows])
    )
    lines = []
    probes = [probe for probe in results.probes if probe["metric"] == "ftz"]
    for r in sorted(probes, key=lambda r: (*which(r)[:3], dtype_rank(r["dtype"]))):
        answer = "not probed" if r["status"] != "measured" else "yes" if r["value"] == 1 else "no"
        totals = (scored.get(which(r)) for scored in (strict, forgiving))
        lost = [EMPTY if total is None else Cell(str(total["bad"].get("LOST", 0))) for total in totals]
        flushes = Cell(answer, tone="fair" if answer == "yes" else "")
        lines.append((*map(Cell, which(r)), flushes, *lost, Cell(r["reason"])))
    columns = (*by, "flushes", ">LOST", ">LOST, if flushed", "what flushes")
    return Table("Flush-to-zero, as probed", columns, tuple(dict.fromkeys(lines)), fixed=4)


def titles(results: Results) -> list[str]:
    """Forms (with options) that have a measured accuracy row, in the order of the reference."""
    return sorted(results.errors, key=form_rank)


def dtypes(results: Results, title: str) -> list[str]:
    """dtypes in which a form was measured, float32 and float64 first."""
    return sorted({row["dtype"] for row in results.errors.get(title, ())}, key=dtype_rank)


def _part(scored: Mapping[str, Sequence[Record]], title: str, dtype: str) -> list[Record]:
    return [row for row in scored.get(title, ()) if row["dtype"] == dtype]


def rank(record: Record) -> tuple[bool, int, float, str]:
    """Sort key of rows of `summary`, best first: no defect, few defective results, small error."""
    worst, bad = record["worst"], record["n_bad"]
    return (
        record["defect"],
        bad,
        0.0 if math.isnan(worst) else worst,
        record["implementation"],
    )
