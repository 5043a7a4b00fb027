"""The filter's rounding against exact rounding from integers: what is decided holds for the whole enclosure."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lossbench.reference.filter_rounding import TAIL_ERROR, results, round_into
from lossbench.reference.formats import FORMATS
from lossbench.reference.rounding import round_fraction

ALL = tuple(FORMATS.values())


def rounded(fmt, hi, lo, k, error):
    numbers = tuple(np.broadcast_to(np.asarray(x, np.float64), np.shape(hi)).copy() for x in (hi, lo, k, error))
    out = results(len(hi))
    round_into(fmt, numbers, out)
    return out


def number(hi, lo, k):
    return (Fraction(float(hi)) + Fraction(float(lo))) * Fraction(2) ** int(k)


def exactly(x, fmt):
    """(value, exponent of ulp, tail) of a fraction, by integers."""
    m, q = round_fraction(x.numerator, x.denominator, 0, fmt)
    if math.ldexp(abs(m), q) > fmt.maxfinite if abs(m).bit_length() + q <= 1024 else True:
        return math.copysign(fmt.overflow, m), q, 0.0
    return math.copysign(math.ldexp(m, q), x or 1), q, float(x / Fraction(2) ** q - m)


def candidates(fmt, rng, count):
    """Numbers in the whole range of a format and beyond, half of them next to midpoints and numbers of the format."""
    k = rng.integers(fmt.emin - fmt.precision - 20, fmt.emax + 4, count).astype(np.float64)
    hi = rng.choice([-1.0, 1.0], count) * rng.uniform(1, 2, count)
    grid = np.rint(hi * 2.0**fmt.precision) / 2.0**fmt.precision  # numbers of the format and midpoints
    close = rng.uniform(size=count) < 0.5
    hi = np.where(close, grid, hi)
    hi[::11] = np.sign(hi[::11])  # edges of binades
    lo = hi * 2.0**-54 * rng.uniform(-1, 1, count) * 2.0 ** -rng.integers(0, 60, count)
    lo[::5] = 0.0
    if fmt.precision == 53:  # midpoints take two words
        lo[::4] = rng.choice([-1.0, 1.0], len(lo[::4])) * (2.0**-53 - 2.0**-106 * rng.integers(0, 2, len(lo[::4])))
    return hi, lo, k


@pytest.mark.parametrize("fmt", ALL, ids=lambda f: f.name)
def test_decided_results_hold_at_both_ends_of_the_enclosure(fmt):
    rng = np.random.default_rng(fmt.precision)
    hi, lo, k = candidates(fmt, rng, 6000)
    error = np.abs(hi) * 2.0 ** -rng.integers(95, 130, len(hi)).astype(float)
    out = rounded(fmt, hi, lo, k, error)
    assert 0.3 < np.mean(out.decided) < 1
    for i in np.flatnonzero(out.decided):
        middle, radius = number(hi[i], lo[i], k[i]), Fraction(float(error[i])) * Fraction(2) ** int(k[i])
        for x in (middle - radius * (1 - Fraction(2) ** -60), middle + radius * (1 - Fraction(2) ** -60)):
            value, q, tail = exactly(x, fmt)
            assert np.array_equal(value, out.value[i], equal_nan=True) and q == out.ulp_exponent[i]
            assert math.copysign(1, value) == math.copysign(1, out.value[i])
            assert abs(tail - out.tail[i]) <= out.bound[i]


@pytest.mark.parametrize("fmt", ALL, ids=lambda f: f.name)
def test_undecided_is_only_what_the_enclosure_does_not_tell(fmt):
    """Where nothing changes within twice the enclosure, and the tail is known, the result is decided."""
    rng = np.random.default_rng(fmt.precision + 100)
    hi, lo, k = candidates(fmt, rng, 3000)
    error = np.abs(hi) * 2.0**-104
    out = rounded(fmt, hi, lo, k, error)
    for i in np.flatnonzero(~out.decided):
        middle, radius = number(hi[i], lo[i], k[i]), 2 * Fraction(float(error[i])) * Fraction(2) ** int(k[i])
        ends = [exactly(x, fmt)[:2] for x in (middle - radius, middle + radius)]
        assert ends[0] != ends[1] or not math.isfinite(ends[0][0])


def test_exact_results_are_decided_ties_to_even():
    fmt = FORMATS["float32"]
    hi = np.array([1.0, 1 + 2.0**-24, 1 + 3 * 2.0**-24, -(1 + 2.0**-24), 2.0**-150, 3 * 2.0**-150, 0.0])
    out = rounded(fmt, hi, 0.0, 0.0, 0.0)
    assert out.decided.all()
    assert out.value.tolist() == [1, 1, 1 + 2.0**-22, -1, 0, 2.0**-148, 0]
    assert out.tail.tolist() == [0, 0.5, -0.5, -0.5, 0.5, -0.5, 0]
    assert out.bound[-1] == 0 and not np.signbit(out.value[-1])


def test_the_open_end_of_an_enclosure_decides_a_midpoint_and_an_edge():
    fmt = FORMATS["float32"]
    step = 2.0**-160
    hi, lo = np.array([16777217.0, 16777217.0, 1.0, 1.0]), np.array([step, -step, step, -step])
    out = rounded(fmt, hi, lo, 0.0, step)
    assert out.decided.all()
    assert out.value.tolist() == [16777218.0, 16777216.0, 1.0, 1.0]
    assert out.ulp_exponent.tolist() == [1, 1, -23, -24]
    wider = rounded(fmt, hi, lo, 0.0, np.nextafter(step, 1))  # one ulp more and the midpoint is inside
    assert not wider.decided.any()


def test_far_below_the_smallest_subnormal_only_the_sign_counts():
    fmt = FORMATS["float64"]
    out = rounded(fmt, np.array([1.5, -1.5, 1.5, 1.5]), 0.0, -5000.0, np.array([1.5, 1.5, 1.6, np.inf]))
    assert out.decided.tolist() == [True, True, False, False]
    assert out.value[:2].tolist() == [0, 0] and np.signbit(out.value[:2]).tolist() == [False, True]
    assert np.all(np.abs(out.tail[:2]) < 2.0**-300) and out.ulp_exponent[0] == -1074


def test_overflow_follows_the_format():
    fmt = FORMATS["float16"]
    out = rounded(fmt, np.array([65519.0, 65520.0, 65521.0, -65521.0, 1e9]), 0.0, 0.0, 2.0**-80)
    assert out.decided.tolist() == [True, False, True, True, True]
    assert out.value[[0, 2, 3, 4]].tolist() == [65504, math.inf, -math.inf, math.inf]

    out = rounded(FORMATS["float8_e4m3fn"], np.array([448.0, 463.0, 465.0, -1e4]), 0.0, 0.0, 2.0**-80)
    assert out.value[:2].tolist() == [448, 448] and np.isnan(out.value[2:]).all() and out.decided.all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_no_bound_no_decision(bad):
    error = np.array([math.nan, math.inf]) if bad != -1.0 else np.array([1.0, 2.0])
    hi = np.array([1.25, 1.25]) if bad == -1.0 else np.array([bad, 1.25])
    assert not rounded(FORMATS["float32"], hi, 0.0, 0.0, error).decided.any()


def test_a_tail_that_is_not_known_well_enough_is_not_handed_out():
    out = rounded(
        FORMATS["float64"], np.array([1.25, 1.25]), 2.0**-55, 0.0, np.array([TAIL_ERROR, TAIL_ERROR / 4]) * 2.0**-52
    )
    assert out.decided.tolist() == [False, True]


def test_a_rounding_without_its_checks_would_be_caught():
    """With the bound left out (error 0) the middle of the enclosure is rounded: wrong for some number in it."""
    fmt, rng = FORMATS["float32"], np.random.default_rng(7)
    hi, lo, k = candidates(fmt, rng, 4000)
    error = np.abs(hi) * 2.0**-70
    blind, careful = rounded(fmt, hi, lo, k, 0.0), rounded(fmt, hi, lo, k, error)
    wrong = np.zeros(len(hi), bool)
    for i in range(len(hi)):
        middle, radius = number(hi[i], lo[i], k[i]), Fraction(float(error[i])) * Fraction(2) ** int(k[i])
        wrong[i] = any(
            exactly(middle + s * radius / 2, fmt)[:2] != (blind.value[i], blind.ulp_exponent[i]) for s in (-1, 1)
        )
    assert blind.decided.all() and wrong.sum() > 100
    assert not (careful.decided & wrong).any()
