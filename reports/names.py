"""Rows of tables by implementation: modes of one call that agree in every cell share a row."""

from __future__ import annotations

from collections.abc import Sequence

from lossbench.reports.blocks import Cell
from lossbench.reports.results import Results

Cells = tuple[Cell, ...]


def fold_modes(results: Results, rows: Sequence[Cells], column: int = 0) -> list[Cells]:
    """Join rows that differ in nothing but the mode of one call: `torch:softplus` for eager and compile.

    rows: rows of a table with the name of the implementation in `column`; the first of the joined rows keeps
    its place.
    """
    groups: dict[tuple[object, ...], list[Cells]] = {}
    for row in rows:
        name = row[column].text
        key = (results.calls.get(name, name), *row[:column], *row[column + 1 :])
        groups.setdefault(key, []).append(row)
    folded = []
    for group in groups.values():
        (name,) = joined(results, [row[column].text for row in group])
        first = group[0]
        folded.append((*first[:column], Cell(name, code=True), *first[column + 1 :]))
    return folded


def joined(results: Results, names: Sequence[str]) -> list[str]:
    """Write several names compactly, one a call: without the mode where all modes of the call are there."""
    by_call: dict[object, list[str]] = {}
    for name in names:
        by_call.setdefault(results.calls.get(name, name), []).append(name)
    return [_alternatives(group, results.names.get(call, [])) for call, group in by_call.items()]


def _alternatives(names: Sequence[str], known: Sequence[str]) -> str:
    """Write names of one call: the common start once, then what differs joined by `|`, if it is not all `known`."""
    if len(names) == 1:
        return names[0]
    parts = [name.split(":") for name in sorted(names)]
    shared = 0
    while all(len(part) > shared + 1 and part[shared] == parts[0][shared] for part in parts):
        shared += 1
    start = parts[0][:shared]
    return ":".join(start if set(names) == set(known) else [*start, "|".join(":".join(p[shared:]) for p in parts)])
