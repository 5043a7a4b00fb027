"""Laws and special values: an exact implementation keeps all of them, and each fault breaks its own."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.semantics import laws, special
from lossbench.harness.semantics.ask import DEFAULTS, Answer
from lossbench.harness.semantics.formulas import RULES
from lossbench.harness.semantics.laws import LAWS
from lossbench.harness.semantics.plan import DTYPES
from lossbench.reference import FORMS, evaluate, form_of
from lossbench.reference.contract import CONTRACT

SOFTMAX = ("index", "onehot", "soft")
ENCODINGS = {form.name: form.encodings for form in FORMS}


def exact(case, quantity):
    form = form_of(case.form)
    y = case.y if case.y is None or case.y.dtype.kind == "i" else case.y.astype(float)
    return evaluate(form, case.x.astype(float), y, case.dtype, quantity, case.options).value


def answers(form, change=lambda name, value: value, dtype="float32"):
    found = {}
    for case in laws.cases(form, "", ENCODINGS[form], dtype):
        value = change(case.name, exact(case, "value"))
        grad = exact(case, form_of(form).quantities[1]) if case.gradient else None
        found[case.name] = Answer("measured", value=value, grad=grad, dtype=dtype)
    base = found["base"].value
    for name, value in (("sum", base.sum()), ("mean", base.mean()), ("default", base.mean()), (DEFAULTS, base)):
        found[name] = Answer("measured", value=np.asarray(change(name, value)), dtype=dtype)
    return found | {"eager": found["base"]}


def verdicts(form, given, dtype="float32"):
    found = {law.name: laws.judge(law, form, given, ENCODINGS[form], dtype) for law in LAWS}
    return {name: record["verdict"] for name, record in found.items() if record is not None}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ENCODINGS)
def test_the_reference_keeps_every_law(form, dtype):
    given = answers(form, dtype=dtype)
    if form == "softmax_xent":
        given |= {"sigmoid_bce": answers("sigmoid_bce", dtype=dtype)["base"]}
    if form == "sigmoid_bce":
        given |= {"margin_logistic": answers("margin_logistic", dtype=dtype)["base"]}
    assert set(verdicts(form, given, dtype).values()) == {"holds"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_number_changes_its_value_in_another_format(dtype):
    for form in ENCODINGS:
        pairs = zip(laws.cases(form, "", ENCODINGS[form]), laws.cases(form, "", ENCODINGS[form], dtype), strict=True)
        for given, cast in pairs:
            np.testing.assert_array_equal(cast.x.astype(float), given.x.astype(float))
            assert given.y is None or (cast.y.astype(float) == given.y.astype(float)).all()


def test_every_law_is_of_some_form():
    given = {form: answers(form) for form in ("softmax_xent", "sigmoid_bce", "margin_logistic")}
    softmax = given["softmax_xent"] | {"sigmoid_bce": given["sigmoid_bce"]["base"]}
    binary = given["sigmoid_bce"] | {"margin_logistic": given["margin_logistic"]["base"]}
    seen = set(verdicts("softmax_xent", softmax)) | set(verdicts("sigmoid_bce", binary, "float64"))
    assert seen == {law.name for law in LAWS}


def test_a_float64_result_without_the_digits_of_one_is_seen():
    given = answers("sigmoid_bce", dtype="float64")
    assert verdicts("sigmoid_bce", given, "float64")["digits"] == "holds"
    narrow = given["base"].value.astype(np.float32).astype(float)
    given["base"] = Answer("measured", value=narrow, dtype="float64")
    assert verdicts("sigmoid_bce", given, "float64")["digits"] == "broken"
    assert "digits" not in verdicts("sigmoid_bce", given)


def test_a_broken_law_keeps_both_sides_of_its_worst_row():
    given = answers("softmax_xent", lambda name, value: value + (np.arange(len(value)) if name == "shifted" else 0))
    record = laws.judge(LAWS[0], "softmax_xent", given, SOFTMAX)
    base, row = given["base"].value, record["row"]
    assert record["values"] == [base[row], base[row] + row]


@pytest.mark.parametrize(
    ("ask", "law"),
    [("shifted", "shift"), ("permuted", "permutation"), ("masked", "mask"), ("as onehot", "index = one-hot"),
     ("as soft", "one-hot = soft"), ("second half", "split"), ("alone", "alone"), ("one thread", "one thread = all"),
     ("sum", "none to sum"), ("default", "default reduction"), (DEFAULTS, "default = passed")],
)  # fmt: skip
def test_a_fault_breaks_its_law(ask, law):
    given = answers("softmax_xent", lambda name, value: value + 1.0 * (name == ask))
    broken = {name for name, verdict in verdicts("softmax_xent", given).items() if verdict == "broken"}
    assert broken == {law}


def test_a_negative_loss_and_a_gradient_that_does_not_cancel():
    given = answers("softmax_xent", lambda name, value: -value)
    assert verdicts("softmax_xent", given)["not negative"] == "broken"
    base = given["base"]
    given["base"] = Answer("measured", value=base.value, grad=base.grad + 0.125, dtype="float32")
    assert verdicts("softmax_xent", given)["gradient sum"] == "broken"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ENCODINGS)
def test_exact_answers_are_right_at_every_special_point(form, dtype):
    for case, names in special.cases(form, "", ENCODINGS[form], dtype):
        value, grad = (exact(case, quantity) for quantity in form_of(form).quantities[:2])
        records = list(special.judge(case, names, Answer("measured", value=value, grad=grad, dtype=dtype)))
        assert {record["verdict"] for record in records} == {"right"}
        assert len(names) == len(case.x) or case.name == "no rows"


def test_a_clamp_and_a_refusal_are_seen():
    case, names = next(special.cases("prob_bce", "", ("binary",)))
    clamped = np.minimum(exact(case, "value"), 100.0)
    answer = Answer("measured", value=clamped, dtype="float32", errors={0: "ValueError: no"})
    records = list(special.judge(case, names, answer))
    assert {"x=0, y=1", "x=1, y=0"} <= {r["point"] for r in records if r["verdict"] == "differs"}
    assert [r["text"] for r in records if r["verdict"] == "raises"] == ["ValueError: no"]


def test_the_threshold_of_a_softplus_is_seen_in_float64_only():
    for dtype, verdict in (("float32", "right"), ("float64", "differs")):
        case, names = next(special.cases("softplus", "", ("-",), dtype))
        linear = np.where(case.x > 20, case.x, exact(case, "value"))
        records = {r["point"]: r for r in special.judge(case, names, Answer("measured", value=linear, dtype=dtype))}
        assert records["x=20.5"]["verdict"] == verdict


def test_every_rule_of_the_contract_that_a_call_can_be_asked_is_asked():
    """Values with options are RULES of the formulas, or options of calls; the rest are gradients with options."""
    points = {
        form: {(tuple(np.ravel(x)), str(y)) for x, y in special._points(form, "", "float32")} for form in ENCODINGS
    }
    optioned = [rule for rule in CONTRACT if rule.options and rule.options != "normalized"]
    assert len([rule for rule in optioned if rule.quantity == "value"]) == len(RULES)
    for rule in CONTRACT:
        if not rule.options:
            held = tuple(np.ravel(np.array(rule.x, float).astype(np.float32).astype(float)))
            same = [p for p, y in points[rule.form] if y == str(rule.y) and np.array_equal(p, held, equal_nan=True)]
            assert same, rule
