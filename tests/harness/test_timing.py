"""Throughput: which cells there are, what a timed cell says, and that a wrong result is never called fast."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
from types import SimpleNamespace

import numpy as np
import pytest

from lossbench.harness import controller, timing
from lossbench.harness.adapters import adapter_of
from lossbench.harness.adapters.adapter import Adapter, Unsupported
from lossbench.harness.plan import COMPILED, LEFT_OUT, Filters, call_of, make_plan
from lossbench.harness.rows import KEY, Row, RowFile
from lossbench.harness.scoring import Context
from lossbench.harness.timing import Cell
from lossbench.reference import evaluate, form_of
from lossbench.reference.formats import FORMATS, MEASURED, decode
from lossbench.suites import TIERS, throughput
from tests.harness import patience
from tests.harness.fakes import Silent
from tests.harness.patience import PATIENCE

CONTEXT = Context("run-1", "platform", "quick", 0, {"faketimed": "1"}, {})
METRICS = {"seconds": "s", "elements_per_s": "1/s", "gb_per_s": "GB/s", "first_call_s": "s"}


def cell(work="F", form="sigmoid_bce", encoding="binary", dtype="float32", shape=(1000,), library="faketimed"):
    return Cell(library, "works", "eager", "cpu", form, encoding, "", dtype, shape, work)


# -- the cells there are


@pytest.fixture(scope="module")
def plans():
    """Every library there, whether installed or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Adapter, "installed", lambda self: "")
        return {tier: make_plan(tier, 0, Filters()) for tier in TIERS}


@pytest.fixture(scope="module")
def cells(plans):
    return {tier: timing.lay_out(plan) for tier, plan in plans.items()}


def eager_jax(c):
    return c.library in ("jax", "optax") and c.mode == "eager"


def middle(c):
    return c.shape == throughput.shapes(form_of(c.form), "quick", True)[0]


def large(c):
    return c.shape in (*throughput.SCALAR_LARGE, *throughput.CLASS_LARGE)


def rank(c):
    """The smallest tier that measures the cell's call, as its place in TIERS."""
    return TIERS.index(call_of(adapter_of(c.library), c.form, c.call, c.encoding, c.options).tier)


#: What the sentences on timing mean, and those on accuracy, because what is not measured is not timed.
MEANT = {
    "quick": lambda c: (
        rank(c) > 0
        or not middle(c)
        or c.dtype != "float32"
        or (c.library == "tensorflow" and c.mode in ("graph", "xla"))
        or eager_jax(c)
        or c.mode.startswith("compile")
        or (c.library == "keras" and c.mode in ("graph", "xla"))
    ),
    "default": lambda c: (
        rank(c) > 1
        or large(c)
        or c.dtype in ("float16", "bfloat16")
        or ((c.dtype == "float64" or c.mode in COMPILED or eager_jax(c)) and not middle(c))
        or ((c.mode in COMPILED or eager_jax(c)) and c.dtype != "float32")
        or c.mode == "compile-max-autotune"
    ),
    "full": lambda c: False,
}
SENTENCES = {
    "quick": [
        "timing of all shapes but one a form, of every dtype but float32, and of TensorFlow's compiled and "
        "JAX' and optax' eager modes"
    ],
    "default": [
        "timing of shapes that do not fit into the cache, of 16-bit formats, and of all but one shape in "
        "float64, in compiled modes and in JAX' and optax' eager modes; those modes are timed in float32 only"
    ],
    "full": [],
}


@pytest.mark.parametrize("tier", TIERS)
def test_sentences_say_what_is_not_timed(cells, tier):
    """Two ways: what a sentence means is not laid out, and what is not laid out is meant by one."""
    assert [s for s in LEFT_OUT[tier] if s.startswith("timing")] == SENTENCES[tier]
    laid_out = set(cells[tier])
    for c in cells["full"]:
        assert (c in laid_out) == (not MEANT[tier](c)), c


def test_tiers_are_nested(cells):
    quick, default, full = (set(cells[tier]) for tier in TIERS)
    assert quick < default < full


@pytest.mark.parametrize("tier", TIERS)
def test_every_implementation_is_timed_or_not_with_a_reason(plans, cells, tier):
    """In the encoding that its call documents first; a mean of single rows cannot be timed."""
    plan = plans[tier]
    timed = {(c.library, c.call, c.form, c.options) for c in cells[tier]}
    absent = {(r.library, r.call, r.form, r.options): r for r in timing.absences(plan, CONTEXT)}
    skipped = set()
    for unit in plan.units:
        call = next(
            c
            for c in adapter_of(unit.library).calls
            if (c.form, c.name, c.options) == (unit.form, unit.call, unit.options) and unit.encoding in c.encodings
        )
        key = (unit.library, unit.call, unit.form, unit.options)
        if call.rowwise:
            skipped.add(key)
        elif not any(MEANT[tier](c) for c in [cell_of(unit)]):
            assert key in timed
    assert skipped <= set(absent)
    for row in absent.values():
        assert row.status == "unsupported" and len(row.reason.split()) > 2
        assert (row.suite, row.metric, row.value) == ("throughput", "seconds", None)


def cell_of(unit):
    shape = throughput.shapes(form_of(unit.form), "quick", True)[0]
    named = {name: getattr(unit, name) for name in ("library", "call", "form", "encoding", "options", "dtype")}
    return Cell(mode="eager", device="cpu", work="F", shape=shape, **named)


def test_gradients_are_timed_where_there_are_some(cells):
    by_work = {work: {c for c in cells["default"] if c.work == work} for work in ("F", "FB")}
    assert len(by_work["F"]) > len(by_work["FB"]) > 0
    for library in ("scipy", "torch"):
        gradients = [c for c in by_work["FB"] if c.library == library]
        no_autodiff = all(isinstance(c.gradient, Unsupported) for c in adapter_of(library).calls)
        assert bool(gradients) != no_autodiff


def test_ids_are_unique_and_apart_from_those_of_accuracy(plans, cells):
    ids = [c.id for c in cells["full"]]
    assert len(ids) == len(set(ids))
    assert not set(ids) & {unit.id for unit in plans["full"].units}
    assert cell(shape=(32, 100)).id == "timing/faketimed/works/eager/cpu/sigmoid_bce/binary//float32/32x100/F"


def test_one_encoding_a_call(cells):
    found = {}
    for c in cells["full"]:
        found.setdefault((c.library, c.call, c.form, c.options), set()).add(c.encoding)
    for (library, name, form, options), encodings in found.items():
        first = {
            c.encodings[0]
            for c in adapter_of(library).calls
            if (c.name, c.form, c.options) == (name, form, options)
        }
        assert encodings <= first


def test_larger_tiers_are_predicted_to_take_longer(cells):
    quick, default, full = (timing.predicted_seconds(cells[tier], tier) for tier in TIERS)
    assert 0 < quick < default < full


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
def test_a_right_call_has_four_measurements_and_a_duel(timed, call, work):
    rows = {row.metric: row for row in of(timed, call, work)}
    duel = rows.pop("native_ratio")
    assert 0 < duel.lo <= duel.value <= duel.hi and duel.n >= 5 and duel.unit == "1"
    assert duel.verdict in ("FAST", "SLOW", "SAME", "AMBIGUOUS")
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
    assert {row.verdict for row in of(timed, "wrong_gradient", "F") if row.metric != "native_ratio"} == {"ok"}


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
    assert len(of(timed, "no_gradient", "F")) == 5


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
