"""The contract at infinities, NaN, zero weights and one class, and the exact rounding by itself."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossbench.reference import exact
from lossbench.reference.formats import FORMATS, decode, encode, neighbours, to_nearest
from lossbench.reference.rounding import round_fraction

inf, nan = math.inf, math.nan

VALUES = [
    ("sigmoid", inf, None, 1.0),
    ("sigmoid", -inf, None, 0.0),
    ("sigmoid", nan, None, nan),
    ("softplus", inf, None, inf),
    ("softplus", -inf, None, 0.0),
    ("log_sigmoid", -inf, None, -inf),
    ("sigmoid_bce", inf, 1.0, 0.0),
    ("sigmoid_bce", inf, 0.0, inf),
    ("sigmoid_bce", inf, 0.5, inf),
    ("sigmoid_bce", -inf, 0.0, 0.0),
    ("sigmoid_bce", -inf, 1.0, inf),
    ("sigmoid_bce", -inf, 0.5, inf),
    ("sigmoid_bce", nan, 0.0, nan),
    ("sigmoid_bce", 1.0, nan, nan),
    ("margin_logistic", inf, 1.0, 0.0),
    ("margin_logistic", inf, -1.0, inf),
    ("sigmoid_mse", inf, 0.0, 0.5),
    ("sigmoid_mse", -inf, 0.5, 0.125),
    ("softmax_xent", [inf, 0.0], 0, 0.0),
    ("softmax_xent", [inf, 0.0], 1, inf),
    ("softmax_xent", [inf, inf], 0, nan),
    ("softmax_xent", [-inf, -inf], 0, nan),
    ("softmax_xent", [-inf, 0.0, 0.0], 1, 0.6931471805599453),
    ("softmax_xent", [-inf, 0.0], 0, inf),
    ("softmax_xent", [0.0, -inf], [1.0, 0.0], 0.0),
    ("softmax_xent", [0.0, nan], [1.0, 0.0], nan),
    ("softmax_xent", [0.0, 1.0], [1.0, nan], nan),
    ("softmax_xent", [7.0], 0, 0.0),
    ("logsumexp", [-inf, -inf], None, -inf),
    ("logsumexp", [inf, inf], None, inf),
    ("softmax", [-inf, 0.0], None, [0.0, 1.0]),
    ("log_softmax", [-inf, 0.0], None, [-inf, 0.0]),
    ("softmax", [inf, inf], None, [nan, nan]),
    ("prob_bce", 0.0, 0.0, 0.0),
    ("prob_bce", 0.0, 1.0, inf),
    ("prob_bce", 1.0, 0.5, inf),
    ("prob_xent", [0.0, 1.0], [0.0, 1.0], 0.0),
    ("prob_xent", [0.0, 1.0], [0.5, 0.5], inf),
    ("bernoulli_likelihood", [inf, -inf], [1.0, 0.0], 1.0),
    ("bernoulli_likelihood", [inf, 3.0], [0.0, 1.0], 0.0),
    ("bernoulli_log_likelihood", [inf, 0.0], [0.0, 1.0], -inf),
    ("multilabel_bce", [inf, -inf], [1.0, 0.0], 0.0),
]

GRADIENTS = [
    ("sigmoid_bce", inf, 0.0, 1.0),
    ("sigmoid_bce", inf, 1.0, 0.0),
    ("sigmoid_bce", -inf, 0.25, -0.25),
    ("margin_logistic", -inf, 1.0, -1.0),
    ("softmax_xent", [-inf, 0.0, 0.0], 1, [0.0, -0.5, 0.5]),
    ("softmax_xent", [-inf, 0.0], 0, [-1.0, 1.0]),
    ("softmax_xent", [inf, 0.0], 1, [1.0, -1.0]),
    ("softmax_xent", [nan, 0.0], 1, [nan, nan]),
    ("multilabel_bce", [nan, 0.0], [1.0, 1.0], [nan, -0.5]),
    ("prob_bce", 0.0, 0.0, 1.0),
    ("prob_bce", 1.0, 1.0, -1.0),
    ("prob_bce", 0.0, 1.0, -inf),
    ("prob_bce", 1.0, 0.5, inf),
    ("prob_xent", [0.0, 1.0], [0.0, 1.0], [0.0, -1.0]),
    ("prob_xent", [nan, 0.5], [0.0, 1.0], [nan, -2.0]),
]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(("form", "x", "y", "want"), VALUES, ids=str)
def test_values_at_special_inputs(form, x, y, want, dtype):
    got = exact(form, x, y, dtype=dtype).value
    np.testing.assert_array_equal(got, to_nearest(want, dtype))


@pytest.mark.parametrize(("form", "x", "y", "want"), GRADIENTS, ids=str)
def test_gradients_at_special_inputs(form, x, y, want):
    wrt = {"prob_bce": "p", "prob_xent": "q"}.get(form, "z")
    np.testing.assert_array_equal(exact(form, x, y, dtype="float32", quantity=f"grad:{wrt}").value, want)


@given(
    n=st.integers(-(2**80), 2**80),
    d=st.integers(1, 2**40),
    e=st.integers(-200, 60),
    dtype=st.sampled_from(["float16", "bfloat16", "float32"]),
)
def test_round_fraction_against_fractions(n, d, e, dtype):
    fmt = FORMATS[dtype]
    m, q = round_fraction(n, d, e, fmt)
    value = Fraction(n, d) * Fraction(2) ** e
    unit = Fraction(2) ** q
    assert round(value / unit) == m  # Fraction rounds half to even
    if value:
        log2 = q + fmt.precision - 1
        inside = Fraction(2) ** log2 <= abs(value) < Fraction(2) ** (log2 + 1)
        assert inside or (log2 == fmt.emin and abs(value) < Fraction(2) ** fmt.emin)


@given(st.integers(0, 2**16 - 1), st.sampled_from(["float16", "bfloat16"]))
def test_half_formats_pass_through_float64_unchanged(bits, dtype):
    stored = np.array([bits], np.uint16).view(FORMATS[dtype].storage)
    wide = decode(stored, dtype)
    if not np.isnan(wide[0]):
        assert encode(wide, dtype).view(np.uint16)[0] == bits
        assert to_nearest(wide, dtype)[0] == wide[0]


def test_encode_refuses_to_round():
    with pytest.raises(ValueError, match=r"0\.1 is not a float32 number"):
        encode([0.1], "float32")


def test_to_nearest_rounds_bfloat16_once():
    assert to_nearest(1 + 2.0**-8 + 2.0**-40, "bfloat16") == 1 + 2.0**-7


@pytest.mark.parametrize("dtype", FORMATS)
def test_neighbours_walk_over_zero_and_stop_at_the_largest(dtype):
    fmt = FORMATS[dtype]
    assert neighbours(0.0, dtype, 1) == fmt.subnormal
    assert neighbours(fmt.subnormal, dtype, -2) == -fmt.subnormal
    assert neighbours(fmt.maxfinite, dtype, 5) == fmt.maxfinite
    assert neighbours(1.0, dtype, -1) == 1 - 2.0**-fmt.precision
