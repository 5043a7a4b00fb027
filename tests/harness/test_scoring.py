"""Rows of a unit: one a quantity, suite, region and metric, and a reason wherever there is nothing to score."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from lossbench.harness.cases import BatchKey, draw_batch
from lossbench.harness.plan import Absence, Unit
from lossbench.harness.rows import KEY, Row
from lossbench.harness.scoring import Context, absence_row, blank, describe_case, unit_rows
from lossbench.reference import evaluate, form_of
from lossbench.reference.formats import FORMATS
from lossbench.suites import suite_of

CONTEXT = Context("run-1", "linux-x86_64-v3-amd", "quick", 7, {"lib": "1.2.3"}, {})
FLUSHING = dataclasses.replace(CONTEXT, flushes={("lib", "eager", "float32"): True})
SUITES = ["extreme_logits", "label_conventions", "non_finite", "landmarks"]
NO_ERRORS = {"dtypes": {"value": "float32", "grad": "float32"}, "errors": {}, "unsupported": {}}


class Measured:
    """A unit with a batch, its exact results, and outputs that start out correctly rounded."""

    def __init__(self, form="sigmoid_bce", encoding="binary", dtype="float32", classes=1, suites=None, options=""):
        self.form = form_of(form)
        self.unit = Unit("lib", "call", "eager", "cpu", form, encoding, options, dtype, classes)
        names = suites or [s for s in SUITES if suite_of(s).fits(self.form, encoding)]
        self.batch = draw_batch(self.unit.batch, names, "quick", 7)
        batch = self.batch
        self.exact = {
            q: evaluate(self.form, batch.wide, batch.labels, dtype, q, options) for q in self.form.quantities[:2]
        }
        value, grad = (self.exact[q].value.copy() for q in self.form.quantities[:2])
        self.outputs = {"value": value, "grad": grad}
        self.facts = {**NO_ERRORS, "dtypes": dict.fromkeys(("value", "grad"), dtype)}

    def place(self, suite, region=None):
        """Indices of the cases of a suite, or of one of its regions."""
        here = self.batch.suite == suite
        return np.flatnonzero(here if region is None else here & (self.batch.region == region))

    def rows(self, context=CONTEXT, **facts):
        return unit_rows(context, self.unit, self.batch, self.exact, self.outputs, {**self.facts, **facts})


def find(rows, **wanted):
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]


def one(rows, **wanted):
    (row,) = find(rows, **wanted)
    return row


@pytest.fixture
def bce():
    return Measured()


# -- the rows there are

MEASURED = [
    ("sigmoid_bce", "binary", 1, ""),
    ("softmax_xent", "index", 4, ""),
    ("multilabel_bce", "soft", 4, "over=mean"),
    ("softmax", "-", 4, ""),
    ("prob_bce", "binary", 1, ""),
]


@pytest.mark.parametrize(("form", "encoding", "classes", "options"), MEASURED)
def test_right_results_make_a_row_for_every_region(form, encoding, classes, options):
    measured = Measured(form, encoding, classes=classes, options=options)
    batch, rows = measured.batch, measured.rows()
    regions = set(zip(batch.suite.tolist(), batch.region.tolist(), strict=True))
    for quantity in measured.form.quantities[:2]:
        assert {(r.suite, r.region) for r in find(rows, quantity=quantity, metric="ulp")} == regions
    assert len({tuple(getattr(r, k) for k in KEY) for r in rows}) == len(rows)
    for row in rows:
        assert (row.status, row.verdict if row.metric == "ulp" else "ok", row.reason) == ("measured", "ok", "")
        assert row.suite_hash == batch.hashes[row.suite]
        assert (row.form, row.encoding, row.options) == (form, encoding, options)
        assert (row.library, row.call, row.mode, row.device) == ("lib", "call", "eager", "cpu")
        assert row.shape == str(classes) and row.reduction == "none" and row.tier == "quick"
        assert (row.dtype, row.out_dtype) == ("float32", "float32")
        assert (row.library_version, row.platform, row.run_id) == ("1.2.3", CONTEXT.platform, "run-1")
        assert row.bound == "sampled"
        assert row.metric != "ulp" or row.value is None or row.value <= 0.5
        assert row.metric != "ulp" or set(row.counts) == {"CR"}


def test_components_are_counted_singly():
    measured = Measured("softmax_xent", "index", classes=4, suites=["landmarks"])
    region = str(measured.batch.region[0])
    rows = find(measured.rows(), region=region, metric="ulp")
    assert {row.quantity: row.n for row in rows} == {"value": 1, "grad:z": 4}
    assert {row.quantity: row.counts for row in rows} == {"value": {"CR": 1}, "grad:z": {"CR": 4}}


def test_relative_errors_stand_beside_all_but_landmarks(bce):
    rows = bce.rows()
    pairs = {(r.quantity, r.suite, r.region) for r in find(rows, metric="ulp") if r.suite != "landmarks"}
    assert {(r.quantity, r.suite, r.region) for r in find(rows, metric="rel")} == pairs
    assert {r.unit for r in find(rows, metric="rel")} == {"1"}


# -- errors


def test_an_error_is_found_where_it_is(bce):
    (case, *_) = bce.place("label_conventions", "hard")
    unit = 2.0 ** float(bce.exact["value"].ulp_exponent[case])
    bce.outputs["value"][case] += 3 * unit
    rows = bce.rows()
    row = one(rows, suite="label_conventions", region="hard", quantity="value", metric="ulp")
    assert 2.5 <= row.value <= 3.5 and row.counts["FINITE"] == 1 and row.worst_category == "FINITE"
    assert row.unit == "ulp" and row.n == row.counts["CR"] + 1
    assert float(row.got) == bce.outputs["value"][case] and float(row.want) == bce.exact["value"].value[case]
    z, y = float(bce.batch.wide[case]), float(bce.batch.labels[case])
    assert row.worst_input == f"z={z.hex()} y={y.hex()}"
    others = [r for r in find(rows, metric="ulp") if r != row]
    assert all("FINITE" not in r.counts for r in others)
    relative = one(rows, suite="label_conventions", region="hard", quantity="value", metric="rel")
    tail = bce.exact["value"].tail[case]  # the exact value is want + tail * unit
    expected = (3 - tail) * unit / (bce.exact["value"].value[case] + tail * unit)
    np.testing.assert_array_max_ulp(relative.value, expected, maxulp=4)


def test_defects_are_counted_and_kept_out_of_the_maximum(bce):
    cases = bce.place("label_conventions", "hard")
    lost, negative, infinite, undefined = cases[:4]
    got = bce.outputs["value"]
    got[[lost, negative, infinite, undefined]] = 0.0, -got[negative], np.inf, np.nan
    rows = bce.rows()
    row = one(rows, suite="label_conventions", region="hard", quantity="value", metric="ulp")
    bad = {"LOST": 1, "NEG_LOSS": 1, "SPURIOUS_INF": 1, "SPURIOUS_NAN": 1}
    assert {k: v for k, v in row.counts.items() if k != "CR"} == bad
    assert row.value <= 0.5 and row.verdict == "defect"
    assert (row.worst_category, row.got) == ("SPURIOUS_NAN", "nan")
    relative = one(rows, suite="label_conventions", region="hard", quantity="value", metric="rel")
    assert relative.value < 2.0**-23  # neither LOST, which is 1, nor NEG_LOSS, which is 2
    assert relative.n == row.n - 4


def test_a_negative_gradient_is_no_defect(bce):
    assert (bce.outputs["grad"] < 0).any()
    assert all("NEG_LOSS" not in row.counts for row in bce.rows())
    bce.outputs["grad"] *= -1
    assert any("SIGN" in row.counts for row in bce.rows() if row.quantity == "grad:z")


def test_blocks_may_be_negative():
    measured = Measured("log_sigmoid", "-")
    assert all("NEG_LOSS" not in row.counts for row in measured.rows())


@pytest.mark.parametrize(("factor", "verdict"), [(1.0001, "ok"), (1.01, "defect")])
def test_fewer_than_half_of_the_digits_is_a_defect(bce, factor, verdict):
    """Half of float32 is an error of 2^12 ulps, a relative one of 2^-12 to 2^-11."""
    cases = bce.place("label_conventions", "hard")
    bce.outputs["value"][cases] *= factor
    row = one(bce.rows(), suite="label_conventions", region="hard", quantity="value", metric="ulp")
    assert row.verdict == verdict and "FINITE" in row.counts


def test_the_mildest_input_of_a_defect_is_shown():
    measured = Measured(suites=["extreme_logits"])
    measured.outputs["value"][:] = np.nan
    for row in find(measured.rows(), quantity="value", metric="ulp"):
        cases = measured.place("extreme_logits", row.region)
        mildest = cases[np.argmin(np.abs(measured.batch.wide[cases]))]
        assert row.worst_input == describe_case(measured.batch, int(mildest), 7)


def test_a_defect_at_infinite_inputs_is_shown_and_not_its_neighbour(bce):
    """All inputs of the region are equally wild; the one that is shown must be the one that is wrong."""
    cases = bce.place("non_finite", "infinite")
    wrong = cases[-1]
    bce.outputs["value"][wrong] = np.nan
    row = one(bce.rows(), suite="non_finite", region="infinite", quantity="value", metric="ulp")
    assert row.worst_category == "SPURIOUS_NAN" and row.got == "nan"
    assert row.worst_input == describe_case(bce.batch, int(wrong), 7)


def test_the_worst_component_of_a_row_leads_to_its_case():
    measured = Measured("softmax_xent", "index", classes=4, suites=["label_conventions"])
    case, component = 5, 2
    measured.outputs["grad"][case, component] += 1.0
    row = one(measured.rows(), quantity="grad:z", region="hard", metric="ulp")
    assert row.worst_input == describe_case(measured.batch, case, 7)
    assert float(row.got) == measured.outputs["grad"][case, component]
    assert float(row.want) == measured.exact["grad:z"].value[case, component]


# -- flushing


def test_flush_tolerant_rows_only_where_the_library_flushes():
    measured = Measured(suites=["extreme_logits", "non_finite"])
    assert not find(measured.rows(), metric="ulp_ftz")
    fmt = FORMATS["float32"]
    for name, quantity in (("value", "value"), ("grad", "grad:z")):
        subnormal = np.abs(measured.exact[quantity].value) < fmt.tiny
        measured.outputs[name][subnormal] = 0.0
    rows = measured.rows(FLUSHING)
    strict, lenient = (
        {(r.quantity, r.region): r for r in find(rows, metric=m)} for m in ("ulp", "ulp_ftz")
    )
    assert set(strict) == set(lenient)
    assert any("LOST" in row.counts for row in strict.values())
    assert not any("LOST" in row.counts for row in lenient.values())
    assert all(row.verdict == "ok" and row.unit == "ulp" for row in lenient.values())
    assert any(lenient[key].n < strict[key].n for key in strict)  # cases with a subnormal input are not scored


@pytest.mark.parametrize("key", [("other", "eager", "float32"), ("lib", "jit", "float32"), ("lib", "eager", "float16")])
def test_flushing_elsewhere_does_not_matter(key):
    measured = Measured(suites=["landmarks"])
    context = dataclasses.replace(CONTEXT, flushes={key: True, ("lib", "eager", "float32"): False})
    assert not find(measured.rows(context), metric="ulp_ftz")


# -- absences and failures


def test_absent_pairs_become_rows():
    absence = Absence("lib", "call", "jit", "sigmoid", "-", "", "float64", "unavailable", "lib is not installed")
    row = absence_row(CONTEXT, absence, "cuda")
    assert isinstance(row, Row)
    assert (row.status, row.reason) == ("unavailable", "lib is not installed")
    assert (row.library, row.call, row.mode, row.device, row.dtype) == ("lib", "call", "jit", "cuda", "float64")
    assert (row.quantity, row.metric, row.value, row.n) == ("value", "ulp", None, 0)


def test_a_blank_row_has_the_facts_of_the_run():
    row = blank(CONTEXT, library="unknown", metric="ulp")
    assert (row.library_version, row.run_id, row.tier, row.status) == ("", "run-1", "quick", "measured")
    assert row.form == row.call == row.shape == "" and row.threads == 0


@pytest.mark.parametrize("status", ["died", "timeout", "unavailable"])
def test_a_lost_unit_has_a_row_for_every_quantity_and_suite(bce, status):
    rows = unit_rows(CONTEXT, bce.unit, bce.batch, bce.exact, {}, {"failure": (status, "why")})
    assert {(r.quantity, r.suite) for r in rows} == {(q, s) for q in ("value", "grad:z") for s in bce.batch.hashes}
    for row in rows:
        assert (row.status, row.reason, row.value, row.counts) == (status, "why", None, {})
        assert row.suite_hash == bce.batch.hashes[row.suite] and row.out_dtype == "" and row.region == ""


def test_an_error_everywhere(bce):
    del bce.outputs["value"]
    rows = bce.rows(errors={"value": {"*": "TypeError: no"}}, dtypes={"grad": "float32"})
    for row in find(rows, quantity="value"):
        assert (row.status, row.reason) == ("raised", "TypeError: no")
    assert {row.status for row in find(rows, quantity="grad:z")} == {"measured"}


def test_an_error_in_one_suite_costs_that_suite(bce):
    whole = bce.rows()
    bce.outputs["value"][bce.place("non_finite")] = np.nan
    rows = bce.rows(errors={"value": {"non_finite": "ValueError: NaN"}})
    failed = one(rows, quantity="value", suite="non_finite")
    assert (failed.status, failed.reason) == ("raised", "ValueError: NaN")

    def others(found):
        return [r for r in found if (r.quantity, r.suite) != ("value", "non_finite")]

    assert others(rows) == others(whole)


def test_no_gradient_is_a_reason_and_not_a_failure(bce):
    del bce.outputs["grad"]
    rows = bce.rows(unsupported={"grad": "no autodiff"}, dtypes={"value": "float32"})
    for row in find(rows, quantity="grad:z"):
        assert (row.status, row.reason, row.metric) == ("unsupported", "no autodiff", "ulp")
    assert {row.status for row in find(rows, quantity="value")} == {"measured"}


@pytest.mark.parametrize(
    ("shape", "quantity"),
    [((), "value"), ((3,), "value"), ((1, 1), "value"), ((3,), "grad")],
    ids=lambda v: str(v),
)
def test_wrong_shapes_are_refused_and_named(bce, shape, quantity):
    bce.outputs[quantity] = np.zeros(shape)
    name = {"value": "value", "grad": "grad:z"}[quantity]
    rows = find(bce.rows(), quantity=name)
    assert {row.status for row in rows} == {"raised"}
    n = len(bce.batch.x)
    assert {row.reason for row in rows} == {f"returned shape {shape} for {name}, expected ({n},)"}


def test_a_result_that_never_came_is_said(bce):
    del bce.outputs["grad"]
    rows = find(bce.rows(dtypes={"value": "float32"}), quantity="grad:z")
    assert {(row.status, row.reason) for row in rows} == {("raised", "returned no grad")}


def test_calls_fed_row_by_row_are_scored_where_they_were_asked(bce):
    whole = bce.rows()
    index = np.arange(0, len(bce.batch.x), 3)
    bce.outputs = {"index": index, **{name: values[index] for name, values in bce.outputs.items()}}
    rows = bce.rows()
    regions = set(zip(bce.batch.suite[index].tolist(), bce.batch.region[index].tolist(), strict=True))
    assert {(r.suite, r.region) for r in find(rows, quantity="value", metric="ulp")} == regions
    assert sum(r.n for r in find(rows, quantity="value", metric="ulp")) == len(index)
    assert all(set(row.counts) <= {"CR"} for row in rows)
    assert sum(r.n for r in find(whole, quantity="value", metric="ulp")) == len(bce.batch.x)


def test_row_by_row_with_a_suite_that_fails(bce):
    index = np.arange(0, len(bce.batch.x), 2)
    bce.outputs = {"index": index, **{name: values[index] for name, values in bce.outputs.items()}}
    rows = bce.rows(errors={"value": {"landmarks": "no"}})
    assert one(rows, quantity="value", suite="landmarks").status == "raised"
    assert all(set(row.counts) <= {"CR"} for row in rows)


# -- cases as text


def hexes(text):
    return [float.fromhex(number) for number in re.findall(r"-?0x[0-9a-f.]+p[+-]\d+|-?inf|nan", text)]


@pytest.mark.parametrize("form", ["sigmoid_bce", "softmax_xent", "prob_bce", "softmax"])
def test_a_case_can_be_read_back(form):
    encoding, classes = form_of(form).encodings[0], 4 if form_of(form).class_axis else 1
    batch = draw_batch(BatchKey(form, encoding, "float32", classes), ["landmarks"], "quick", 7)
    for case in range(len(batch.x)):
        text = describe_case(batch, case, 7)
        x, _, y = text.partition(" y=")
        assert x.startswith(f"{form_of(form).wrt}=")
        np.testing.assert_array_equal(hexes(x), np.atleast_1d(batch.wide[case]))
        if encoding == "index":
            assert int(y) == batch.labels[case]
        elif encoding != "-":
            np.testing.assert_array_equal(hexes(y), np.atleast_1d(batch.labels[case]))
        else:
            assert y == ""


def test_a_long_case_is_named_by_suite_seed_and_index():
    """The index counts within the suite, because the suite and the seed alone draw it again."""
    key = BatchKey("softmax_xent", "soft", "float32", 10)
    batch = draw_batch(key, ["landmarks", "many_classes"], "quick", 7)
    start, stop = batch.slices["many_classes"]
    assert start > 0
    for case in (start, stop - 1):
        suite, seed, index = describe_case(batch, case, 7).split("/")
        again = suite_of(suite).draw(form_of(key.form), key.encoding, key.dtype, key.classes, "quick", int(seed))
        np.testing.assert_array_equal(again.x[int(index)], batch.wide[case])
