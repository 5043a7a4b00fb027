"""Conventions: every cell has a question or a reason, and verdicts tell right from loud from silent."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lossbench.harness.adapters import LIBRARIES
from lossbench.harness.semantics import plan
from lossbench.harness.semantics.ask import Answer, Ask, answer_of, f32, packed, unpacked
from lossbench.harness.semantics.conventions import COLUMNS, FLOATS, cases
from lossbench.harness.semantics.verdicts import (
    DIED,
    NAN,
    NONE,
    RAISES,
    RIGHT,
    SILENT,
    WARNED_WRONG,
    WARNS,
    Verdict,
    certified,
    convention,
)

SUBJECTS = {(s.form, s.options, s.encodings) for library in LIBRARIES for s in plan.subjects(library)}
LABELLED = sorted(subject for subject in SUBJECTS if subject[2] != ("-",))


@pytest.mark.parametrize("subject", LABELLED, ids=str)
def test_no_cell_without_a_question_or_a_reason(subject):
    found, reasons = cases(*subject)
    asked = {case.column for case in found}
    assert asked | set(reasons) == set(COLUMNS)
    assert all(len(reason.split()) > 3 for reason in reasons.values())
    assert {case.encoding for case in found} <= set(subject[2])


@pytest.mark.parametrize("subject", LABELLED, ids=str)
def test_the_meaning_of_every_case_is_certified(subject):
    for case in cases(*subject)[0]:
        want = certified(case, "value")
        assert want.shape == (len(case.x),) and np.isfinite(want).all()


@pytest.mark.parametrize("library", LIBRARIES)
def test_asks_have_names_of_their_own(library):
    ids = [ask.id for ask in plan.asks(library)]
    assert len(ids) == len(set(ids)) > 0


@pytest.mark.parametrize("dtype", plan.DTYPES)
@pytest.mark.parametrize("subject", LABELLED, ids=str)
def test_labels_of_another_format_are_those_and_no_number_changes(subject, dtype):
    for case in cases(*subject, dtype)[0]:
        assert case.dtype == dtype and (case.x.astype(np.float32).astype(dtype) == case.x).all()
        if case.column == "float" and case.encoding != "index":
            assert case.y.dtype.name in FLOATS and case.y.dtype.name != dtype


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_not_asked_in_a_format_says_why(library):
    adapter = plan.adapter_of(library)
    asked = {(s.call, s.mode, s.dtype) for s in plan.subjects(library)}
    every = {(call.name, mode, dtype) for call in adapter.calls for mode in adapter.modes for dtype in plan.DTYPES}
    told = {(call, mode, dtype): why for call, mode, dtype, why in plan.absent(library, False)}
    assert asked | set(told) == every
    assert all(len(why.split()) > 2 for why in told.values())


def one(column, form="softmax_xent", encodings=("index", "onehot", "soft")):
    return next(case for case in cases(form, "", encodings)[0] if case.column == column)


def told(case, value, **facts):
    return convention(case, Answer("measured", value=np.asarray(value, float), dtype="float32", **facts)).verdict


def test_verdicts():
    case = one("index")
    want = certified(case, "value")
    assert told(case, want) == RIGHT
    assert told(case, want[:, None]) == RIGHT  # a column of results is the results
    assert told(case, want, warned=("UserWarning: sizes",)) == WARNS
    assert told(case, want + 0.5) == SILENT
    assert told(case, want + 0.5, warned=("UserWarning: sizes",)) == WARNED_WRONG
    assert told(case, np.where(want > 1, np.nan, want)) == NAN
    assert told(case, np.tile(want, (4, 1))) == SILENT  # broadcast
    assert convention(case, Answer("raised", "ValueError: no")).verdict == RAISES
    assert convention(case, Answer("died", "killed by signal 11")).verdict == DIED
    assert convention(case, Answer("timeout", "no word for 120 s")).verdict == DIED
    assert convention(case, Answer("unavailable", "was not asked")) == Verdict(NONE, "unavailable: was not asked")


def test_a_silent_result_says_by_how_much():
    case = one("index")
    got = certified(case, "value").copy()
    got[2] += 0.25
    verdict = convention(case, Answer("measured", value=got, dtype="float32"))
    assert (verdict.amount, verdict.got, verdict.want) == (0.25, got[2], got[2] - 0.25)
    assert "row 2" in verdict.text


def test_a_label_without_a_meaning_may_give_nan_but_no_number():
    case = one("negative", encodings=("index",))
    value = certified(case, "value").copy()
    assert case.lost == (1,)
    assert told(case, value) == SILENT
    value[1] = np.nan
    assert told(case, value) == NAN
    ignored = one("ignore_index", encodings=("index",))
    value = certified(ignored, "value").copy()
    value[1] = 0
    assert told(ignored, value) == RIGHT


def test_the_gradient_is_part_of_row_sums():
    case = one("row sums", encodings=("onehot", "soft"))
    value, grad = certified(case, "value"), certified(case, "grad")
    assert told(case, value, grad=grad) == RIGHT
    assert told(case, value, grad=grad + 0.5) == SILENT


def test_the_zero_one_label_of_a_margin_loss_means_the_binary_loss():
    case = one("{0,1}", "margin_logistic", ("signed",))
    assert told(case, np.log1p(np.exp(-(2 * case.y - 1) * case.x))) == RIGHT
    assert told(case, np.log1p(np.exp(-case.y * case.x))) == SILENT


@pytest.mark.parametrize(
    "array",
    [f32([0.5, -1.0]).astype("bfloat16"), f32([0.1, np.nan, -np.inf]), np.array([[1, -100]]), np.array([True, False]),
     np.zeros((0, 3))],
)  # fmt: skip
def test_arrays_travel_unchanged(array):
    back = unpacked(json.loads(json.dumps(packed(array))))
    assert back.dtype == array.dtype and back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_answers_travel():
    stored = {"status": "measured", "dtype": "float32", "value": packed(np.array([1.0])), "errors": {"0": "no"}}
    answer = answer_of(stored)
    assert answer.value is not None and answer.value.tolist() == [1.0] and answer.errors == {0: "no"}


def test_an_ask_says_what_it_is():
    case = one("index")
    ask = Ask("conventions", "torch", "softmax_xent", "nn.functional.cross_entropy", "", "eager", case)
    assert ask.unit()["id"] == ask.id != replace(ask, mode="compile").id
