"""The worst inputs: for each call the most ordinary input with a defect, else the one with the largest error."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from lossbench.harness.rows import BAD
from lossbench.reports.blocks import Cell, Table
from lossbench.reports.notation import number, quantity_rank, shown, ulps
from lossbench.reports.results import Record, Results

_HEX = re.compile(r"-?0x[01](?:\.[0-9a-f]+)?p[+-]\d+|-?inf|nan")


def worst_inputs(results: Results, title: str, dtypes: Iterable[str], limit: int) -> list[Record]:
    """The worst case of each call of a form in each dtype, at most `limit`.

    Of the defects of a call the one whose input is the mildest; a call without a defect gives its largest
    error. Defects come first, then errors by their size.
    """
    chosen = set(dtypes)
    rows = [r for r in results.errors.get(title, ()) if r["dtype"] in chosen]
    wrong = sorted((r for r in rows if r["worst_category"] not in ("", "CR")), key=_severity)
    first: dict[tuple[str, str, str], Record] = {}
    for record in wrong:
        first.setdefault((record["library"], record["call"], record["dtype"]), record)
    return list(first.values())[:limit]


def worst_table(results: Results, title: str, dtypes: Iterable[str], limit: int) -> Table:
    """Table of `worst_inputs`."""
    rows = []
    for r in worst_inputs(results, title, dtypes, limit):
        defect = r["worst_category"] in BAD
        missing = defect or math.isnan(r["value"])
        rows.append(
            (
                Cell(r["implementation"], code=True),
                Cell(r["dtype"]),
                Cell(r["encoding"]),
                Cell(r["quantity"]),
                Cell(f"{r['suite']}, {r['region']}".rstrip(", ")),
                Cell(short_hex(r["worst_input"]), code=True),
                Cell(shown(r["got"], 6)),
                Cell(shown(r["want"], 6)),
                Cell(r["worst_category"], tone="bad" if defect else ""),
                Cell("-" if missing else ulps(r["value"]), sort=math.inf if missing else r["value"]),
            )
        )
    columns = ("implementation", "dtype", "labels", "quantity", "where", "input", ">got", ">exact", "category")
    title = f"{title}: the worst input of each call"
    return Table(title, (*columns, ">ulp"), tuple(rows)).without_blank("labels")


def worst_sentence(record: Record) -> str:
    """One of `worst_inputs` as a sentence."""
    defect = record["worst_category"] in BAD
    error = "" if defect or math.isnan(record["value"]) else f", {ulps(record['value'])} ulp"
    labels = "" if record["encoding"] == "-" else f" {record['encoding']}"
    return (
        f"`{record['implementation']}`{labels} {record['dtype']} {record['quantity']}: got "
        f"{shown(record['got'], 6) or 'an exception'}, exact {shown(record['want'], 6)} "
        f"({record['worst_category']}{error}) at `{short_hex(record['worst_input'])}`"
    )


def short_hex(text: str) -> str:
    """Leave out the trailing zeros of the hex floats in a text: 0x1.8000000000000p+3 -> 0x1.8p+3."""
    return re.sub(r"(0x[01])\.0*p|(0x[01]\.[0-9a-f]*?[1-9a-f])0*p", r"\1\2p", text)


def _severity(record: Record) -> tuple[bool, float, int, str]:
    """Defects first, the mildest input first; then the largest error first."""
    defect = record["worst_category"] in BAD
    value = 0.0 if math.isnan(record["value"]) else record["value"]
    order = _strain(record["worst_input"]) if defect else -value
    return (not defect, order, quantity_rank(record["quantity"])[0], record["implementation"])


def _strain(worst_input: str) -> float:
    """How far from ordinary an input is: the largest |x| of logits, the largest -log of probabilities."""
    argument = worst_input.partition(" y=")[0]
    numbers = [number(match) for match in _HEX.findall(argument)]
    sizes = [abs(x) for x in numbers if x is not None and not math.isnan(x)]
    if not sizes or len(sizes) < len(numbers):
        return math.inf
    if argument.startswith(("p=", "q=")):
        return max(-math.log(x) if x > 0 else math.inf for x in sizes)
    return max(sizes)
