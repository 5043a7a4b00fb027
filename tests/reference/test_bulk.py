"""Large batches through the bulk tier give what the referee gives, and say who decided."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.reference import evaluate, form_of, oracle
from lossbench.reference.bulk import WORTHWHILE
from lossbench.reference.formats import MEASURED, to_nearest
from lossbench.reference.oracle import same_results
from lossbench.reference.referee import DisagreementError

CASES = 600
ASKED = {
    "sigmoid_bce": ("binary", "soft"),
    "margin_logistic": ("signed",),
    "sigmoid_mse": ("soft",),
    "log_sigmoid": ("-",),
    "prob_bce": ("soft",),
    "softmax_xent": ("index", "soft"),
    "multilabel_bce": ("soft",),
    "bernoulli_log_likelihood": ("binary",),
}


def draw(name, encoding, dtype):
    rng = np.random.default_rng(len(name))
    form = form_of(name)
    shape = (CASES, 3) if form.class_axis else (CASES,)
    x = rng.uniform(0.01, 0.99, shape) if form.wrt == "p" else rng.normal(0, 8, shape)
    x[5] = 0.25 if form.wrt == "p" else 0.0
    if form.wrt == "z":
        x[6], x[7], x[8] = np.inf, np.nan, 1000.0
    labels = {
        "-": None,
        "index": rng.integers(0, 3, CASES),
        "binary": rng.integers(0, 2, shape).astype(float),
        "signed": rng.choice([-1.0, 1.0], shape),
        "soft": to_nearest(rng.dirichlet(np.ones(3), CASES) if form.by_class else rng.uniform(0, 1, shape), dtype),
    }
    y = labels[encoding]
    if encoding in ("soft", "signed"):
        y[9] = np.nan
    return form, to_nearest(x, dtype), y


@pytest.mark.parametrize("dtype", MEASURED)
@pytest.mark.parametrize(("name", "encoding"), [(n, e) for n, encodings in ASKED.items() for e in encodings])
def test_the_tier_changes_nothing(name, encoding, dtype):
    form, x, y = draw(name, encoding, dtype)
    for quantity in form.quantities[:3]:
        fast = evaluate(form, x, y, dtype, quantity)
        slow = evaluate(form, x, y, dtype, quantity, check_every=1)
        assert np.all(same_results(fast, slow))
        kinds = [fast.certificate(*place).oracles for place in np.ndindex(fast.value.shape)]
        assert kinds.count("bulk") > 0.8 * len(kinds)
        assert kinds[0] == "O1+O2"  # the sample


def test_small_batches_and_options_that_it_does_not_know_go_to_the_oracles():
    form, x, y = draw("sigmoid_bce", "binary", "float32")
    few = evaluate(form, x[: WORTHWHILE - 1], y[: WORTHWHILE - 1], "float32")
    smoothed = evaluate(form, x, y, "float32", options="label_smoothing=0.1")
    for exact in (few, smoothed):
        assert "bulk" not in {exact.certificate(i).oracles for i in range(len(exact.value))}


def test_a_wrong_filter_is_caught_by_the_sample(monkeypatch):
    form, x, y = draw("sigmoid_bce", "binary", "float32")
    real = oracle.bulk.attempt

    def wrong(*arguments):
        fields, decided = real(*arguments)
        return fields | {"value": np.nextafter(fields["value"].astype(np.float32), np.inf).astype(float)}, decided

    monkeypatch.setattr(oracle.bulk, "attempt", wrong)
    with pytest.raises(DisagreementError, match="the filter says"):
        evaluate(form, x, y, "float32")
