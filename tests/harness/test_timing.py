"""Throughput: what a timed cell says, and that a wrong result is never called fast."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
from types import SimpleNamespace

import numpy as np
import pytest

from lossbench.harness import controller, timing
from lossbench.harness.cells import Cell
from lossbench.harness.plan import Filters
from lossbench.harness.rows import KEY, Row, RowFile
from lossbench.harness.scoring import Context
from lossbench.reference import evaluate, form_of
from lossbench.reference.formats import FORMATS, MEASURED, decode
from tests.harness import patience
from tests.harness.fakes import Silent
from tests.harness.patience import PATIENCE

METRICS = {"seconds": "s", "elements_per_s": "1/s", "gb_per_s": "GB/s", "first_call_s": "s"}


def cell(work="F", form="sigmoid_bce", encoding="binary", dtype="float32", shape=(1000,), library="faketimed"):
    return Cell(library, "works", "eager", "cpu", form, encoding, "", dtype, shape, work)


# -- inputs


@pytest.mark.parametrize("dtype", MEASURED)
@pytest.mark.parametrize(
    ("form", "encoding"),
    [("sigmoid_bce", "binary"), ("softmax_xent", "index"), ("prob_xent", "soft"), ("softmax", "-")],
)
def test_inputs_are_drawn_once_and_shared(tmp_path, form, encoding, dtype):
    shape = (16, 10) if form_of(form).class_axis else (16,)
    mine = [cell(form=form, encoding=encoding, dtype=dtype, shape=shape, library=name) for name in ("numpy", "scipy")]
    paths = timing.write_inputs(mine, tmp_path / "new", 5)
    assert paths[mine[0]] == paths[mine[1]]
    with np.load(paths[mine[0]]) as file:
        first = {name: file[name] for name in file.files}
    assert set(first) == {"x", "sample", *(["y"] if encoding != "-" else [])}
    assert first["x"].shape == shape and first["x"].dtype == FORMATS[dtype].storage
    assert np.isfinite(decode(first["x"], dtype)).all()
    assert first["sample"].tolist() == sorted(set(first["sample"].tolist())) and first["sample"][-1] == 15
    with np.load(timing.write_inputs(mine[:1], tmp_path / "again", 5)[mine[0]]) as file:
        assert all((file[name] == first[name]).all() for name in first)
    with np.load(timing.write_inputs(mine[:1], tmp_path / "other", 6)[mine[0]]) as file:
        assert (file["x"] != first["x"]).any()


def test_samples_are_computed_exactly(tmp_path):
    mine = [cell(), cell(work="FB"), cell(form="softmax_xent", encoding="index", shape=(16, 10), dtype="float16")]
    paths = timing.write_inputs(mine, tmp_path, 0)
    exact = timing.sampled_exact(mine, paths)
    assert set(exact) == set(paths.values())
    for c in mine:
        with np.load(paths[c]) as file:
            x, y = decode(file["x"][file["sample"]], c.dtype), file["y"][file["sample"]]
            y = y if c.encoding == "index" else decode(y, c.dtype)
        for quantity in form_of(c.form).quantities[:2]:
            want = evaluate(form_of(c.form), x, y, c.dtype, quantity).value
            np.testing.assert_array_equal(exact[paths[c]]["", quantity], want)


# -- what is wrong

EXACT = {("", "value"): np.array([1.0, 2.0, 100.0]), ("", "grad:z"): np.array([0.5, 0.0, np.inf])}
HALF = 2.0**-12  # of float32's digits


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        pytest.param({}, "", id="nothing stored"),
        pytest.param({"before_value": [1, 2, 100]}, "", id="right"),
        pytest.param({"before_value": [1, 2, 100 * (1 + 0.9 * HALF)]}, "", id="half of the digits"),
        pytest.param({"before_value": [1, 2 + 90 * HALF, 100]}, "", id="measured by the largest"),
        pytest.param({"before_value": [1, 2, 100 * (1 + 1.1 * HALF)]}, "value is off by 0.00027", id="fewer"),
        pytest.param({"after_value": [1, 2, 0]}, "value is off by 1 .* after timing", id="only after"),
        pytest.param({"before_value": [1, 2, np.inf]}, "value is not finite .* before timing", id="infinite"),
        pytest.param({"before_value": [np.nan, 2, 100]}, "value is not finite", id="NaN"),
        pytest.param({"before_value": [1, 2]}, r"value has shape \(2,\), expected \(3,\)", id="shape"),
        pytest.param({"before_grad": [0.5, 0, np.inf]}, "", id="gradient with an infinity"),
        pytest.param({"before_grad": [0.5, 0, 1]}, "grad is not finite where it should be", id="lost infinity"),
        pytest.param({"before_grad": [0.5, 0, -np.inf]}, "grad", id="other infinity"),
        pytest.param({"before_grad": [0.5, 0, np.nan]}, "grad", id="NaN for infinity"),
        pytest.param({"before_grad": [-0.5, 0, np.inf]}, "grad is off by 2", id="gradient"),
    ],
)
def test_wrong_results_are_disqualified(stored, words):
    stored = {name: np.array(value, float) for name, value in stored.items()}
    why = timing.disqualified(cell(work="FB"), EXACT, stored)
    assert re.match(words, why) if words else why == ""


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("checked", {}, ""),
        ("prepared", {}, ""),
        ("checked", {"checked_value": [1, 2, 0]}, "value is off by 1 of the largest result, checked call"),
        ("prepared", {"prepared_grad": [0.5, 0, 1]}, "grad is not finite .* prepared call"),
        ("prepared", {"prepared_value": [1, 2, 100 + 2.0**-17]}, "prepared call gives another result than the checked"),
    ],
)
def test_a_ratio_to_a_wrong_result_of_native_does_not_count(name, changed, words):
    context = Context("run-1", "platform", "quick", 0, {"faketimed": "1"}, {})
    stored = {f"{when}_value": EXACT["", "value"] for when in ("before", "after", "checked", "prepared")}
    stored |= {f"{when}_grad": EXACT["", "grad:z"] for when in ("before", "after", "checked", "prepared")}
    stored |= {key: np.array(value, float) for key, value in changed.items()}
    event = {"event": "done", "seconds": [1.0, 2.0], "first": 3.0, "ratios": {name: [2.0] * 5}}
    row = timing.cell_rows(context, cell(work="FB"), event, EXACT, stored)[-1]
    assert (row.metric, row.value, row.lo, row.hi) == (timing.DUELS[name], 2, 2, 2)
    assert row.verdict == ("disqualified" if words else "FAST")
    assert re.match(f"native's {words}", row.reason) if words else row.reason == ""


# -- timed in earnest


@pytest.fixture(scope="module")
def timed(offered, tmp_path_factory):
    """One run over the timed fake library, its accuracy taken as done."""
    folder = tmp_path_factory.mktemp("timed") / "run"
    impl = ("faketimed:*", "fakebroken:*")
    filters = Filters(form=("sigmoid_bce",), impl=impl, suite=("landmarks",), dtype=("float32",))
    with pytest.MonkeyPatch.context() as patch:
        patience.replace(patch)
        run = controller.new_run(folder, "quick", 0, filters, Silent())
        run.finished |= {unit.id for unit in run.plan.units}
        run.measure()
    rows = [Row(**row) for unit, found in RowFile(folder / "rows.jsonl").units() for row in found]
    return SimpleNamespace(folder=folder, run=run, rows=rows)


def of(timed, call, work="F"):
    return [
        r for r in timed.rows
        if (r.library, r.call, r.work_class, r.suite) == ("faketimed", call, work, "throughput")
    ]  # fmt: skip


@pytest.mark.parametrize("work", ["F", "FB"])
@pytest.mark.parametrize("call", ["works", "babbles", "works_to_the_end"])
def test_a_right_call_has_four_measurements_and_two_duels(timed, call, work):
    rows = {row.metric: row for row in of(timed, call, work)}
    duels = [rows.pop(metric) for metric in ("native_ratio", "prepared_ratio")]
    for duel in duels:
        assert 0 < duel.lo <= duel.value <= duel.hi and duel.n >= 5 and duel.unit == "1"
        assert duel.verdict in ("FAST", "SLOW", "SAME", "AMBIGUOUS")
    assert duels[0].n == duels[1].n  # all three take turns in the same blocks
    assert {metric: row.unit for metric, row in rows.items()} == METRICS
    for row in rows.values():
        assert (row.status, row.verdict, row.reason) == ("measured", "ok", "")
        assert (row.shape, row.cache, row.dtype) == ("100000", "hot", "float32")
        assert row.quantity == ("value" if work == "F" else "value+grad:z")
        assert row.value > 0
    seconds, rate, bytes_rate = (rows[m] for m in ("seconds", "elements_per_s", "gb_per_s"))
    assert 3 <= seconds.n <= 50
    assert 0 < seconds.lo <= seconds.value <= seconds.hi < 1
    assert rate.value == pytest.approx(1e5 / seconds.value)
    assert rate.lo == pytest.approx(1e5 / seconds.hi) and rate.hi == pytest.approx(1e5 / seconds.lo)
    moved = 4e5 * (1 if work == "F" else 2) / 1e9
    assert bytes_rate.value == pytest.approx(moved / seconds.value)
    assert bytes_rate.lo <= bytes_rate.value <= bytes_rate.hi
    assert rows["first_call_s"].n == 1


@pytest.mark.parametrize(
    ("call", "work", "words"),
    [
        ("wrong", "F", "value is off by"),
        ("wrong_gradient", "FB", "grad is off by"),
        ("not_finite", "F", "value is not finite where it should be, .* before timing"),
        ("wrong_shape", "F", "value has shape"),
        ("drifts", "F", "value is off by 1 .* after timing"),
    ],
)
def test_a_wrong_call_is_disqualified(timed, call, work, words):
    rows = of(timed, call, work)
    assert {row.metric for row in rows} == set(METRICS)
    assert {row.verdict for row in rows} == {"disqualified"}
    assert all(re.match(words, row.reason) for row in rows)


def test_a_right_value_stands_beside_a_wrong_gradient(timed):
    assert {row.verdict for row in of(timed, "wrong_gradient", "F") if not row.metric.endswith("ratio")} == {"ok"}


@pytest.mark.parametrize(
    ("call", "work", "status", "reason"),
    [
        ("refuses", "F", "raised", "RuntimeError: no kernel for this"),
        ("refuses", "FB", "raised", "RuntimeError: no kernel for this"),
        ("kills", "F", "died", "killed by signal 9"),
        ("hangs", "F", "timeout", f"no answer within {PATIENCE:.0f} s"),
    ],
)
def test_a_call_that_cannot_be_timed_says_why(timed, call, work, status, reason):
    (row,) = of(timed, call, work)
    assert row.status == status and row.reason.startswith(reason)
    assert (row.metric, row.value, row.n, row.verdict) == ("seconds", None, 0, "")


def test_a_library_that_cannot_be_imported_is_not_timed(timed):
    rows = [r for r in timed.rows if r.library == "fakebroken" and r.suite == "throughput"]
    reason = "fakebroken cannot be imported: ImportError: libfake.so.1: cannot open shared object file"
    assert {r.work_class for r in rows} == {"F", "FB"}
    assert {(row.status, row.reason) for row in rows} == {("unavailable", reason)}


def test_a_missing_gradient_is_said(timed):
    (row,) = of(timed, "no_gradient", "FB")
    assert (row.status, row.reason) == ("unsupported", "the fake has no autodiff")
    assert len(of(timed, "no_gradient", "F")) == 6


def test_every_cell_is_answered_once(timed):
    ids = [unit for unit, _ in RowFile(timed.folder / "rows.jsonl").units()]
    assert sorted(i for i in ids if i.startswith("timing/")) == sorted(c.id for c in timed.run.cells)
    keys = [tuple(getattr(row, name) for name in KEY) for row in timed.rows]
    assert len(keys) == len(set(keys))
    assert json.loads((timed.folder / "plan.json").read_text())["complete"] is True


@pytest.mark.parametrize("name", ["rows.jsonl", "env.json", "plan.json"])
def test_files_name_no_place(timed, name):
    text = (timed.folder / name).read_text()
    assert str(timed.folder) not in text
    assert not re.search(rf'"{re.escape(socket.gethostname())}"', text)


def test_libraries_are_timed_in_their_order(offered):
    mine = [cell(library="torch"), cell(library="numpy"), cell(library="faketimed"), cell(library="torch", work="FB")]
    by_library = timing.by_library(mine)
    assert list(by_library) == ["numpy", "torch", "faketimed"]
    assert by_library["torch"] == [mine[0], mine[3]]


def test_no_benchmark_library_no_throughput(monkeypatch):
    assert timing.unavailable() == ""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert timing.unavailable() == "pytest-benchmark is not installed (extra `report`)"
