"""The committed accuracy of a platform: a sorted CSV file, one line a cell, to be read in `git diff`."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Context, Decimal
from pathlib import Path
from typing import Any, cast

import pandas as pd

from lossbench.harness.rows import BAD

#: Columns that say which cell a line is about.
KEY = (
    *("form", "encoding", "options", "quantity", "reduction", "library", "call", "mode", "device", "threads"),
    *("dtype", "suite", "tier", "region", "shape", "metric"),
)
#: Columns of a baseline file. out_dtype stands beside the key: a cell that fails has none.
COLUMNS = (
    *KEY[:11],
    "out_dtype",
    *KEY[11:],
    "suite_hash",
    "value",
    "n",
    "bad",
    "status",
    "reason",
    "library_version",
)

#: One cell: a line of the file, every column as text.
Cell = dict[str, str]
Key = tuple[str, ...]


def path_of(folder: Path, platform: str) -> Path:
    """Path of a platform's baseline in `folder` (the project's `baselines/accuracy`)."""
    return folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', platform).strip('-') or 'unknown'}.csv"


def key(cell: Mapping[str, str]) -> Key:
    """The key of a cell."""
    return tuple(cell[column] for column in KEY)


def rounded_up(value: float) -> str:
    """Write an error with 6 significant digits, never below it, so that measuring again never exceeds it."""
    if math.isnan(value):
        return ""
    if math.isinf(value) or value == 0:
        return repr(abs(value))
    context = Context(prec=6, rounding=ROUND_CEILING)
    # the shortest decimal that reads back as `value`: its binary expansion would turn 0.51 into 0.510001
    return f"{context.create_decimal(Decimal(repr(value))).normalize(context):g}"


def bad_text(counts: Mapping[str, int]) -> str:
    """Write counts of defects: `SPURIOUS_INF=1 LOST=3`, empty for none."""
    return " ".join(f"{name}={counts[name]}" for name in BAD if counts.get(name, 0) > 0)


def bad_counts(text: str) -> dict[str, int]:
    """Read what `bad_text` wrote."""
    pairs = (part.split("=") for part in text.split())
    return {name: int(count) for name, count in pairs}


def cells(rows: pd.DataFrame) -> dict[Key, Cell]:
    """The cells of a run that a baseline holds: accuracy in ulps, one a call, dtype, suite and region.

    rows: as in `Results.rows`. What a library as a whole lacks (call `-`) is no cell, and neither is what is
    not there on the machine (unavailable).
    """
    chosen = rows[
        (rows["metric"] == "ulp")
        & (rows["suite"] != "throughput")
        & (rows["quantity"] != "probe")
        & (rows["call"] != "-")
        & (rows["status"] != "unavailable")
    ]
    records = cast(list[dict[str, Any]], chosen.to_dict("records"))
    return {tuple(str(record[column]) for column in KEY): _cell(record) for record in records}


def _cell(record: dict[str, Any]) -> Cell:
    counts = {name: int(record[f"n_{name}"]) for name in BAD}
    texts = ("out_dtype", "suite_hash", "status", "library_version")
    return {
        **{column: str(record[column]) for column in (*KEY, *texts)},
        "value": rounded_up(record["value"]),
        "n": str(record["n"]),
        "bad": bad_text(counts),
        "reason": " ".join(record["reason"].split()),
    }


def table(found: Iterable[Cell]) -> pd.DataFrame:
    """Cells as a table of text, sorted by key."""
    ordered = sorted(found, key=key)
    return pd.DataFrame({column: pd.Series([c[column] for c in ordered], dtype="str") for column in COLUMNS})


def listed(baseline: pd.DataFrame) -> dict[Key, Cell]:
    """The cells of a baseline table by their key."""
    return {key(cell): cell for cell in cast(list[Cell], baseline.to_dict("records"))}


def read(path: Path) -> pd.DataFrame:
    """Read a baseline file; an empty table when there is none. Raises ValueError for other columns."""
    if not path.exists():
        return table(())
    with open(path, encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path.name}: its columns are not {', '.join(COLUMNS)}")
        return table(lines)


def text(baseline: pd.DataFrame) -> str:
    """A baseline table as the text of its file."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(cast(list[Cell], baseline.to_dict("records")), key=key))
    return lines.getvalue()


def replace(path: Path, baseline: pd.DataFrame) -> str:
    """Write a baseline file and return the unified diff to what stood there before."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = text(baseline)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(after, encoding="utf-8", newline="\n")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), path.name, path.name, n=0
    )
    return "".join(lines)
