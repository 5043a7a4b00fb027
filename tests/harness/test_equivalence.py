"""Equivalences are measured between the answers that units gave, in ulps of the exact value."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness import equivalence
from lossbench.harness.cases import BatchKey, draw_batch
from lossbench.harness.plan import Unit
from lossbench.harness.scoring import Context
from lossbench.reference import evaluate, form_of

CONTEXT = Context("run", "platform", "quick", 0, {}, {})


def unit(form, encoding, call="call"):
    return Unit("lib", call, "eager", "cpu", form, encoding, "", "float32", 1)


def answers(tmp_path, form, encoding, call, change):
    this = unit(form, encoding, call)
    batch = draw_batch(BatchKey(form, encoding, "float32", 1), ["label_conventions", "landmarks"], "quick", 0)
    exact = {q: evaluate(form_of(form), batch.wide, batch.labels, "float32", q) for q in ("value", "grad:z")}
    outputs = {"value": change(exact["value"].value), "grad": exact["grad:z"].value}
    equivalence.keep(tmp_path, this, batch, exact, outputs)
    return this


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        (lambda v: v, 0.0),
        (lambda v: np.nextafter(v.astype(np.float32), np.float32(np.inf)).astype(float), 1.0),
        (lambda v: np.where(np.arange(v.size) == 3, np.nan, v), np.inf),
    ],
    ids=["equal", "one ulp", "nan"],
)
def test_gap_in_ulps(tmp_path, change, gap):
    left = answers(tmp_path, "sigmoid_bce", "binary", "bce", lambda v: v)
    right = answers(tmp_path, "margin_logistic", "signed", "margin", change)
    rows = list(equivalence.compare(tmp_path, [left, right], CONTEXT))
    by_quantity = {row.quantity: row for row in rows}
    assert set(by_quantity) == {"value", "grad:z"}
    value = by_quantity["value"].value
    assert value == gap if gap != 1.0 else 0.5 <= value <= 1.0  # half an ulp where r lies just below a binade
    assert by_quantity["grad:z"].value == 0.0
    assert by_quantity["value"].call == "bce = margin" and len(by_quantity["value"].suite_hash) == 12


def test_within_one_call_only_where_the_equivalence_says_so(tmp_path):
    left = answers(tmp_path, "sigmoid_bce", "binary", "one", lambda v: v)
    right = answers(tmp_path, "sigmoid_bce", "soft", "two", lambda v: v)
    assert list(equivalence.compare(tmp_path, [left, right], CONTEXT)) == []


def test_a_missing_answer_gives_no_row(tmp_path):
    left = answers(tmp_path, "sigmoid_bce", "binary", "one", lambda v: v)
    assert list(equivalence.compare(tmp_path, [left, unit("sigmoid_bce", "soft", "one")], CONTEXT)) == []
