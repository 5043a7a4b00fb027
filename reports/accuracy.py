"""Tables of accuracy: who is how wrong where, the ranking, the worst inputs, and flush-to-zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from lossbench.harness.rows import BAD
from lossbench.reports.blocks import EMPTY, Cell, Table
from lossbench.reports.names import fold_modes
from lossbench.reports.notation import (
    bad_text,
    category_rank,
    dtype_rank,
    form_rank,
    quantity_rank,
    shown,
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
        return Cell("=", sort=0.0, tone="good")
    sort = (1e300 if bad else 0.0) + (0.0 if math.isnan(worst) else min(worst, 1e299))
    note = f"✗{bad or ''}" if record["defect"] else ""
    return Cell(ulps(worst), sort=sort, tone=tone(worst, record["defect"]), note=note)


def suites(results: Results, title: str, dtype: str) -> list[Table]:
    """Who is how wrong where: implementation by suite, one table for the value and one a derivative."""
    rows = _part(results.errors, title, dtype)
    tables = []
    for quantity in sorted({row["quantity"] for row in rows}, key=quantity_rank):
        part = [row for row in rows if row["quantity"] == quantity]
        folded = summary(part)
        names = list(dict.fromkeys(row["suite"] for row in folded))
        cells = {(r["implementation"], r["encoding"], r["suite"]): r for r in folded}
        lines = []
        for total in sorted(summary(part, ("implementation", "encoding")), key=_rank):
            who, labels = total["implementation"], total["encoding"]
            found = [cells.get((who, labels, suite)) for suite in names]
            measured = [EMPTY if record is None else error_cell(record) for record in found]
            lines.append((Cell(who, code=True), Cell(labels), *measured, _defects(total)))
        tables.append(
            Table(
                f"{title} · {dtype} · {quantity}: largest error in ulps by suite",
                ("implementation", "labels", *(f">{name}" for name in names), "defects"),
                tuple(fold_modes(results, lines)),
                fixed=2,
                tags={"form": title, "dtype": dtype},
            ).without_blank("labels")
        )
    return tables


def ranking(results: Results, title: str, dtype: str) -> Table:
    """Implementations of a form, best first, over all suites: no defect, then the smallest maximum error."""
    errors = _part(results.errors, title, dtype)
    by = ("implementation", "encoding")
    who = itemgetter(*by)
    split = {(*who(r), r["quantity"]): r for r in summary(errors, (*by, "quantity"))}
    flushed = {who(r): r for r in summary(_part(results.flushed, title, dtype), by)}
    quantities = sorted({row["quantity"] for row in errors}, key=quantity_rank)
    lines = []
    for total in sorted(summary(errors, by), key=_rank):
        found = [split.get((*who(total), quantity)) for quantity in quantities]
        line = [Cell(total["implementation"], code=True), Cell(total["encoding"])]
        line += [EMPTY if record is None else error_cell(record) for record in found]
        if flushed:
            line.append(error_cell(flushed[who(total)]) if who(total) in flushed else EMPTY)
        lines.append((*line, Cell("-" if math.isnan(total["worst"]) else total["where"]), _defects(total)))
    columns = (">#", "implementation", "labels", *(f">{quantity}" for quantity in quantities))
    notes: tuple[str, ...] = ()
    if flushed:
        columns += (">FTZ-tolerant",)
        notes = ("FTZ-tolerant: all quantities, scored with subnormal results and inputs taken as zero.",)
    return Table(
        f"{title} · {dtype}: ranking over all suites (largest error in ulps, ✗ number of defects)",
        (*columns, "worst suite", "defects"),
        tuple((Cell(str(i)), *line) for i, line in enumerate(fold_modes(results, lines), start=1)),
        fixed=3,
        notes=notes,
        tags={"form": title, "dtype": dtype},
    ).without_blank("labels")


def worst_inputs(results: Results, title: str, dtypes: Iterable[str], limit: int) -> list[Record]:
    """The worst case of each implementation of a form, at most `limit`: defects first, then the error."""
    chosen = set(dtypes)
    rows = (r for r in results.errors.get(title, ()) if r["dtype"] in chosen)
    wrong = sorted((r for r in rows if r["worst_category"] not in ("", "CR")), key=_severity)
    first: dict[tuple[str, str], Record] = {}
    for record in wrong:
        first.setdefault((record["implementation"], record["dtype"]), record)
    return list(first.values())[:limit]


def worst_table(results: Results, title: str, dtypes: Iterable[str], limit: int) -> Table:
    """Table of `worst_inputs`."""
    rows = []
    for r in worst_inputs(results, title, dtypes, limit):
        missing = math.isnan(r["value"])
        rows.append(
            (
                Cell(r["implementation"], code=True),
                Cell(r["dtype"]),
                Cell(r["encoding"]),
                Cell(r["quantity"]),
                Cell(f"{r['suite']}, {r['region']}".rstrip(", ")),
                Cell(r["worst_input"], code=True),
                Cell(shown(r["got"], 6)),
                Cell(shown(r["want"], 6)),
                Cell(r["worst_category"], tone="bad" if r["worst_category"] in BAD else ""),
                Cell(ulps(r["value"]), sort=-1.0 if missing else r["value"]),
            )
        )
    columns = (
        "implementation",
        "dtype",
        "labels",
        "quantity",
        "where",
        "input",
        ">got",
        ">exact",
        "category",
    )
    title = f"{title}: the worst input of each implementation"
    return Table(title, (*columns, ">largest ulp there"), tuple(rows)).without_blank("labels")


def worst_sentence(record: Record) -> str:
    """One of `worst_inputs` as a sentence."""
    error = (
        "" if math.isnan(record["value"]) else f", up to {ulps(record['value'])} ulp in {record['region']}"
    )
    labels = "" if record["encoding"] == "-" else f" {record['encoding']}"
    return (
        f"`{record['implementation']}`{labels} {record['dtype']} {record['quantity']}: got "
        f"{shown(record['got'], 6) or 'an exception'}, exact {shown(record['want'], 6)} "
        f"({record['worst_category']}{error}) at `{record['worst_input']}`"
    )


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
    columns = (*by, "flushes", ">LOST", ">LOST, FTZ-tolerant", "how it was seen")
    return Table("Flush-to-zero, as probed", columns, tuple(dict.fromkeys(lines)), fixed=4)


def titles(results: Results) -> list[str]:
    """Forms (with options) that have a measured accuracy row, in the order of the reference."""
    return sorted(results.errors, key=form_rank)


def dtypes(results: Results, title: str) -> list[str]:
    """dtypes in which a form was measured, float32 and float64 first."""
    return sorted({row["dtype"] for row in results.errors.get(title, ())}, key=dtype_rank)


def _part(scored: Mapping[str, Sequence[Record]], title: str, dtype: str) -> list[Record]:
    return [row for row in scored.get(title, ()) if row["dtype"] == dtype]


def _defects(total: Record) -> Cell:
    return Cell(bad_text(total["bad"]), sort=float(total["n_bad"]))


def _rank(record: Record) -> tuple[bool, int, float, str, str]:
    """Best first: no defect, few defective results, small error."""
    worst, bad = record["worst"], record["n_bad"]
    return (
        record["defect"],
        bad,
        0.0 if math.isnan(worst) else worst,
        record["implementation"],
        record["encoding"],
    )


def _severity(record: Record) -> tuple[int, float, int, str]:
    """Worst first: by category, then by the error."""
    value = record["value"]
    return (
        category_rank(record["worst_category"]),
        math.inf if math.isnan(value) else -value,
        quantity_rank(record["quantity"])[0],
        record["implementation"],
    )
