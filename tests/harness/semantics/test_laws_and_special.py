"""Laws and special values: an exact implementation keeps all of them, and each fault breaks its own."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.semantics import laws, special
from lossbench.harness.semantics.ask import Answer
from lossbench.harness.semantics.laws import LAWS
from lossbench.reference import FORMS, evaluate, form_of

SOFTMAX = ("index", "onehot", "soft")
ENCODINGS = {form.name: form.encodings for form in FORMS}


def exact(case, quantity):
    form = form_of(case.form)
    y = case.y if case.y is None or case.y.dtype.kind == "i" else case.y.astype(float)
    return evaluate(form, case.x.astype(float), y, "float32", quantity, case.options).value


def answers(form, change=lambda name, value: value):
    found = {}
    for case in laws.cases(form, "", ENCODINGS[form]):
        value = change(case.name, exact(case, "value"))
        grad = exact(case, form_of(form).quantities[1]) if case.gradient else None
        found[case.name] = Answer("measured", value=value, grad=grad, dtype="float32")
    return found | {"eager": found["base"]}


def verdicts(form, given):
    found = {law.name: laws.judge(law, form, given, ENCODINGS[form]) for law in LAWS}
    return {name: record["verdict"] for name, record in found.items() if record is not None}


@pytest.mark.parametrize("form", ENCODINGS)
def test_the_reference_keeps_every_law(form):
    given = answers(form)
    if form == "softmax_xent":
        given |= {"sigmoid_bce": answers("sigmoid_bce")["base"]}
    if form == "sigmoid_bce":
        given |= {"margin_logistic": answers("margin_logistic")["base"]}
    assert set(verdicts(form, given).values()) == {"holds"}


def test_every_law_is_of_some_form():
    given = {form: answers(form) for form in ("softmax_xent", "sigmoid_bce", "margin_logistic")}
    softmax = given["softmax_xent"] | {"sigmoid_bce": given["sigmoid_bce"]["base"]}
    binary = given["sigmoid_bce"] | {"margin_logistic": given["margin_logistic"]["base"]}
    assert set(verdicts("softmax_xent", softmax)) | set(verdicts("sigmoid_bce", binary)) == {law.name for law in LAWS}


@pytest.mark.parametrize(
    ("ask", "law"),
    [("shifted", "shift"), ("permuted", "permutation"), ("masked", "mask"), ("as onehot", "index = one-hot"),
     ("as soft", "one-hot = soft"), ("second half", "split"), ("alone", "alone"), ("one thread", "one thread = all")],
)  # fmt: skip
def test_a_fault_breaks_its_law(ask, law):
    given = answers("softmax_xent", lambda name, value: value + (name == ask))
    broken = {name for name, verdict in verdicts("softmax_xent", given).items() if verdict == "broken"}
    assert broken == {law}


def test_a_negative_loss_and_a_gradient_that_does_not_cancel():
    given = answers("softmax_xent", lambda name, value: -value)
    assert verdicts("softmax_xent", given)["not negative"] == "broken"
    base = given["base"]
    given["base"] = Answer("measured", value=base.value, grad=base.grad + 0.125, dtype="float32")
    assert verdicts("softmax_xent", given)["gradient sum"] == "broken"


@pytest.mark.parametrize("form", ENCODINGS)
def test_exact_answers_are_right_at_every_special_point(form):
    for case, names in special.cases(form, "", ENCODINGS[form]):
        value, grad = (exact(case, quantity) for quantity in form_of(form).quantities[:2])
        records = list(special.judge(case, names, Answer("measured", value=value, grad=grad, dtype="float32")))
        assert {record["verdict"] for record in records} == {"right"}
        assert len(names) == len(case.x) or case.name == "no rows"


def test_a_clamp_and_a_refusal_are_seen():
    case, names = next(special.cases("prob_bce", "", ("binary",)))
    clamped = np.minimum(exact(case, "value"), 100.0)
    answer = Answer("measured", value=clamped, dtype="float32", errors={0: "ValueError: no"})
    records = list(special.judge(case, names, answer))
    assert {"x=0, y=1", "x=1, y=0"} <= {r["point"] for r in records if r["verdict"] == "differs"}
    assert [r["text"] for r in records if r["verdict"] == "raises"] == ["ValueError: no"]
