"""The coverage matrix: which library computes which form, and the reason for every gap."""

from __future__ import annotations

from collections import defaultdict

from lossbench.reports.blocks import Cell, Table
from lossbench.reports.notation import form_rank
from lossbench.reports.results import Record, Results

#: Statuses of what was tried and gave nothing.
FAILED = ("raised", "died", "timeout")


def coverage(results: Results) -> tuple[Table, list[str]]:
    """Return the matrix form and label encoding x library, and the reasons of its marks [1], [2], ...

    A cell says how many calls of the library were measured, `V` when only values were, `-` when none was,
    and the options when no call goes without. A mark says what went unmeasured: a dtype, a mode, a gradient.
    """
    libraries = sorted({row["library"] for row in results.accuracy})
    cells: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for row in results.accuracy:
        cells[row["form"], row["encoding"], row["library"]].append(row)
    marks: dict[str, int] = {}
    lines = []
    for form, encoding in sorted({key[:2] for key in cells}, key=lambda k: (form_rank(k[0]), k[1])):
        found = [_cell(cells.get((form, encoding, library), []), marks) for library in libraries]
        lines.append((Cell(form, code=True), Cell(encoding), *found))
    table = Table("Calls measured, by form and library", ("form", "labels", *libraries), tuple(lines), fixed=2)
    return table, [f"[{mark}] {reason}" for reason, mark in marks.items()]


def _cell(rows: list[Record], marks: dict[str, int]) -> Cell:
    measured = [row for row in rows if row["status"] == "measured"]
    failed = [row for row in rows if row["status"] in FAILED]
    reasons = dict.fromkeys(_reason(row) for row in rows if row["status"] != "measured")
    if not rows:
        reasons = {"not part of this run": None}
    note = "".join(f"[{marks.setdefault(reason, len(marks) + 1)}]" for reason in reasons)
    if not measured:
        return Cell("-", sort=0.0, tone="bad" if failed else "none", note=note)
    calls = {row["call"] for row in measured}
    text = str(len(calls)) + (" V" if {row["quantity"] for row in measured} == {"value"} else "")
    if "" not in (options := {row["options"] for row in measured}):
        text += f" {' '.join(sorted(options))}"
    return Cell(text, sort=float(len(calls)), tone="bad" if failed else "good", note=note)


def _reason(row: Record) -> str:
    """Say why a row has no measurement, and who it was where something failed."""
    reason = row["reason"] or "no reason was given"
    if row["status"] in FAILED:
        return f"{row['status']} ({row['implementation'] or row['library']}): {reason}"
    return f"{row['status']}: {reason}"


def failures(results: Results) -> list[str]:
    """One sentence for each way in which a call raised, died or ran out of time, with how often."""
    found: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for row in results.records:
        if row["status"] in FAILED:
            found[row["status"], row["implementation"] or row["library"], row["title"], row["reason"]] += 1
    return [
        f"`{name}` {status} in `{title}` ({count} {'row' if count == 1 else 'rows'}): {reason}"
        for (status, name, title, reason), count in sorted(found.items())
    ]
