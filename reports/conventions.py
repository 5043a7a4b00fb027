"""Label conventions: whether two writings of the same labels get the same answer, and by how much they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lossbench.reports.blocks import Cell, Section, Table
from lossbench.reports.names import fold_modes
from lossbench.reports.notation import dtype_rank, form_rank, quantity_rank, tone, ulps
from lossbench.reports.results import Results

_TEXT = (
    "Index, one-hot and soft labels, or {0,1} and -1/+1, that mean the same should get the same answer. The table "
    "shows where they do not: the largest difference between the two answers, in ulps of the exact value; inf "
    "where only one of them is a number."
)


def conventions(results: Results, dtypes: Sequence[str] | None = None, limit: int | None = None) -> Section:
    """The pairs of writings whose answers differ, the `limit` largest differences, in some of the dtypes or all."""
    rows = [r for r in results.equivalences if dtypes is None or r["dtype"] in dtypes]
    if not rows:
        return Section("Label conventions", "conventions", ["This run compared no label conventions."])
    quantities = sorted({r["quantity"].partition(":")[0] for r in rows}, key=quantity_rank)
    pairs: dict[tuple[str, str, str, str], dict[str, float]] = {}
    for r in rows:
        key = (r["title"], r["encoding"], r["dtype"], r["implementation"])
        gaps, quantity = pairs.setdefault(key, {}), r["quantity"].partition(":")[0]
        if not math.isnan(r["value"]):  # several class counts fold into one
            gaps[quantity] = max(gaps.get(quantity, 0.0), r["value"])
    differ = {key: gaps for key, gaps in pairs.items() if any(gap > 0 for gap in gaps.values())}
    largest = sorted(differ, key=lambda key: (-max(differ[key].values()), key))[:limit]
    lines = [
        (Cell(key[3], code=True), *map(Cell, key[:3]), *(_gap(differ[key], quantity) for quantity in quantities))
        for key in sorted(largest, key=lambda k: (form_rank(k[0]), k[1], dtype_rank(k[2]), largest.index(k)))
    ]
    left = len(differ) - len(largest)
    notes = (f"{left} smaller differences are in report.html and accuracy.csv.",) if left else ()
    same = f"{len(pairs) - len(differ)} of {len(pairs)} pairs of answers agree to the last bit."
    columns = ("implementation", "form", "labels", "dtype", *(f">{quantity}" for quantity in quantities))
    table = Table("Answers that differ, in ulps", columns, tuple(fold_modes(results, lines)), len(columns), 0, notes)
    return Section("Label conventions", "conventions", [_TEXT, same, table])


def _gap(gaps: dict[str, float], quantity: str) -> Cell:
    if quantity not in gaps:
        return Cell("·", tone="none")
    gap = gaps[quantity]
    if math.isinf(gap):
        return Cell("inf", tone=tone(gap, True))
    return Cell("=", tone="good") if gap == 0 else Cell(ulps(gap), tone=tone(gap, False))
