"""One correct rounding from float64 to 16 bits, against exact integers and on every tie."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from lossbench.native.rounding import bfloat16_bits, round_to

HALF = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}


def finite_patterns(dtype):
    """Every finite value >= 0 of a 16-bit dtype, ascending, as float64; the index is the bit pattern."""
    with np.errstate(invalid="ignore"):  # signalling NaN among the patterns
        every = np.arange(0x8000, dtype=np.uint16).view(dtype).astype(np.float64)
    return every[np.isfinite(every)]


@pytest.mark.parametrize("name", HALF)
def test_every_value_and_every_tie(name):
    dtype = HALF[name]
    values = finite_patterns(dtype)
    patterns = np.arange(len(values), dtype=np.uint16)
    middle = (values[:-1] + values[1:]) / 2  # exact in float64
    even = np.where(patterns[:-1] % 2 == 0, patterns[:-1], patterns[1:])
    for sign, bit in ((1.0, 0), (-1.0, 0x8000)):
        for points, want in (
            (values, patterns),
            (middle, even),
            (np.nextafter(middle, 0), patterns[:-1]),
            (np.nextafter(middle, np.inf), patterns[1:]),
        ):
            got = round_to(sign * points, dtype).view(np.uint16)
            np.testing.assert_array_equal(got, want | np.uint16(bit))


@pytest.mark.parametrize("name", HALF)
def test_overflow_threshold_and_specials(name):
    dtype = HALF[name]
    values = finite_patterns(dtype)
    threshold = values[-1] + (values[-1] - values[-2]) / 2
    points = np.array([threshold, np.nextafter(threshold, 0), 1.7e308, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324])
    got = round_to(points, dtype).astype(np.float64)
    np.testing.assert_array_equal(got, [np.inf, values[-1], np.inf, np.inf, -np.inf, 0, 0, 0, 0])
    np.testing.assert_array_equal(np.signbit(got), np.signbit(points))
    assert np.isnan(round_to(np.array([np.nan, -np.nan]), dtype).astype(np.float64)).all()


@pytest.mark.parametrize("name", HALF)
def test_random_bits_are_nearest(name):
    dtype = HALF[name]
    rng = np.random.default_rng(0)
    exponents = rng.integers(-150, 127, 2000) if name == "bfloat16" else rng.integers(-28, 15, 2000)
    x = np.ldexp(rng.uniform(1, 2, 2000), exponents)
    values = finite_patterns(dtype)
    above = np.clip(np.searchsorted(values, x), 1, len(values) - 1)
    got = round_to(x, dtype).astype(np.float64)
    for v, g, low, high in zip(x, got, values[above - 1], values[above], strict=True):
        v = Fraction(v)
        assert abs(Fraction(g) - v) == min(abs(Fraction(low) - v), abs(Fraction(high) - v))


def test_shapes_and_the_double_rounding_of_ml_dtypes():
    x = 1 + 2.0**-8 + 2.0**-40
    assert bfloat16_bits(np.array(x)).shape == ()
    assert float(round_to(np.array(x), HALF["bfloat16"])) == 1 + 2.0**-7
    assert round_to(np.ones((2, 0, 3)), HALF["bfloat16"]).shape == (2, 0, 3)
    np.testing.assert_array_equal(bfloat16_bits(np.ones((4, 6)).T[::2]), np.full((3, 4), 0x3F80))
