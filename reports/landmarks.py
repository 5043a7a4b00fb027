"""The landmarks matrix: what every implementation returns at named points, beside the exact value."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lossbench.harness.rows import BAD
from lossbench.reports.blocks import EMPTY, Cell, Table
from lossbench.reports.names import fold_modes
from lossbench.reports.notation import (
    FAIR_ULP,
    SHORT,
    category_rank,
    number,
    quantity_rank,
    shown,
    tone,
    ulps,
)
from lossbench.reports.results import Record, Results

SUITE = "landmarks"
#: A result that is off by more than this many ulps and returned for different exact values is a plateau.
_FLAT_ULP = 100.0

Points = dict[str, Record]


@dataclass(frozen=True)
class Plateau:
    """One constant that an implementation returns at several points where the exact values differ."""

    implementation: str
    got: str
    regions: tuple[str, ...]
    wants: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """Landmarks of one form, encoding, dtype and quantity.

    exact: point -> correctly rounded exact value, in the order of the suite. found: implementation -> point
    -> row. flat: (implementation, point) that lie on a plateau.
    """

    title: str
    encoding: str
    dtype: str
    quantity: str
    exact: dict[str, str]
    found: dict[str, Points]
    plateaus: tuple[Plateau, ...]

    @property
    def flat(self) -> set[tuple[str, str]]:
        """(implementation, point) pairs that lie on a plateau."""
        return {(p.implementation, region) for p in self.plateaus for region in p.regions}


def matrices(results: Results, title: str, dtypes: Iterable[str]) -> list[Matrix]:
    """The landmark matrices of a form, by encoding, dtype and quantity."""
    order = list(dtypes)
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in results.errors.get(title, ()):
        if record["suite"] != SUITE or record["dtype"] not in order:
            continue
        groups[record["encoding"], record["dtype"], record["quantity"]].append(record)
    found = []
    for encoding, dtype, quantity in sorted(groups, key=lambda k: (order.index(k[1]), k[0], quantity_rank(k[2]))):
        rows = groups[encoding, dtype, quantity]
        exact: dict[str, str] = {}
        points: dict[str, Points] = defaultdict(dict)
        several = len({row["shape"] for row in rows}) > 1
        for row in rows:
            point = f"{row['region']} K={row['shape']}" if several else row["region"]
            exact.setdefault(point, row["want"])
            points[row["implementation"]][point] = row
        plateaus = tuple(p for name, own in points.items() for p in _plateaus(name, own))
        found.append(Matrix(title, encoding, dtype, quantity, exact, dict(points), plateaus))
    return found


def _plateaus(implementation: str, points: Points) -> list[Plateau]:
    """Find constants that are returned at points with different exact values, and are wrong there."""
    shared: dict[str, Points] = defaultdict(dict)
    for point, row in points.items():
        got = number(row["got"])
        off = row["worst_category"] == "MISSED_INF" or row["value"] > _FLAT_ULP
        if got is not None and math.isfinite(got) and got != 0 and off:
            shared[row["got"]][point] = row
    return [
        Plateau(implementation, got, tuple(own), tuple(row["want"] for row in own.values()))
        for got, own in shared.items()
        if len({row["want"] for row in own.values()}) > 1
    ]


def wrong(row: Record) -> bool:
    """Whether a landmark is missed: a defect, or an error beyond the fair range."""
    return _defect(row) or row["value"] > FAIR_ULP


def _defect(row: Record) -> bool:
    return row["worst_category"] in BAD or row["verdict"] == "defect"


def cell(matrix: Matrix, implementation: str, region: str) -> Cell:
    """What an implementation returned at a point, with its category or its error in ulps."""
    row = matrix.found[implementation].get(region)
    if row is None:
        return EMPTY
    category = row["worst_category"]
    if category == "CR":  # the exact value stands on top of the column
        return Cell(SHORT["CR"], tone="good")
    note = SHORT.get(category) or ("" if math.isnan(row["value"]) else f"{ulps(row['value'])} ulp")
    if (implementation, region) in matrix.flat:
        note += " flat"
    return Cell(shown(row["got"] or row["want"], 4), tone=tone(row["value"], _defect(row)), note=note)


def tables(results: Results, found: Iterable[Matrix]) -> list[Table]:
    """The matrices as tables: implementations as rows, points as columns, the exact values on top.

    Modes of a call, and label encodings, that return the same share a row or table.
    """
    grids: dict[tuple[object, ...], tuple[Table, list[str]]] = {}
    for matrix in found:
        points = list(matrix.exact)
        exact = (Cell("exact"), *(Cell(shown(matrix.exact[p], 4)) for p in points))
        rows = [
            (Cell(name, code=True), *(cell(matrix, name, point) for point in points))
            for name in sorted(matrix.found, key=lambda name: _order(matrix, name))
        ]
        table = Table(
            f"{matrix.dtype} · {matrix.quantity} at the landmarks",
            ("implementation", *(f">{point}" for point in points)),
            (exact, *fold_modes(results, rows)),
            head=1,
            tags={"form": matrix.title, "dtype": matrix.dtype},
        )
        key = (table.title, table.columns, table.rows)
        grids.setdefault(key, (table, []))[1].append(matrix.encoding)
    return [
        replace(table, title=f"{table.tags['form']}{_labels(encodings)} · {table.title}")
        for table, encodings in grids.values()
    ]


def _labels(encodings: list[str]) -> str:
    return "" if encodings == ["-"] else f" · {' and '.join(encodings)} labels"


def hits(matrix: Matrix) -> bool:
    """Whether no implementation misses any point."""
    return not any(wrong(row) for points in matrix.found.values() for row in points.values())


def _order(matrix: Matrix, name: str) -> tuple[int, int, str]:
    """Fewest misses first."""
    rows = matrix.found[name].values()
    return (sum(wrong(row) for row in rows), -min(category_rank(r["worst_category"]) for r in rows), name)
