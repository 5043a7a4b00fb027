"""Worst points are certified again by both oracles before they are reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lossbench.harness.cases import BatchKey, draw_batch
from lossbench.harness.worst import recertified
from lossbench.reference import evaluate, form_of

KEYS = (BatchKey("softmax_xent", "index", "float32", 4), BatchKey("sigmoid_bce", "binary", "float64", 1))


@pytest.mark.parametrize("key", KEYS, ids=lambda k: k.form)
@pytest.mark.parametrize("order", [0, 1])
def test_both_oracles_stand_behind_it(key, order):
    form, batch = form_of(key.form), draw_batch(key, ["landmarks", "non_finite"], "quick", 0)
    quantity = form.quantities[order]
    exact = evaluate(form, batch.wide, batch.labels, key.dtype, quantity)
    for case in range(0, len(batch.x), 5):
        place = (case,) if exact.value.ndim == 1 else (case, 1)
        assert recertified(batch, case, 1, quantity, "", exact[place]).endswith("O1+O2")


def test_a_wrong_exact_value_does_not_reach_a_report():
    key = KEYS[1]
    batch = draw_batch(key, ["landmarks"], "quick", 0)
    exact = evaluate(form_of(key.form), batch.wide, batch.labels, key.dtype)[3]
    wrong = replace(exact, value=np.nextafter(exact.value, np.inf))
    with pytest.raises(ArithmeticError, match="certified again"):
        recertified(batch, 3, 0, "value", "", wrong)
