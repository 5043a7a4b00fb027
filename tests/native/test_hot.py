"""Rows of one-hot labels are computed as those of a class index; all other rows as they were."""

import ml_dtypes
import numpy as np
import pytest

import lossbench.native

from .copies import Change

FORMS = ("softmax_xent", "prob_xent", "prob_xent normalized")
#: kernels that find no row one-hot
BLIND = Change("rows", "index = only_one(trace, memory, layout.dtype, case)", "index = ir.Constant(I64, -1)")


def results(native, form, x, y):
    """Value, gradient and second derivative, alone and beside each other."""
    name, *options = form.split()
    call = getattr(native, name)
    given = dict.fromkeys(options, True)
    if name == "prob_xent":
        x = np.exp(x.astype(np.float64) / 8).astype(x.dtype)
    found = [call(x, y, **given), *call.value_and_grad(x, y, **given), call.hess_diag(x, y, **given)]
    return [array.astype(np.float64) for array in found]


def same(a, b):
    return all(np.array_equal(p, q, equal_nan=True) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("form", FORMS)
def test_one_hot_is_an_index(form, dtype, engines):
    engines["numba"]()
    rng = np.random.default_rng(0)
    for classes in (1, 2, 8, 9, 33, 100):
        x = (5 * rng.standard_normal((60, classes))).astype(dtype)
        index = rng.integers(0, classes, len(x))
        y = np.eye(classes)[index]
        y[::2] = np.where(y[::2] == 0, -0.0, y[::2])
        assert same(results(lossbench.native, form, x, y.astype(dtype)), results(lossbench.native, form, x, index))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("form", FORMS)
def test_other_rows_are_not(form, dtype, load, engines):
    engines["numba"]()
    blind = load(BLIND)
    rng = np.random.default_rng(0)
    x = (5 * rng.standard_normal((400, 17))).astype(dtype)
    y = np.zeros(x.shape)
    rows = np.arange(len(x))
    y[rows, rng.integers(0, 17, len(x))] = rng.choice([0.0, 0.5, 2.0, 2.0**-24, 1 + 2.0**-10], len(x))
    y[rows[200:], rng.integers(0, 17, 200)] += rng.choice([1.0, 0.5], 200)
    y[300:350] = rng.random((50, 17))
    y = y.astype(dtype)
    several = ((y != 0).sum(axis=1) != 1) | (y.sum(axis=1) != 1)
    x, y = x[several], y[several]
    assert len(x) > 300
    assert same(results(lossbench.native, form, x, y), results(blind, form, x, y))
