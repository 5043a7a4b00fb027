"""Forms that are equal on paper have equal correctly rounded results, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.reference import evaluate, form_of
from lossbench.reference.formats import FORMATS, MEASURED, to_nearest


def logits(dtype, shape=(40,)):
    return to_nearest(np.random.default_rng(11).normal(0, 20, shape), dtype)


def value(name, x, y, dtype, quantity="value", **keywords):
    return evaluate(form_of(name), x, y, dtype, quantity, **keywords).value


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("quantity", ["value", "grad:z", "hess_diag:z"])
class TestEqualForms:
    def test_binary_and_signed_labels(self, dtype, quantity):
        z = logits(dtype)
        y = np.arange(40) % 2.0
        np.testing.assert_array_equal(
            value("sigmoid_bce", z, y, dtype, quantity), value("margin_logistic", z, 2 * y - 1, dtype, quantity)
        )

    def test_index_onehot_and_soft_labels(self, dtype, quantity):
        z = logits(dtype, (12, 5))
        t = np.arange(12) % 5
        by_index = value("softmax_xent", z, t, dtype, quantity)
        np.testing.assert_array_equal(by_index, value("softmax_xent", z, np.eye(5)[t], dtype, quantity))

    def test_two_classes_and_a_sigmoid(self, dtype, quantity):
        z = logits(dtype)
        pair = np.stack([np.zeros(40), z], axis=1)
        y = np.arange(40) % 2
        two = value("softmax_xent", pair, y, dtype, quantity)
        one = value("sigmoid_bce", z, y.astype(float), dtype, quantity)
        np.testing.assert_array_equal(two if quantity == "value" else two[:, 1], one)

    def test_log_likelihood_is_minus_the_summed_loss(self, dtype, quantity):
        z, y = logits(dtype, (8, 5)), np.indices((8, 5)).sum(0) % 2.0
        likelihood = value("bernoulli_log_likelihood", z, y, dtype, quantity)
        np.testing.assert_array_equal(-likelihood, value("multilabel_bce", z, y, dtype, quantity))

    def test_blocks(self, dtype, quantity):
        z = logits(dtype)
        mirrored = value("softplus", -z, None, dtype, quantity)
        sign = 1.0 if quantity == "grad:z" else -1.0
        np.testing.assert_array_equal(value("log_sigmoid", z, None, dtype, quantity), sign * mirrored)


@pytest.mark.parametrize("dtype", MEASURED)
def test_shifting_all_logits_changes_nothing_when_the_shift_is_exact(dtype):
    z = np.random.default_rng(3).integers(-8, 8, (10, 4)).astype(float)
    shifted = z + 64.0
    np.testing.assert_array_equal(
        value("softmax_xent", z, np.arange(10) % 4, dtype), value("softmax_xent", shifted, np.arange(10) % 4, dtype)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_mirror(dtype):
    z = logits(dtype)
    right, left = (evaluate(form_of("sigmoid"), s * z, None, dtype) for s in (1.0, -1.0))
    # g(-z) = 1 - g(z) for the exact values, value + tail * ulp
    total = right.value + left.value - 1.0
    slack = np.ldexp(1.0, np.maximum(right.ulp_exponent, left.ulp_exponent))
    assert np.all(np.abs(total) <= slack)


def test_mean_is_sum_over_n_and_of_no_cases_nan():
    z, y = logits("float32", (16,)), np.zeros(16)
    total = value("sigmoid_bce", z, y, "float64", reduction="sum")
    mean = value("sigmoid_bce", z, y, "float64", reduction="mean")
    assert mean == total / 16  # 16 is a power of two: the division is exact
    assert np.isnan(value("sigmoid_bce", z[:0], y[:0], "float64", reduction="mean"))
    assert value("sigmoid_bce", z[:0], y[:0], "float64", reduction="sum") == 0.0
