"""The results of one run as a typed table, and the plain files that are written from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd

from lossbench.harness.rows import BAD, CATEGORIES, KEY, SCHEMA_VERSION, Row, RowFile
from lossbench.reports.notation import Identity, form_title, short_names

#: Metric of rows that compare two answers.
PAIR = "equivalence"
_TIMES = (
    *("seconds", "elements_per_s", "gb_per_s", "first_call_s", "import_s"),
    *("native_ratio", "prepared_ratio"),
)
#: Files of one run, below its folder.
ROWS, ENVIRONMENT, PLAN, SEMANTICS = "rows.jsonl", "env.json", "plan.json", "semantics.json"
PARQUET, ACCURACY, THROUGHPUT = "rows.parquet", "accuracy.csv", "throughput.csv"

_INTEGERS = ("threads", "n")
_FLOATS = ("value", "lo", "hi")

_ACCURACY_COLUMNS = (
    *("form", "encoding", "options", "quantity", "library", "call", "mode", "device", "threads"),
    *("dtype", "out_dtype", "suite", "region", "metric", "value", "unit", "n", "n_bad"),
    *("worst_category", "worst_input", "got", "want", "bound", "verdict", "status", "reason"),
)
_THROUGHPUT_COLUMNS = (
    *("form", "encoding", "options", "work_class", "dtype", "shape", "cache", "threads"),
    *("library", "call", "mode", "device", "metric", "value", "unit", "lo", "hi"),
    *("verdict", "status", "reason", "quantity", "out_dtype"),
)


#: One row, as a dictionary.
Record = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """One run: its rows, its environment and its plan.

    rows: one line a result row; every column of the schema, `counts` spread into n_CR, n_LOST, ... and
    n_bad (the sum of the defect categories).
    records: the same rows as dictionaries for the tables: without a measurement value, lo and hi are NaN;
    n_bad, bad (the counts of the defects that occur), title (form with its options) and implementation
    (short name, empty for the absence of a whole form) are added.
    environment, plan, semantics: contents of env.json, plan.json and semantics.json, empty when the file is not there.
    """

    rows: pd.DataFrame
    records: list[Record]
    environment: dict[str, Any]
    plan: dict[str, Any]
    semantics: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def calls(self) -> dict[str, tuple[str, str]]:
        """Short name of an implementation -> (library, call); pairs of calls are there too."""
        return {r["implementation"]: (r["library"], r["call"]) for r in self.records if r["implementation"]}

    @cached_property
    def names(self) -> dict[object, list[str]]:
        """(library, call) -> short names of its implementations, one a mode, device and thread count."""
        found: dict[object, list[str]] = {}
        for name, call in self.calls.items():
            found.setdefault(call, []).append(name)
        return found

    def fact(self, column: str) -> str:
        """What a column that is equal in all rows of a run says; empty for a run without rows."""
        return str(self.records[0][column]) if self.records else ""

    @cached_property
    def libraries(self) -> list[str]:
        """Every library that has a row."""
        return sorted({record["library"] for record in self.records})

    @cached_property
    def accuracy(self) -> list[Record]:
        """Rows of accuracy cells, the ones without a measurement too."""
        away = {PAIR, *_TIMES}
        return [r for r in self.records if r["metric"] not in away and r["quantity"] != "probe"]

    @cached_property
    def equivalences(self) -> list[Record]:
        """Measured rows that compare two answers that should be equal, instead of one with the exact value."""
        return [r for r in self.records if r["metric"] == PAIR and r["status"] == "measured"]

    @cached_property
    def errors(self) -> dict[str, list[Record]]:
        """Form title -> measured accuracy rows in ulps."""
        return self._scored("ulp")

    @cached_property
    def scores(self) -> list[Record]:
        """All measured accuracy rows in ulps."""
        return [row for rows in self.errors.values() for row in rows]

    @cached_property
    def flushed(self) -> dict[str, list[Record]]:
        """Form title -> measured accuracy rows in ulps that forgive results flushed to zero."""
        return self._scored("ulp_ftz")

    @cached_property
    def probes(self) -> list[Record]:
        """Rows on properties of the libraries, such as flush-to-zero."""
        return [r for r in self.records if r["quantity"] == "probe"]

    @cached_property
    def throughput(self) -> list[Record]:
        """Rows of the throughput suite, the ones without a measurement too."""
        return [r for r in self.records if r["suite"] == "throughput"]

    def _scored(self, metric: str) -> dict[str, list[Record]]:
        groups: dict[str, list[Record]] = {}
        for record in self.accuracy:
            if record["status"] == "measured" and record["metric"] == metric:
                groups.setdefault(record["title"], []).append(record)
        return groups


def load(folder: Path) -> Results:
    """Read the results of a run from `folder`: rows.jsonl, or rows.parquet where only that was kept.

    A unit that stands there twice (measured again) counts once, the later time. Raises ValueError when the
    run was written under another schema, FileNotFoundError when the folder is not there.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder.name}: no such folder of results")
    environment, plan = _document(folder / ENVIRONMENT), _document(folder / PLAN)
    version = environment.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema_version: {folder.name} has {version}, this lossbench reads {SCHEMA_VERSION}")
    if (folder / ROWS).exists() or not (folder / PARQUET).exists():
        units = dict(RowFile(folder / ROWS).units())
        records = [_record(row) for unit in units.values() for row in unit]
    else:
        records = [_record(row) for row in _stored(folder / PARQUET)]
    rows = frame(records)
    _add_names(records)
    return Results(rows, records, environment, plan, _document(folder / SEMANTICS))


def frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows (dictionaries of the schema's columns) as a typed table with the counts spread out."""
    table: dict[str, Any] = {}
    for column in (f.name for f in fields(Row)):
        if column != "counts":
            kind = "int64" if column in _INTEGERS else "float64" if column in _FLOATS else "str"
            table[column] = pd.Series([record[column] for record in records], dtype=kind)
    counts = [record["counts"] for record in records]
    further = sorted({name for entry in counts for name in entry} - set(CATEGORIES))
    for name in (*CATEGORIES, *further):
        table[f"n_{name}"] = pd.Series([entry.get(name, 0) for entry in counts], dtype="int64")
    table["n_bad"] = pd.Series([sum(entry.get(name, 0) for name in BAD) for entry in counts], dtype="int64")
    return pd.DataFrame(table)


def _record(row: Mapping[str, Any]) -> Record:
    """A row with NaN for numbers that are not there, and its defects counted."""
    bad = {name: n for name, n in row["counts"].items() if n and name in BAD}
    numbers = {name: math.nan if row[name] is None else row[name] for name in _FLOATS}
    return {**row, **numbers, "bad": bad, "n_bad": sum(bad.values())}


def _stored(path: Path) -> list[Record]:
    """Rows of a Parquet file, their counts put together again."""
    rows = cast(list[Record], pd.read_parquet(path).to_dict("records"))
    for row in rows:
        counts = {name[2:]: row.pop(name) for name in list(row) if name[:2] == "n_"}
        row["counts"] = {name: n for name, n in counts.items() if n and name != "bad"}
    return rows


def _add_names(records: list[Record]) -> None:
    """Add `title` and `implementation` to the rows."""
    # races are run once a thread count and say so; only accuracy cells have to tell thread counts apart
    scored = {r["threads"] for r in records if r["suite"] != "throughput" and r["quantity"] != "probe"}
    several = len(scored) > 1

    def identity(r: Record) -> Identity:
        return (r["library"], r["call"], r["mode"], r["device"], r["threads"] if several else 0)

    names = short_names({identity(r) for r in records if r["call"] != "-"})
    for r in records:
        r["title"] = form_title(r["form"], r["options"])
        r["implementation"] = names.get(identity(r), "")


def write_tables(results: Results, folder: Path) -> list[Path]:
    """Write rows.parquet, accuracy.csv and throughput.csv into `folder` and return their paths."""
    rows = results.rows
    parquet, accuracy, throughput = (folder / name for name in (PARQUET, ACCURACY, THROUGHPUT))
    rows.to_parquet(parquet, engine="pyarrow", compression="zstd", index=False)
    counts = tuple(column for column in rows.columns if column[:2] == "n_" and column != "n_bad")
    timed = results.rows["metric"].isin(_TIMES)
    scored = ~timed & (results.rows["quantity"] != "probe")
    _csv(results.rows[scored], (*_ACCURACY_COLUMNS, *counts), accuracy)
    _csv(results.rows[timed], _THROUGHPUT_COLUMNS, throughput)
    return [parquet, accuracy, throughput]


def _csv(rows: pd.DataFrame, columns: tuple[str, ...], path: Path) -> None:
    """Write the rows sorted by key, the named columns first, the other columns of the schema after them."""
    schema = [f.name for f in fields(Row) if f.name != "counts"]
    order = [*columns, *(column for column in schema if column not in columns)]
    ordered = rows.sort_values([c for c in columns if c in KEY] + ["suite_hash"], kind="stable")
    ordered.to_csv(path, columns=order, index=False, lineterminator="\n")


def _document(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name}: wants one JSON object")
    return content
