"""Ziv's test: what is found with less effort is what is computed, and it is found nearly always."""

import ml_dtypes
import numpy as np
import pytest

import lossbench.native

from .copies import Change

#: kernels that try nothing
WITHOUT = Change("rows", "near = program.near", "near = None")
#: kernels whose other way is wrong
WRONG = Change("rows", "x = numbers[q] = _number(", "x = numbers[q] = 1.5 * _number(")
CLASSES = (1, 2, 7, 8, 9, 17, 100, 1000)


def rows(dtype, classes):
    """Logits of many kinds, and labels: indices, one-hot, soft."""
    rng = np.random.default_rng(classes)
    count = max(30, 20_000 // classes)
    for scale in (0.01, 0.3, 1.0, 5.0, 30.0, 1000.0):
        yield (scale * rng.standard_normal((count, classes))).astype(dtype), rng
    masked = rng.standard_normal((count, classes))
    masked[rng.random(masked.shape) < 0.3] = -np.inf
    yield masked.astype(dtype), rng
    special = rng.choice([0.0, -0.0, 1.0, 700.0, -700.0, 720.0, -2200.0, np.inf, np.nan], (count, classes))
    yield special.astype(dtype), rng
    yield (rng.standard_normal((count, classes)) + rng.integers(-700, 700, (count, 1))).astype(dtype), rng


def calls(native, x, rng):
    """The calls that try first, on the same labels for every package."""
    count, classes = x.shape
    index = rng.integers(0, classes, count)
    soft = rng.random(x.shape)
    soft[rng.random(x.shape) < 0.2] = 0.0
    onehot = np.eye(classes)[index]
    for y in (index, onehot.astype(x.dtype), soft.astype(x.dtype)):
        yield [package.softmax_xent(x, y) for package in native]
    yield [package.logsumexp(x) for package in native]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_what_is_found_at_once_is_what_is_computed(dtype, load, engines):
    engines["numba"]()
    packages = lossbench.native, load(WITHOUT)
    for classes in CLASSES:
        for x, rng in rows(dtype, classes):
            for one, other in calls(packages, x, rng):
                one, other = one.astype(np.float32), other.astype(np.float32)
                assert np.array_equal(one, other, equal_nan=True)
                numbers = ~np.isnan(one)
                assert np.array_equal(np.signbit(one[numbers]), np.signbit(other[numbers]))


def test_most_rows_are_found_at_once(load, engines):
    engines["numba"]()
    packages = lossbench.native, load(WRONG)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 100)).astype(np.float32)
    for one, other in calls(packages, x, rng):
        assert np.mean(one == other) > 0.96


def test_rows_with_masks_are_tried_now_and_then(load, engines):
    engines["numba"]()
    wrong = load(WRONG)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 100)).astype(np.float32)
    y = rng.integers(1, 100, len(x))
    x[:1000, 0] = -np.inf
    found = lossbench.native.softmax_xent(x, y) == wrong.softmax_xent(x, y)
    assert not found[:1000].any()
    assert found[1017:].mean() > 0.96
