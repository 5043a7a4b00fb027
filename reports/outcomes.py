"""The landmarks that are missed, point by point: what came instead of the exact value, and from whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lossbench.harness.rows import BAD
from lossbench.reports.blocks import Cell, Table
from lossbench.reports.landmarks import Matrix, wrong
from lossbench.reports.names import joined
from lossbench.reports.notation import SHORT, elided, shown
from lossbench.reports.results import Results

#: Characters that the names beside an outcome may take before they go on in the next row.
_WIDTH = 56
#: Rows that the names beside an outcome may take.
_LINES = 6

#: point, exact value, what was returned instead
Outcome = tuple[str, str, str]


def outcomes(matrices: Iterable[Matrix]) -> dict[str, dict[Outcome, dict[str, list[str]]]]:
    """Quantity -> missed point, exact value and result -> dtype -> names of those who returned it."""
    found: dict[str, dict[Outcome, dict[str, list[str]]]] = {}
    for matrix in matrices:
        own = found.setdefault(matrix.quantity, {})
        for point, exact in matrix.exact.items():
            for name, points in matrix.found.items():
                if point in points and wrong(points[point]):
                    got, want = _apart(points[point]["got"], exact)
                    outcome = (point, want, f"{got} {_kind(matrix, name, point)}")
                    names = own.setdefault(outcome, {}).setdefault(matrix.dtype, [])
                    if name not in names:
                        names.append(name)
    return found


def _apart(got: str, exact: str) -> tuple[str, str]:
    """A result and the exact value with as many digits as tell them apart; -0 is a zero like any other."""
    digits = next((d for d in (3, 5, 8, 12) if shown(got, d) != shown(exact, d)), 17)
    return ("0" if shown(got) == "-0" else shown(got, digits)), shown(exact, digits)


def _kind(matrix: Matrix, name: str, point: str) -> str:
    """In what way a result is wrong, without the size of the error: that differs where the result does not."""
    category = matrix.found[name][point]["worst_category"]
    kind = SHORT[category] if category in BAD else ""
    flat = "flat" if (name, point) in matrix.flat else ""
    return f"{kind} {flat}".strip() or "off"


def tables(results: Results, title: str, matrices: Sequence[Matrix]) -> list[Table]:
    """One table a quantity: the points in the order of the suite, every wrong result with its authors."""
    done = []
    for quantity, own in outcomes(matrices).items():
        points = list(dict.fromkeys(p for m in matrices if m.quantity == quantity for p in m.exact))
        measured = {m.dtype for m in matrices if m.quantity == quantity}
        rows: list[tuple[Cell, ...]] = []
        for outcome, by_dtype in sorted(own.items(), key=lambda item: points.index(item[0][0])):
            dtypes: dict[tuple[str, ...], list[str]] = {}
            for dtype, names in by_dtype.items():
                dtypes.setdefault(tuple(joined(results, sorted(names))), []).append(dtype)
            for names_there, together in dtypes.items():
                head = (
                    *(Cell(text) for text in outcome),
                    Cell("all" if measured == set(together) else " ".join(together)),
                )
                for line in _lines(names_there):
                    rows.append((*head, Cell(line)))
                    head = (Cell(""),) * len(head)
        if rows:
            columns = ("point", ">exact", ">returned", "dtype", "by")
            done.append(
                Table(f"{title} · {quantity}: landmarks missed", columns, tuple(rows), fixed=5, tags={"form": title})
            )
    return done


def _lines(names: Sequence[str]) -> list[str]:
    """Names as code, as many a line as fit, and how many are left when the lines are full."""
    lines: list[str] = []
    for i, name in enumerate(names):
        text = f"`{elided(name, _WIDTH - 2)}`"
        if lines and len(lines[-1]) + len(text) + 2 <= _WIDTH:
            lines[-1] += f", {text}"
        elif len(lines) == _LINES:
            return [*lines, f"and {len(names) - i} more"]
        else:
            lines.append(text)
    return lines
