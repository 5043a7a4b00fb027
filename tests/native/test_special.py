"""Infinities, NaN, zeros and hard probabilities: the limit where it is unique, else NaN."""

import numpy as np
import pytest

from lossbench import native

inf, nan = np.inf, np.nan

#: form, x, y, value, gradient
SCALARS = [
    ("sigmoid_bce", inf, 1.0, 0, 0),
    ("sigmoid_bce", inf, 0.0, inf, 1),
    ("sigmoid_bce", inf, 0.5, inf, 0.5),
    ("sigmoid_bce", -inf, 0.0, 0, 0),
    ("sigmoid_bce", -inf, 1.0, inf, -1),
    ("sigmoid_bce", -inf, 0.5, inf, -0.5),
    ("sigmoid_bce", nan, 1.0, nan, nan),
    ("sigmoid_bce", nan, 0.0, nan, nan),
    ("sigmoid_bce", 0.0, nan, nan, nan),
    ("sigmoid_bce", inf, nan, nan, nan),
    ("prob_bce", 0.0, 0.0, 0, 1),
    ("prob_bce", 0.0, 1.0, inf, -inf),
    ("prob_bce", 1.0, 1.0, 0, -1),
    ("prob_bce", 1.0, 0.0, inf, inf),
    ("prob_bce", 0.0, 0.5, inf, -inf),
    ("prob_bce", 1.0, 0.5, inf, inf),
    ("prob_bce", -0.0, 1.0, inf, -inf),
    ("prob_bce", nan, 0.0, nan, nan),
    ("prob_bce", 0.5, nan, nan, nan),
    ("prob_bce", -0.25, 0.0, nan, nan),
    ("prob_bce", 1.25, 1.0, nan, nan),
    ("margin_logistic", inf, 1.0, 0, 0),
    ("margin_logistic", inf, -1.0, inf, 1),
    ("margin_logistic", -inf, 1.0, inf, -1),
    ("margin_logistic", -inf, -1.0, 0, 0),
    ("margin_logistic", nan, 1.0, nan, nan),
    ("margin_logistic", 1.0, nan, nan, nan),
    ("sigmoid_mse", inf, 1.0, 0, 0),
    ("sigmoid_mse", inf, 0.0, 0.5, 0),
    ("sigmoid_mse", -inf, 1.0, 0.5, 0),
    ("sigmoid_mse", -inf, 0.25, 0.03125, 0),
    ("sigmoid_mse", nan, 1.0, nan, nan),
    ("sigmoid_mse", 0.0, nan, nan, nan),
    ("sigmoid", inf, None, 1, 0),
    ("sigmoid", -inf, None, 0, 0),
    ("sigmoid", nan, None, nan, nan),
    ("log_sigmoid", inf, None, 0, 0),
    ("log_sigmoid", -inf, None, -inf, 1),
    ("log_sigmoid", nan, None, nan, nan),
    ("softplus", inf, None, inf, 1),
    ("softplus", -inf, None, 0, 0),
    ("softplus", nan, None, nan, nan),
]

#: form, x, y, value, gradient
ROWS = [
    ("softmax_xent", [inf, 0.0], 0, 0, [0, 0]),
    ("softmax_xent", [inf, 0.0], 1, inf, [1, -1]),
    ("softmax_xent", [inf, inf], 0, nan, [nan, nan]),
    ("softmax_xent", [inf, inf, 0.0], 2, nan, [nan, nan, nan]),
    ("softmax_xent", [-inf, -inf], 0, nan, [nan, nan]),
    ("softmax_xent", [-inf, 0.0], 1, 0, [0, 0]),
    ("softmax_xent", [-inf, 0.0], 0, inf, [-1, 1]),
    ("softmax_xent", [-inf, 0.0, 0.0], 1, np.log(2), [0, -0.5, 0.5]),
    ("softmax_xent", [nan, 0.0], 1, nan, [nan, nan]),
    ("softmax_xent", [nan, -inf], 1, nan, [nan, nan]),
    ("softmax_xent", [3.0], 0, 0, [0]),
    ("softmax_xent", [inf, 0.0], [1.0, 0.0], 0, [0, 0]),
    ("softmax_xent", [inf, 0.0], [0.5, 0.5], inf, [0.5, -0.5]),
    ("softmax_xent", [-inf, 0.0], [0.0, 1.0], 0, [0, 0]),
    ("softmax_xent", [-inf, 0.0], [0.5, 0.5], inf, [-0.5, 0.5]),
    ("softmax_xent", [nan, 0.0], [0.0, 1.0], nan, [nan, nan]),
    ("softmax_xent", [1.0, 0.0], [nan, 1.0], nan, [nan, nan]),
    ("softmax_xent", [nan], [0.0], nan, [nan]),
    ("softmax_xent", [inf, 0.0], [0.0, 0.0], 0, [0, 0]),
    ("prob_xent", [1.0, 0.0], 0, 0, [-1, 0]),
    ("prob_xent", [1.0, 0.0], 1, inf, [0, -inf]),
    ("prob_xent", [1.0, -0.0], 1, inf, [0, -inf]),
    ("prob_xent", [1.0, 0.0], [1.0, 0.0], 0, [-1, 0]),
    ("prob_xent", [0.5, nan], 0, nan, [-2, nan]),
    ("prob_xent", [0.5, 0.5], [nan, 1.0], nan, [nan, -2]),
    ("prob_xent", [0.5, -0.5], 0, nan, [-2, nan]),
    ("multilabel_bce", [inf, -inf], [1.0, 0.0], 0, [0, 0]),
    ("multilabel_bce", [inf, 0.0], [0.0, 1.0], inf, [1, -0.5]),
    ("multilabel_bce", [nan, 0.0], [0.0, 1.0], nan, [nan, -0.5]),
    ("bernoulli_likelihood", [inf, -inf], [1, 0], 1, [0, 0]),
    ("bernoulli_likelihood", [inf, 0.0], [0, 1], 0, [0, 0]),
    ("bernoulli_likelihood", [nan, inf], [0, 0], nan, [nan, nan]),
    ("bernoulli_log_likelihood", [inf, -inf], [1, 0], 0, [0, 0]),
    ("bernoulli_log_likelihood", [inf, 0.0], [0, 1], -inf, [-1, 0.5]),
    ("bernoulli_log_likelihood", [nan, inf], [0, 0], nan, [nan, -1]),
    ("logsumexp", [inf, 0.0], None, inf, [1, 0]),
    ("logsumexp", [inf, inf], None, inf, [nan, nan]),
    ("logsumexp", [-inf, -inf], None, -inf, [nan, nan]),
    ("logsumexp", [-inf, 2.0], None, 2, [0, 1]),
    ("logsumexp", [nan, inf], None, nan, [nan, nan]),
    ("softmax", [inf, 0.0], None, [1, 0], [0, 0]),
    ("softmax", [inf, inf], None, [nan, nan], [nan, nan]),
    ("softmax", [-inf, -inf], None, [nan, nan], [nan, nan]),
    ("softmax", [-inf, 0.0, 0.0], None, [0, 0.5, 0.5], [0, 0, 0]),
    ("softmax", [0.0, -inf, 0.0], None, [0.5, 0, 0.5], [0.25, 0, -0.25]),
    ("softmax", [nan, 0.0], None, [nan, nan], [nan, nan]),
    ("log_softmax", [inf, 0.0], None, [0, -inf], [0, 0]),
    ("log_softmax", [-inf, 0.0], None, [-inf, 0], [1, -1]),
    ("log_softmax", [inf, inf], None, [nan, nan], [nan, nan]),
    ("log_softmax", [nan, 0.0], None, [nan, nan], [nan, nan]),
]

#: q, y, value, gradient of prob_xent(normalized=True)
NORMALIZED = [
    ([1.0, 0.0], 0, 0, [0, 1]),
    ([1.0, 0.0], 1, inf, [1, -inf]),
    ([0.0, 0.0], 0, nan, [nan, nan]),
    ([2.0, 2.0], 0, np.log(2), [-0.25, 0.25]),
    ([0.5, nan], 0, nan, [nan, nan]),
    ([5e-324, 1.0], 0, 1074 * np.log(2), [-inf, 1]),
]


def matches(got, want):
    np.testing.assert_array_max_ulp(
        np.nan_to_num(got, nan=7.0, posinf=8.0, neginf=9.0),
        np.nan_to_num(np.asarray(want, dtype=float), nan=7.0, posinf=8.0, neginf=9.0),
        maxulp=2,
    )


def names(case):
    return "-".join(str(part) for part in case[:3]).replace(" ", "")


@pytest.mark.parametrize("case", SCALARS, ids=names)
def test_scalar(case):
    form, x, y, value, grad = case
    op = getattr(native, form)
    args = [np.array([x])] if y is None else [np.array([x]), np.array([y])]
    matches(op(*args)[0], value)
    matches(op.grad(*args)[0], grad)
    if np.isnan(value):
        assert np.isnan(op.hess_diag(*args)[0])


@pytest.mark.parametrize("case", ROWS, ids=names)
def test_row(case):
    form, x, y, value, grad = case
    op = getattr(native, form)
    args = [np.array([x])] if y is None else [np.array([x]), np.array([y])]
    got, slope = op.value_and_grad(*args)
    matches(got[0], value)
    matches(slope[0], grad)
    op.hess_diag(*args)  # no warning escapes


@pytest.mark.parametrize("case", NORMALIZED, ids=lambda case: str(case[:2]).replace(" ", ""))
def test_normalized(case):
    q, y, value, grad = case
    matches(native.prob_xent(np.array([q]), np.array([y]), normalized=True)[0], value)
    matches(native.prob_xent.grad(np.array([q]), np.array([y]), normalized=True)[0], grad)


@pytest.mark.parametrize("labels", [np.array([1]), np.array([[0.0, 1.0, 0.0]])], ids=["index", "onehot"])
def test_dropped_class_gets_positive_zero(labels):
    grad = native.softmax_xent.grad(np.array([[0.0, 1.0, -inf]]), labels)
    assert grad[0, 2] == 0
    assert not np.signbit(grad[0, 2])
    for block in (native.softmax, native.log_softmax):
        assert not np.signbit(block.grad(np.array([[0.0, 1.0, -inf]]))[0, 2])


def test_certain_losses_are_positive_zero():
    for got in (
        native.prob_xent(np.array([[1.0, 0.0]]), np.array([0])),
        native.prob_bce(np.array([1.0, 0.0]), np.array([1.0, 0.0])),
        native.softmax_xent(np.array([[inf, 0.0]]), np.array([0])),
        native.bernoulli_log_likelihood(np.array([[inf]]), np.array([[1]])),
    ):
        assert (got == 0).all()
        assert not np.signbit(got).any()


def test_gap_that_overflows_is_infinite_only_if_the_loss_is():
    huge = 1.7e308
    z = np.array([[huge, -huge]])
    assert native.softmax_xent(z, np.array([1]))[0] == inf
    assert native.softmax_xent(z, np.array([[0.75, 0.25]]))[0] == 0.25 * huge * 2
    assert native.softmax_xent(z, np.array([0]))[0] == 0
    np.testing.assert_array_equal(native.softmax_xent.grad(z, np.array([1])), [[1, -1]])


def test_mean_of_huge_values_does_not_overflow():
    z = np.full(4, 1.5e308)
    y = np.zeros(4)
    assert native.sigmoid_bce(z, y, reduction="mean") == 1.5e308
    assert native.sigmoid_bce(z, y, reduction="sum") == inf


def test_float32_overflow_and_16_bit_underflow_round_like_ieee(formats):
    assert native.softmax_xent(np.array([[3e38, -3e38]], dtype=np.float32), np.array([1]))[0] == inf
    assert native.sigmoid_bce(np.float16([17.0]), np.float16([1.0]))[0] == np.float16(5.96e-8)
    assert native.sigmoid_bce(np.float16([18.0]), np.float16([1.0]))[0] == 0
    bfloat16 = formats["bfloat16"][0]
    assert float(native.sigmoid(np.array([-92.0], dtype=bfloat16))[0]) == 2.0**-133


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nan_and_infinity_in_every_dtype(formats, dtype):
    z = np.array([inf, -inf, nan, 0.0]).astype(formats[dtype][0])
    got = native.sigmoid_bce(z, np.ones(4, dtype=z.dtype)).astype(float)
    matches(got[:3], [0, inf, nan])
    assert got[3] > 0


def test_masses_that_are_all_zero_have_no_distribution():
    form = native.prob_xent
    q = np.zeros((1, 2), np.float32)
    for y in (np.array([1]), np.float32([[0, 1]]), np.float32([[0.5, 0.5]])):
        matches(form(q, y, normalized=True), [nan])
        for derivative in (form.grad, form.hess_diag):
            matches(derivative(q, y, normalized=True), [[nan, nan]])
