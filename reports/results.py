"""The results of one run as a typed table, and the plain files that are written from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd

from lossbench.harness.rows import BAD, CATEGORIES, KEY, SCHEMA_VERSION, Row, RowFile
from lossbench.reports.notation import Identity, form_title, short_names

#: Metrics of accuracy rows; `ftz` belongs to probes.
ACCURACY_METRICS = ("ulp", "ulp_ftz", "rel")
#: Files of one run, below its folder.
ROWS, ENVIRONMENT, PLAN = "rows.jsonl", "env.json", "plan.json"
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


#: Columns that tables and charts are made of.
_SHOWN = (
    *("form", "options", "title", "encoding", "quantity", "implementation", "library", "call", "mode"),
    *("device", "threads", "dtype", "suite", "region", "shape", "work_class", "cache", "metric"),
    *("value", "n", "n_bad", "lo", "hi", "worst_input", "got", "want", "worst_category"),
    *("verdict", "status", "reason"),
)

#: One row, as a dictionary.
Record = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """One run: its rows, its environment and its plan.

    rows: one line a result row; every column of the schema, `counts` spread into n_CR, n_LOST, ... and
    n_bad (the sum of the defect categories), and for the tables `title` (form with its options) and
    `implementation` (short name, empty for the absence of a whole form).
    environment, plan: contents of env.json and plan.json, empty when the file is not there.
    """

    rows: pd.DataFrame
    environment: dict[str, Any]
    plan: dict[str, Any]

    @cached_property
    def calls(self) -> dict[str, tuple[str, str]]:
        """Short name of an implementation -> (library, call)."""
        return {r["implementation"]: (r["library"], r["call"]) for r in self.records}

    @cached_property
    def records(self) -> list[Record]:
        """The rows as dictionaries of what tables show; `bad` holds the counts of the defects that occur."""
        chosen = self.rows[[*_SHOWN, *(f"n_{name}" for name in BAD)]]
        found = cast(list[Record], chosen.to_dict("records"))
        for record in found:
            counts = {name: record.pop(f"n_{name}") for name in BAD}
            record["bad"] = {name: n for name, n in counts.items() if n} if record["n_bad"] else {}
        return found

    @cached_property
    def accuracy(self) -> list[Record]:
        """Rows of accuracy cells, the ones without a measurement too."""
        return [r for r in self.records if r["suite"] != "throughput" and r["quantity"] != "probe"]

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
        raise ValueError(
            f"schema_version: {folder.name} has {version}, this lossbench reads {SCHEMA_VERSION}"
        )
    if (folder / ROWS).exists() or not (folder / PARQUET).exists():
        units = dict(RowFile(folder / ROWS).units())
        rows = frame(row for unit in units.values() for row in unit)
    else:
        rows = pd.read_parquet(folder / PARQUET)
    return Results(_named(rows), environment, plan)


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows (dictionaries of the schema's columns) as a typed table with the counts spread out."""
    records = list(rows)
    table: dict[str, Any] = {}
    for column in (f.name for f in fields(Row)):
        if column == "counts":
            continue
        kind = "int64" if column in _INTEGERS else "float64" if column in _FLOATS else "str"
        table[column] = pd.Series([record[column] for record in records], dtype=kind)
    counts = [record["counts"] for record in records]
    further = sorted({name for entry in counts for name in entry} - set(CATEGORIES))
    for name in (*CATEGORIES, *further):
        table[f"n_{name}"] = pd.Series([entry.get(name, 0) for entry in counts], dtype="int64")
    table["n_bad"] = sum((table[f"n_{name}"] for name in BAD), pd.Series(0, range(len(records)), "int64"))
    return pd.DataFrame(table)


def write_tables(results: Results, folder: Path) -> list[Path]:
    """Write rows.parquet, accuracy.csv and throughput.csv into `folder` and return their paths."""
    rows = results.rows.drop(columns=["title", "implementation"])
    parquet, accuracy, throughput = (folder / name for name in (PARQUET, ACCURACY, THROUGHPUT))
    rows.to_parquet(parquet, engine="pyarrow", compression="zstd", index=False)
    counts = tuple(column for column in rows.columns if column[:2] == "n_" and column != "n_bad")
    timed = results.rows["suite"] == "throughput"
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


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns `title` and `implementation`."""
    # races are run once a thread count and say so; only accuracy cells have to tell thread counts apart
    scored = rows.loc[(rows["suite"] != "throughput") & (rows["quantity"] != "probe"), "threads"]
    threads = rows["threads"] if scored.nunique() > 1 else rows["threads"] * 0
    columns = (rows["library"], rows["call"], rows["mode"], rows["device"], threads)
    identities = [cast(Identity, identity) for identity in zip(*columns, strict=True)]
    names = short_names(identity for identity in identities if identity[1] != "-")
    return rows.assign(
        title=pd.Series(map(form_title, rows["form"], rows["options"]), index=rows.index, dtype="str"),
        implementation=pd.Series([names.get(i, "") for i in identities], index=rows.index, dtype="str"),
    )


def _document(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name}: wants one JSON object")
    return content
