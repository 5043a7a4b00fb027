"""The gate fails when accuracy gets worse, and only then."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lossbench.harness.rows import Row, RowFile
from lossbench.reports import baseline, gate
from lossbench.reports.results import load
from lossbench.reports.verdicts import Verdicts
from tests.reports import synthetic

Change = Callable[[Row], Row | None]
TORCH = ("torch", "softplus", "nn.functional.softplus", "eager", "stable")
NUMPY = ("numpy", "softplus", "log(1+exp(x))", "numpy", "naive")


def write(folder: Path, change: Change = lambda row: row, plan: dict[str, Any] | None = None) -> Path:
    """Write a small accuracy run of two implementations, every row passed through `change`."""
    folder.mkdir()
    rows = [change(row) for which in (TORCH, NUMPY) for row in synthetic.accuracy_rows(which)]
    RowFile(folder / "rows.jsonl").append("u", [row for row in rows if row is not None])
    (folder / "plan.json").write_text(json.dumps(plan or {}), encoding="utf-8")
    return folder


def where(**fields: Any) -> Callable[[Row], bool]:
    return lambda row: all(getattr(row, name) == value for name, value in fields.items())


ONE = where(library="torch", dtype="float32", suite="wide", region="r0", quantity="value")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = baseline.path_of(tmp_path / "accuracy", synthetic.PLATFORM)
    gate.accept(write(tmp_path / "first"), path)
    return path


def verdicts(tmp_path: Path, path: Path, change: Change, **plan: Any) -> Verdicts:
    return gate.check(write(tmp_path / "second", change, plan), path)


def test_the_same_again_is_no_regression(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: row)
    assert found.exit_code == 0
    assert found.text() == "no regressions: 96 cells compared\n"
    assert (found.improvements, found.new) == ((), ())


def test_a_larger_error(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, value=row.value + 0.1) if ONE(row) else row)  # type: ignore[operator]
    assert found.exit_code == 1
    (one,) = found.regressions
    assert "torch:nn.functional.softplus:eager:cpu softplus value float32 wide/r0" in str(one)
    assert "larger error" in one.why
    assert "--impl 'torch:nn.functional.softplus:eager:cpu' --suite wide --dtype float32" in found.text()
    assert found.text().endswith("1 regressions: 96 cells compared\n")


def test_a_defect_more(tmp_path: Path, path: Path) -> None:
    counts = {"CR": 900, "FINITE": 99, "LOST": 1}
    found = verdicts(tmp_path, path, lambda row: replace(row, counts=counts) if ONE(row) else row)
    assert [v.why for v in found.regressions] == ["more LOST"]


def test_an_improvement_is_reported_with_a_hint(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, value=0.5) if ONE(row) else row)
    assert found.exit_code == 0
    assert [v.why for v in found.improvements] == ["smaller error"]
    assert "`lossbench accept`" in found.text()


@pytest.mark.parametrize("status", ["raised", "died", "timeout", "unsupported"])
def test_no_longer_measured(tmp_path: Path, path: Path, status: str) -> None:
    gone = {"status": status, "reason": "it broke", "value": None, "n": 0, "counts": {}}
    found = verdicts(tmp_path, path, lambda row: replace(row, **gone) if ONE(row) else row)
    assert [v.why for v in found.regressions] == ["no longer measured: it broke"]


def test_missing_from_the_run(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: None if ONE(row) else row)
    assert [v.why for v in found.regressions] == ["missing from the run"]


def test_missing_names_the_nearest_reason(tmp_path: Path, path: Path) -> None:
    def change(row: Row) -> Row | None:
        if row.library == "numpy":
            return row
        return synthetic.row("torch", "softplus", status="died", reason="signal 11") if ONE(row) else None

    found = verdicts(tmp_path, path, change)
    assert {v.why for v in found.regressions} == {"missing from the run; died: signal 11"}


def test_a_library_that_is_not_installed_is_excused(tmp_path: Path, path: Path) -> None:
    def change(row: Row) -> Row:
        gone = synthetic.row("torch", "softplus", status="unavailable", reason="torch is not installed")
        return gone if row.library == "torch" else row

    found = verdicts(tmp_path, path, change)
    assert (found.exit_code, found.compared, found.excused) == (0, 48, 48)


def test_unavailable_for_another_reason_is_a_regression(tmp_path: Path, path: Path) -> None:
    def change(row: Row) -> Row:
        gone = synthetic.row("torch", "softplus", status="unavailable", reason="its import failed")
        return gone if row.library == "torch" else row

    assert verdicts(tmp_path, path, change).exit_code == 1


def test_other_inputs_are_not_compared(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, suite_hash="other", value=1e9))
    assert (found.exit_code, found.unlike) == (3, 96)
    assert "nothing comparable" in found.text()


def test_another_tier_is_not_compared(tmp_path: Path, path: Path) -> None:
    assert verdicts(tmp_path, path, lambda row: replace(row, tier="full")).exit_code == 3


def test_no_baseline(tmp_path: Path) -> None:
    found = verdicts(tmp_path, tmp_path / "none.csv", lambda row: row)
    assert (found.exit_code, len(found.new)) == (3, 96)


def test_a_new_cell_does_not_fail(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, region="r9") if ONE(row) else row)
    assert [v.cell["region"] for v in found.new] == ["r9"]
    assert found.exit_code == 1, "the cell that it replaced is missing"


@pytest.mark.parametrize(
    "filters",
    [
        {"form": None, "impl": ["numpy:*"], "suite": None, "dtype": None},
        {"impl": ["*:numpy:*", "scipy:*"]},
    ],
)
def test_what_a_filter_left_out_is_no_regression(tmp_path: Path, path: Path, filters: dict[str, Any]) -> None:
    found = verdicts(tmp_path, path, lambda row: row if row.library == "numpy" else None, filters=filters)
    assert (found.exit_code, found.unplanned, found.compared) == (0, 48, 48)


def test_what_a_filter_let_through_may_not_be_missing(tmp_path: Path, path: Path) -> None:
    filters = {"dtype": ["float32"], "suite": ["wide", "tails"]}
    kept = where(dtype="float32", suite="wide")
    found = verdicts(tmp_path, path, lambda row: row if kept(row) else None, filters=filters)
    assert {v.cell["suite"] for v in found.regressions} == {"tails"}


def test_cells_of_another_device_are_not_planned(tmp_path: Path, path: Path) -> None:
    gate.accept(write(tmp_path / "gpu", lambda row: replace(row, device="cuda"), {"device": "cuda"}), path)
    assert set(baseline.read(path)["device"]) == {"cpu", "cuda"}
    found = verdicts(tmp_path, path, lambda row: row, device="cpu", filters={})
    assert (found.exit_code, found.unplanned) == (0, 96)


def test_fewer_results_are_a_regression(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, n=10) if ONE(row) else row)
    assert [v.why for v in found.regressions] == ["10 results where there were 1000"]


def test_class_counts_are_cells_of_their_own(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, shape="1000") if ONE(row) else row)
    assert "wide/r0 K=1000" in str(found.new[0])


def test_another_version_is_said(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, library_version="2.0"))
    assert "numpy is 2.0, the baseline has 1.0" in found.text()
    assert found.exit_code == 0


def test_accept_keeps_other_tiers_and_what_was_not_run(tmp_path: Path, path: Path) -> None:
    gate.accept(write(tmp_path / "full", lambda row: replace(row, tier="full")), path)
    before = baseline.read(path)
    assert sorted(set(before["tier"])) == ["full", "quick"]
    folder = write(
        tmp_path / "filtered",
        lambda row: replace(row, value=0.51) if ONE(row) else None,
        {"filters": {"impl": ["torch:*"], "suite": ["wide"], "dtype": ["float32"]}},
    )
    diff = gate.accept(folder, path)
    removed = [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    added = [line for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    # the other three wide cells of torch in float32 were planned and are gone
    assert (len(removed), len(added)) == (4, 1)
    assert ",0.51," in added[0]
    assert len(baseline.read(path)) == len(before) - 3


def test_accept_twice_changes_nothing(tmp_path: Path, path: Path) -> None:
    text = path.read_text("utf-8")
    assert gate.accept(write(tmp_path / "again"), path) == ""
    assert path.read_text("utf-8") == text
    lines = text.splitlines()
    assert lines[0] == ",".join(baseline.COLUMNS)
    assert len(lines) == 97


def test_nothing_to_accept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no accuracy cell"):
        gate.accept(write(tmp_path / "empty", lambda row: None), tmp_path / "b.csv")


@pytest.mark.parametrize("value", [0.5, 0.50000049, 1.0000001, 340123.4, 7.5e15, 1e-7, 123456.7, 999999.5, 1e22])
def test_rounding_up_never_falls_below(value: float) -> None:
    text = baseline.rounded_up(value)
    assert value <= float(text) <= value * (1 + 1e-5)
    assert baseline.rounded_up(float(text)) == text
    assert len(text.replace(".", "").lstrip("0").split("e")[0].rstrip("0")) <= 6


def test_special_values_of_a_cell() -> None:
    assert [baseline.rounded_up(v) for v in (math.nan, math.inf, 0.0)] == ["", "inf", "0.0"]
    assert baseline.bad_counts(baseline.bad_text({"LOST": 3, "SPURIOUS_INF": 1, "CR": 9})) == {
        "SPURIOUS_INF": 1,
        "LOST": 3,
    }
    assert baseline.bad_text({"LOST": 3, "SPURIOUS_INF": 1}) == "SPURIOUS_INF=1 LOST=3"


def test_a_baseline_of_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("form,value\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"b\.csv: its columns"):
        baseline.read(tmp_path / "b.csv")


def test_the_file_is_named_after_the_platform(run: Path, tmp_path: Path) -> None:
    assert gate.baseline_of(load(run), tmp_path).name == f"{synthetic.PLATFORM}.csv"
    assert baseline.path_of(tmp_path, "linux-x86_64-v3 Genuine/Intel").name == "linux-x86_64-v3-Genuine-Intel.csv"


def test_verdicts_as_data(tmp_path: Path, path: Path) -> None:
    found = verdicts(tmp_path, path, lambda row: replace(row, value=0.5) if ONE(row) else row)
    document = json.loads(json.dumps(found.document()))
    assert document["exit_code"] == 0
    assert document["improvements"][0]["cell"]["suite"] == "wide"
