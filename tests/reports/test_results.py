"""Rows become a typed table and plain files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pandas as pd
import pytest

from lossbench.harness.rows import KEY, RowFile
from lossbench.reports.results import Results, load, write_tables
from tests.reports import synthetic


def test_counts_are_spread(results: Results) -> None:
    rows = results.rows
    naive = rows[(rows["call"] == "log(1+exp(x))") & (rows["suite"] == "wide")]
    assert set(naive["n_LOST"]) == {3}
    assert set(naive["n_bad"]) == {4}
    assert set(naive["n_CR"]) == {900}
    assert naive["threads"].dtype == "int64"
    assert naive["value"].dtype == "float64"


def test_counts_of_unknown_names_are_kept(tmp_path: Path) -> None:
    row = synthetic.row("numpy", "softplus", call="x", mode="numpy", suite="s", counts={"CR": 2, "NEG_ZERO": 1})
    RowFile(tmp_path / "rows.jsonl").append("u", [row])
    found = load(tmp_path)
    assert found.rows.loc[0, ["n_CR", "n_NEG_ZERO", "n_bad"]].tolist() == [2, 1, 0]
    assert "n_NEG_ZERO" in write_tables(found, tmp_path)[1].read_text("utf-8").splitlines()[0].split(",")


def test_infinities_and_absent_values(tmp_path: Path) -> None:
    rows = [synthetic.row("numpy", "softplus", call="x", value=value) for value in (None, math.inf, 0.5)]
    RowFile(tmp_path / "rows.jsonl").append("u", rows)
    values = load(tmp_path).rows["value"].tolist()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, 0.5]


def test_a_unit_measured_twice_counts_once(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.jsonl")
    file.append("u", [synthetic.row("numpy", "softplus", value=1.0)])
    file.append("u", [synthetic.row("numpy", "softplus", value=2.0)])
    assert load(tmp_path).rows["value"].tolist() == [2.0]


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env.json").write_text(json.dumps({"schema_version": 99}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"schema_version: .* has 99"):
        load(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load(tmp_path / "nowhere")


def test_parquet_holds_everything(run: Path, results: Results, tmp_path: Path) -> None:
    parquet, *_ = write_tables(results, tmp_path)
    stored = pd.read_parquet(parquet)
    assert set(KEY) < set(stored.columns)
    # a folder with the Parquet file alone gives the same results
    pd.testing.assert_frame_equal(load(tmp_path).rows, results.rows)


def test_csv_files_are_sorted_and_complete(results: Results, tmp_path: Path) -> None:
    _, accuracy, throughput = write_tables(results, tmp_path)
    times = [r for r in results.records if r["suite"] == "throughput" or r["metric"] == "import_s"]
    probes = [r for r in results.records if r["metric"] == "ftz"]
    for path, count in ((accuracy, len(results.records) - len(times) - len(probes)), (throughput, len(times))):
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == count
        assert set(KEY) <= set(lines[0])
        assert next(iter(lines[0])) == "form"
        forms = [line["form"] for line in lines]
        assert forms == sorted(forms)
