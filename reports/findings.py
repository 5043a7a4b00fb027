"""The headlines: sentences computed from the rows, and the table that answers "which call should I use"."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import itemgetter

from lossbench.harness.rows import BAD
from lossbench.reference.formats import FORMATS
from lossbench.reports import landmarks
from lossbench.reports.accuracy import dtypes, error_cell, summary, titles
from lossbench.reports.blocks import EMPTY, Cell, Table
from lossbench.reports.coverage import FAILED
from lossbench.reports.names import joined
from lossbench.reports.notation import (
    bad_text,
    category_rank,
    dtype_rank,
    form_rank,
    number,
    quantity_rank,
    scaled,
    shown,
    ulps,
)
from lossbench.reports.results import Record, Results
from lossbench.reports.throughput import Race

#: A call may be named for its speed when its error is within this many ulps, or this many times the best.
_CLOSE_ULP, _CLOSE_FACTOR = 4.0, 4.0
MAIN_DTYPES = ("float32", "float64")


def libraries_table(results: Results) -> Table:
    """Per library: how many implementations have a defect, and how many results of which category."""
    by = ("library", "title", "encoding", "implementation")
    # the cells of libraries that flush have both scores, all others count in both columns
    lenient = {row_key(r): r for rows in results.flushed.values() for r in rows}
    forgiven: dict[str, int] = defaultdict(int)
    for r in results.scores:
        forgiven[r["library"]] += lenient.get(row_key(r), r)["n_bad"]
    lines = []
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in summary(results.scores, by):
        groups[record["library"]].append(record)
    for library, rows in groups.items():
        defective = [r for r in rows if r["defect"]]
        counts = {name: sum(r["bad"].get(name, 0) for r in rows) for name in BAD}
        bad, n = sum(counts.values()), sum(r["n"] for r in rows)
        share = len(defective) / len(rows)
        lines.append(
            (
                share,
                (
                    Cell(library),
                    Cell(f"{len(defective)} of {len(rows)}", sort=share, tone="bad" if defective else "good"),
                    Cell(f"{bad} of {n}", sort=bad / max(n, 1)),
                    Cell(str(forgiven[library])),
                    Cell(bad_text(counts) or "none"),
                ),
            )
        )
    lines.sort(key=lambda line: (line[0], line[1][0].text))
    columns = ("library", ">with defects", ">defective results", ">if flushed", "which")
    notes = (
        "With defects: calls, counted once a mode, form and label encoding, of which a result is defective or "
        "has an error that leaves fewer than half of the digits. If flushed: defective results when subnormal "
        "numbers may be taken as zero.",
    )
    return Table("Defects by library", columns, tuple(row for _, row in lines), notes=notes)


def row_key(row: Record) -> tuple[str, ...]:
    """What a row shares with the row of the same cell under another metric."""
    columns = ("implementation", "title", "encoding", "dtype", "quantity", "suite", "region", "shape")
    return tuple(row[column] for column in columns)


def offenders(results: Results, limit: int) -> list[str]:
    """The largest finite error of each form, one sentence each, the largest first."""
    by = ("title", "dtype", "quantity", "implementation")
    first: dict[str, Record] = {}
    rows = [r for r in summary(results.scores, by) if not math.isnan(r["worst"])]
    for record in sorted(rows, key=lambda r: (-r["worst"], quantity_rank(r["quantity"]), r["implementation"])):
        if record["dtype"] in MAIN_DTYPES:
            first.setdefault(record["title"], record)
    return [
        f"`{r['title']}` {r['quantity']} in {r['dtype']}: {ulps(r['worst'])} ulp from `{r['implementation']}`"
        for r in list(first.values())[:limit]
        if r["worst"] > 1.0
    ]


def misses(results: Results, limit: int) -> list[str]:
    """Landmarks at which an implementation has a defect: exact value, what came instead, and from whom."""
    found: dict[tuple[str, str, str, str, str, str], tuple[set[str], dict[str, None]]] = {}
    for title in titles(results):
        main = [d for d in dtypes(results, title) if d in MAIN_DTYPES] or dtypes(results, title)
        for matrix in landmarks.matrices(results, title, main):
            for name, points in matrix.found.items():
                for region, row in points.items():
                    if row["worst_category"] not in BAD:
                        continue
                    want, got = shown(row["want"]), shown(row["got"])
                    key = (title, matrix.quantity, region, want, got, row["worst_category"])
                    seen, names = found.setdefault(key, (set(), {}))
                    seen.add(matrix.dtype)
                    names[name] = None
    sentences: dict[tuple[str, ...], str] = {}
    # a lost subnormal is news about flushing, which has a section of its own
    worst_first = sorted(
        found.items(),
        key=lambda e: (
            quantity_rank(e[0][1]),
            _subnormal(e[0][3], e[1][0]),
            -len(e[1][1]),
            category_rank(e[0][5]),
            e[0],
        ),
    )
    for (title, quantity, region, want, got, category), (seen, names) in worst_first:
        precisions = ", ".join(sorted(seen, key=dtype_rank))
        who = _some([f"`{name}`" for name in joined(results, list(names))])
        # one sentence a form, category and result, its most widespread point: the matrix has the others
        sentences.setdefault(
            (title, quantity, category, got),
            f"`{title}` {quantity} at `{region}` ({precisions}): exact {want}, but {got or 'an exception'} "
            f"({category}) from {who}",
        )
    return list(sentences.values())[:limit]


def _subnormal(want: str, dtypes: set[str]) -> bool:
    value = number(want)
    tiny = max(FORMATS[dtype].tiny for dtype in dtypes if dtype in FORMATS)
    return value is not None and 0 < abs(value) < tiny


def plateaus(results: Results, limit: int) -> list[str]:
    """Constants returned where the exact value keeps changing, one sentence a form and constant."""
    found: dict[tuple[str, str, str], tuple[dict[str, None], list[str], list[str], set[str]]] = {}
    for title in titles(results):
        main = [d for d in dtypes(results, title) if d in MAIN_DTYPES]
        for matrix in landmarks.matrices(results, title, main):
            for plateau in matrix.plateaus:
                key = (title, matrix.quantity, shown(plateau.got))
                names, regions, wants, seen = found.setdefault(key, ({}, [], [], set()))
                names[plateau.implementation] = None
                regions += [r for r in plateau.regions if r not in regions]
                wants += [w for w in map(shown, plateau.wants) if w not in wants]
                seen.add(matrix.dtype)
    return [
        f"`{title}` {quantity} is flat at {got} ({', '.join(sorted(seen, key=dtype_rank))}) at "
        f"{_some([f'`{r}`' for r in regions])}, where exact values are {_some(wants)}: "
        f"{_some([f'`{name}`' for name in joined(results, list(names))])}"
        for (title, quantity, got), (names, regions, wants, seen) in found.items()
    ][:limit]


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:4]) + (f" and {len(items) - 4} more" if len(items) > 4 else "")


def choice(results: Results, found: list[Race]) -> Table:
    """Which call to use: the most accurate, and the fastest among those that are about as accurate."""
    by = ("title", "encoding", "dtype", "implementation")
    # a call without a gradient, or one that failed, is no answer for everybody
    cell = itemgetter(*by)
    offered = Counter(cell(r) for r in summary(results.scores, (*by, "quantity")))
    failed = {cell(r) for r in results.accuracy if r["status"] in FAILED}
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in summary(results.scores, by):
        groups[record["title"], record["encoding"], record["dtype"]].append(record)
    rows = []
    for title, encoding, dtype in sorted(groups, key=lambda k: (form_rank(k[0]), k[1], dtype_rank(k[2]))):
        group = groups[title, encoding, dtype]
        whole = max(offered[cell(r)] for r in group)
        complete = [r for r in group if offered[cell(r)] == whole and cell(r) not in failed]
        sound = sorted((r for r in complete if not r["defect"]), key=lambda r: (_worst(r), r["implementation"]))
        head = (Cell(title, code=True), Cell(encoding), Cell(dtype))
        if not sound:
            rows.append((*head, Cell("none is free of defects", tone="bad"), EMPTY, EMPTY, EMPTY))
            continue
        ties = [r["implementation"] for r in sound if _worst(r) == _worst(sound[0])]
        limit = max(_CLOSE_ULP, _CLOSE_FACTOR * _worst(sound[0]))
        close = {r["implementation"]: r for r in sound if _worst(r) <= limit}
        best = (Cell(joined(results, ties)[0], code=True), error_cell(sound[0]))
        rows.append((*head, *best, *_fastest(found, (title, encoding, dtype), close)))
    columns = (
        "form",
        "labels",
        "dtype",
        "most accurate",
        ">largest ulp",
        "fastest close to it",
        ">elements/s",
    )
    notes = (
        "Only implementations with value and gradient, without a defect and without a failed unit. Close: within "
        f"{_CLOSE_ULP:g} ulp or {_CLOSE_FACTOR:g} times the best; speed of the value and gradient at the "
        "shape where most were timed, of the value alone where no gradient was timed.",
    )
    return Table("Which call should I use", columns, tuple(rows), fixed=3, notes=notes)


def _fastest(found: list[Race], which: tuple[str, str, str], close: dict[str, Record]) -> tuple[Cell, Cell]:
    """The fastest implementation among `close` in the most demanding race there is."""
    own = [race for race in found if (race.title, race.encoding, race.dtype) == which]
    for race in sorted(own, key=lambda r: (r.work_class, *r.reach), reverse=True):
        for timing in race.timings:
            if not timing.barred and timing.implementation in close:
                rate = Cell(scaled(timing.elements_per_s), sort=timing.elements_per_s)
                return Cell(timing.implementation, code=True), rate
    return EMPTY, EMPTY


def _worst(record: Record) -> float:
    return 0.0 if math.isnan(record["worst"]) else float(record["worst"])
