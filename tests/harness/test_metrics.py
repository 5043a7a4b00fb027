"""Errors in ulps and categories of results, against rational arithmetic that shares no code with them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lossbench.harness.metrics import (
    Scores,
    errors_in_ulps,
    flush_tolerant,
    hopeless,
    relative_errors,
    score,
)
from lossbench.harness.rows import BAD, CATEGORIES
from lossbench.reference import Exact, evaluate, form_of
from lossbench.reference.certificate import CERTIFICATE
from lossbench.reference.formats import FORMATS, MEASURED, to_nearest

INF, NAN = math.inf, math.nan
ONE = Fraction(1)
MAX32 = Fraction(FORMATS["float32"].maxfinite)
MAX64 = Fraction(FORMATS["float64"].maxfinite)
SUB32 = Fraction(1, 2**149)


def two(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def ulp(r: Fraction, dtype: str) -> Fraction:
    """2^(max(floor(log2 |r|), emin) - p + 1), by comparing integers."""
    fmt = FORMATS[dtype]
    exponent = fmt.emin
    while r != 0 and two(exponent + 1) <= abs(r):
        exponent += 1
    return two(exponent - fmt.precision + 1)


def uncertified(value, ulp_exponent, tail) -> Exact:
    """Results made by hand, for metrics that ask no certificate."""
    return Exact(value, ulp_exponent, tail, np.zeros(value.shape, CERTIFICATE))


def exact_of(r: Fraction | float, dtype: str = "float32") -> Exact:
    """What the oracle must say of a number: rounded once to nearest, ties to even."""
    if isinstance(r, float):  # an infinity or NaN
        return uncertified(np.array([r]), np.zeros(1, np.int32), np.zeros(1))
    unit = ulp(r, dtype)
    value = round(r / unit) * unit
    exponent = np.array([unit.numerator.bit_length() - unit.denominator.bit_length()], np.int32)
    if abs(value) > Fraction(FORMATS[dtype].maxfinite):
        return uncertified(np.array([math.copysign(INF, r)]), exponent, np.zeros(1))
    return uncertified(np.array([float(value)]), exponent, np.array([float((r - value) / unit)]))


def judge(got: float, r: Fraction | float, dtype: str = "float32", nonnegative: bool = False):
    """(category, error) of one result."""
    scores = score(np.array([float(got)]), exact_of(r, dtype), nonnegative)
    return CATEGORIES[scores.codes[0]], float(scores.ulps[0])


# name: got, exact, whether the form is a loss, category, error in ulps (NaN: it has none)
FLOAT32 = {
    "exact": (1.0, ONE, True, "CR", 0.0),
    "rounded": (1.0, 1 + two(-26), True, "CR", 0.125),
    "perfect rounding is off by half an ulp at worst": (1.0, 1 + two(-24), True, "CR", 0.5),
    "the other side of a tie": (1 + 2.0**-23, 1 + two(-24), True, "FAITHFUL", 0.5),
    "the other neighbour": (1 + 2.0**-23, 1 + two(-25), True, "FAITHFUL", 0.75),
    "one ulp is not faithful": (1 + 2.0**-23, ONE, True, "FINITE", 1.0),
    "farther": (1 + 2.0**-22, 1 + two(-25), True, "FINITE", 1.75),
    "below an exact negative": (-1 - 2.0**-22, -ONE, False, "FINITE", 2.0),
    "other sign": (-1.0, ONE, False, "SIGN", 2.0**24),
    "other sign of a negative": (1.0, -ONE, False, "SIGN", 2.0**24),
    "negative loss": (-1.0, ONE, True, "NEG_LOSS", 2.0**24),
    "negative loss where zero is right": (-(2.0**-149), Fraction(0), True, "NEG_LOSS", 1.0),
    "lost": (0.0, two(-100), True, "LOST", 2.0**23),
    "lost with a sign": (-0.0, two(-100), True, "LOST", 2.0**23),
    "lost gradient": (0.0, -two(-100), False, "LOST", 2.0**23),
    "lost subnormal": (0.0, SUB32, True, "LOST", 1.0),
    "zero": (0.0, Fraction(0), True, "CR", 0.0),
    "minus zero": (-0.0, Fraction(0), True, "CR", 0.0),
    "zero for less than half a subnormal": (0.0, SUB32 / 4, True, "CR", 0.25),
    "a subnormal for less than half of it": (2.0**-149, SUB32 / 4, True, "FAITHFUL", 0.75),
    "something for zero": (2.0**-149, Fraction(0), True, "FINITE", 1.0),
    "much for zero": (1.0, Fraction(0), True, "FINITE", 2.0**149),
    "subnormal tie": (2.0**-148, SUB32 * 3 / 2, True, "CR", 0.5),
    "subnormal tie, other side": (2.0**-149, SUB32 * 3 / 2, True, "FAITHFUL", 0.5),
    "two subnormals off": (4 * 2.0**-149, SUB32 * 2, True, "FINITE", 2.0),
    "largest subnormal": (2.0**-126, two(-126) - SUB32, True, "FINITE", 1.0),
    "spurious infinity": (INF, ONE, True, "SPURIOUS_INF", NAN),
    "spurious infinity before negative loss": (-INF, ONE, True, "SPURIOUS_INF", NAN),
    "spurious infinity for zero": (INF, Fraction(0), True, "SPURIOUS_INF", NAN),
    "missed infinity": (float(MAX32), two(128), True, "MISSED_INF", NAN),
    "missed infinity before lost": (0.0, two(128), True, "MISSED_INF", NAN),
    "missed infinity before negative loss": (-1.0, two(128), True, "MISSED_INF", NAN),
    "missed infinity before sign": (-INF, INF, False, "MISSED_INF", NAN),
    "infinity": (INF, INF, True, "CR", NAN),
    "minus infinity": (-INF, -two(128), False, "CR", NAN),
    "infinity from maxfinite and half an ulp": (INF, MAX32 + two(103), True, "CR", NAN),
    "infinity just below that": (INF, MAX32 + two(103) - 1, True, "SPURIOUS_INF", NAN),
    "maxfinite just below that": (float(MAX32), MAX32 + two(103) - 1, True, "CR", 0.5),
    "spurious NaN": (NAN, ONE, True, "SPURIOUS_NAN", NAN),
    "spurious NaN for infinity": (NAN, INF, True, "SPURIOUS_NAN", NAN),
    "spurious NaN for zero": (NAN, Fraction(0), True, "SPURIOUS_NAN", NAN),
    "missed NaN": (1.0, NAN, True, "MISSED_NAN", NAN),
    "missed NaN before infinity": (INF, NAN, True, "MISSED_NAN", NAN),
    "missed NaN before lost": (0.0, NAN, True, "MISSED_NAN", NAN),
    "missed NaN before negative loss": (-1.0, NAN, True, "MISSED_NAN", NAN),
    "NaN": (NAN, NAN, True, "CR", NAN),
}

# The ulp is that of the exact value: not of the rounded one (2 at these edges), not of the result.
EDGES = {
    "just below 1, rounded to 1": (1.0, 1 - two(-30), "CR", 2.0**-6),
    "just below 1, one number above": (1 + 2.0**-23, 1 - two(-30), "FINITE", 2 + 2.0**-6),
    "just below 1, one number below": (1 - 2.0**-24, 1 - two(-30), "FAITHFUL", 1 - 2.0**-6),
    "1, one number below": (1 - 2.0**-24, ONE, "FAITHFUL", 0.5),
    "1, two numbers below": (1 - 2.0**-23, ONE, "FINITE", 1.0),
    "just above 1, one number below": (1 - 2.0**-24, 1 + two(-30), "FAITHFUL", 0.5 + 2.0**-7),
    "result in a far binade": (1024.0, ONE, "FINITE", 1023 * 2.0**23),
    "result in a near binade": (0.25, ONE, "FINITE", 0.75 * 2.0**23),
    "just below the normal numbers": (2.0**-126, two(-126) - SUB32 / 4, "CR", 0.25),
}

# A result in a wider format is not rounded to the format of the case first.
WIDER = {
    "closer than any float32": (1 + 2.0**-30, 1 + two(-30), "FAITHFUL", 0.0),
    "between two float32": (1 + 1.5 * 2.0**-24, ONE, "FAITHFUL", 0.75),
    "would round to the right one": (1 + 2.0**-25, ONE, "FAITHFUL", 0.25),
    "below the smallest subnormal": (2.0**-151, SUB32 / 4, "FAITHFUL", 0.0),
    "beyond float32": (2.0**200, ONE, "FINITE", (2.0**200 - 1) * 2.0**23),
}


def check(got, r, category, error, dtype="float32", nonnegative=False):
    found, ulps = judge(got, r, dtype, nonnegative)
    assert found == category
    np.testing.assert_equal(ulps, error)


@pytest.mark.parametrize(("got", "r", "loss", "category", "error"), FLOAT32.values(), ids=FLOAT32)
def test_categories(got, r, loss, category, error):
    check(got, r, category, error, nonnegative=loss)


@pytest.mark.parametrize(("got", "r", "category", "error"), EDGES.values(), ids=EDGES)
def test_unit_is_that_of_the_exact_value(got, r, category, error):
    check(got, r, category, error)


@pytest.mark.parametrize(("got", "r", "category", "error"), WIDER.values(), ids=WIDER)
def test_wider_results_are_not_rounded_first(got, r, category, error):
    check(got, r, category, error)


@pytest.mark.parametrize(
    ("got", "r", "category", "error"),
    [
        pytest.param(-float(MAX64), MAX64, "SIGN", 2.0**54 - 2, id="opposite"),
        pytest.param(float(MAX64), -MAX64, "SIGN", 2.0**54 - 2, id="opposite, mirrored"),
        pytest.param(float(MAX64), MAX64 - two(971), "FINITE", 1.0, id="neighbours"),
        pytest.param(float(MAX64), two(1022), "FINITE", float((MAX64 - two(1022)) / two(970)), id="near"),
        pytest.param(float(MAX64), Fraction(1, 2**1074), "FINITE", INF, id="beyond float64"),
        pytest.param(-float(MAX64), Fraction(1, 2**1074), "SIGN", INF, id="beyond float64, other sign"),
    ],
)
def test_huge_float64_results_overflow_nothing(got, r, category, error):
    check(got, r, category, error, "float64")


def test_only_categories_that_are_no_size_are_bad():
    assert CATEGORIES[len(BAD) :] == ("CR", "FAITHFUL", "FINITE")
    codes = np.arange(len(CATEGORIES), dtype=np.int8)
    assert Scores(codes, np.zeros(len(codes))).bad().tolist() == [c in BAD for c in CATEGORIES]


def test_order_of_categories_is_that_of_the_text():
    """NUMERICS, section 2, D3: the first that matches wins; `test_categories` holds what overlaps."""
    order = "RAISED SPURIOUS_NAN MISSED_NAN SPURIOUS_INF MISSED_INF LOST NEG_LOSS SIGN CR FAITHFUL FINITE"
    assert order.split() == list(CATEGORIES)


def test_many_results_are_scored_one_by_one():
    """A table at once, as rows with a class axis, gives what its entries give alone."""
    rows = [(got, exact_of(r), category) for got, r, loss, category, _ in FLOAT32.values() if loss]
    rows = rows[: len(rows) // 3 * 3]
    got = np.array([row[0] for row in rows]).reshape(-1, 3)
    parts = [
        np.concatenate([getattr(row[1], name) for row in rows]).reshape(-1, 3)
        for name in ("value", "ulp_exponent", "tail")
    ]
    scores = score(got, uncertified(*parts), True)
    assert [CATEGORIES[c] for c in scores.codes.ravel()] == [row[2] for row in rows]
    assert sum(scores.counts().values()) == len(rows)
    assert scores.counts()["LOST"] == sum(row[2] == "LOST" for row in rows)
    assert "RAISED" not in scores.counts()


# -- against rational arithmetic


def finite_floats(dtype: str):
    fmt = FORMATS[dtype]
    return st.floats(width=fmt.bits, allow_nan=False, allow_infinity=False)


@st.composite
def rationals(draw, dtype: str):
    """Exact results: near a number of the format, on a midpoint, at a binade edge, or anywhere."""
    fmt = FORMATS[dtype]
    base = Fraction(draw(finite_floats(dtype)))
    kind = draw(st.sampled_from(("number", "near", "midpoint", "edge", "ratio")))
    if kind == "number":
        return base
    if kind == "midpoint":
        return base + ulp(base, dtype) / 2
    if kind == "near":
        return base + ulp(base, dtype) * Fraction(draw(st.integers(-(2**60), 2**60)), 3 * 2**59)
    if kind == "edge":
        exponent = draw(st.integers(fmt.emin - fmt.precision, fmt.emax))
        return two(exponent) * (1 + Fraction(draw(st.integers(-50, 50)), 2**40))
    numerator = draw(st.integers(-(2**40), 2**40))
    return Fraction(numerator, draw(st.integers(1, 2**40))) * two(draw(st.integers(-20, 10)))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_errors_agree_with_fractions(dtype, data):
    r = data.draw(rationals(dtype), label="r")
    exact = exact_of(r, dtype)
    assume(np.isfinite(exact.value[0]))
    unit = ulp(r, dtype)
    near = st.builds(
        lambda steps: float(to_nearest(float(exact.value[0]) + steps * float(unit), dtype)),
        st.integers(-4, 4),
    )
    got = data.draw(st.one_of(near, finite_floats(dtype), finite_floats("float64")), label="got")
    assume(np.isfinite(got))
    want = abs(Fraction(got) - r) / unit
    found = float(errors_in_ulps(np.array([got]), exact)[0])
    if want > Fraction(FORMATS["float64"].maxfinite):
        assert found == INF
        return
    # |found - want| is at most the rounding of got - value, of the tail, and of their difference
    assert abs(Fraction(found) - want) <= (want + 1) * two(-51)
    category, _ = judge(got, r, dtype)
    if got == exact.value[0]:
        assert category == "CR" and want <= Fraction(1, 2)
    if category == "FAITHFUL":
        assert want < 1
    if category == "FINITE":
        assert want >= 1 - two(-50)


@pytest.mark.parametrize("dtype", MEASURED)
def test_errors_agree_with_fractions_through_the_oracle(dtype):
    """The gradient of `prob_bce` is rational, so the whole way from the oracle to the error can be checked."""
    rng = np.random.default_rng(0)
    p = to_nearest(np.concatenate([rng.uniform(0.01, 0.99, 40), 2.0 ** -np.arange(1.0, 12.0)]), dtype)
    y = to_nearest(rng.uniform(0, 1, len(p)), dtype)
    exact = evaluate(form_of("prob_bce"), p, y, dtype, "grad:p")
    got = to_nearest(exact.value * (1 + rng.choice([0, 1, -3], len(p)) * 2.0 ** -FORMATS[dtype].precision), dtype)
    errors = errors_in_ulps(got, exact)
    for i in range(len(p)):
        a, b = Fraction(float(p[i])), Fraction(float(y[i]))
        r = (a - b) / (a * (1 - a))
        want = abs(Fraction(float(got[i])) - r) / ulp(r, dtype)
        known = Fraction(float(exact.certificates["radius"][i])) + two(-52)
        assert abs(Fraction(float(errors[i])) - want) <= want * two(-52) + known


# -- derived scores


def arrays(*rows):
    """(got, Exact) of several float32 results."""
    exacts = [exact_of(r) for _, r in rows]
    merged = [np.concatenate([getattr(e, n) for e in exacts]) for n in ("value", "ulp_exponent", "tail")]
    return np.array([float(got) for got, _ in rows]), uncertified(*merged)


def test_flushed_subnormals_are_forgiven_and_nothing_else():
    fmt = FORMATS["float32"]
    got, exact = arrays(
        (0.0, SUB32 * 1000),  # a subnormal result, flushed: right
        (-0.0, -(two(-126) - SUB32)),  # the largest subnormal, flushed: right
        (0.0, two(-126)),  # the smallest normal is never flushed
        (2.0**-149, SUB32 * 3),  # wrong, but not by flushing
        (0.0, two(-100)),  # from a subnormal input: not scored
        (1.0, ONE),
    )
    strict = score(got, exact, False)
    assert [CATEGORIES[c] for c in strict.codes] == ["LOST", "LOST", "LOST", "FINITE", "LOST", "CR"]
    lenient = flush_tolerant(strict, got, exact, fmt, np.array([False, False, False, False, True, False]))
    assert [CATEGORIES[c] for c in lenient.codes] == ["CR", "CR", "LOST", "FINITE", "CR"]
    assert lenient.ulps.tolist() == [0.0, 0.0, 2.0**23, 2.0, 0.0]
    assert [CATEGORIES[c] for c in strict.codes][:2] == ["LOST", "LOST"]  # the strict scores stay beside them


def test_flush_tolerance_leaves_out_whole_rows_with_a_subnormal_input():
    got = np.zeros((2, 3))
    exact = uncertified(np.ones((2, 3)), np.full((2, 3), -23, np.int32), np.zeros((2, 3)))
    strict = score(got, exact, False)
    lenient = flush_tolerant(strict, got, exact, FORMATS["float32"], np.array([True, False]))
    assert lenient.codes.shape == (1, 3)


def test_relative_errors():
    got, exact = arrays(
        (1.5, ONE),
        (0.0, two(-100)),
        (-2.0, ONE),
        (1.0, 1 + two(-26)),
        (2.0**-148, SUB32),
        (1.0, Fraction(0)),
        (INF, ONE),
        (1.0, NAN),
    )
    relative = relative_errors(score(got, exact, False), exact)
    tail = float(two(-26) / (1 + two(-26)))
    np.testing.assert_array_equal(relative[[0, 1, 2, 4]], [0.5, 1.0, 3.0, 1.0])
    np.testing.assert_allclose(relative[3], tail, rtol=2.0**-50)
    assert np.isnan(relative[5:]).all()


@pytest.mark.parametrize(
    ("dtype", "limit"),
    [("float16", 2**5.5), ("bfloat16", 16.0), ("float32", 4096.0), ("float64", 2**26.5)],
)
def test_fewer_than_half_of_the_digits_is_hopeless(dtype, limit):
    assert hopeless(FORMATS[dtype]) == limit


# -- which case is shown

CR, LOST, SPURIOUS = (CATEGORIES.index(name) for name in ("CR", "LOST", "SPURIOUS_NAN"))


@pytest.mark.parametrize(
    ("codes", "ulps", "mildness", "worst"),
    [
        pytest.param([CR, CR, CR], [0.1, 0.4, 0.2], [1, 2, 3], 1, id="largest error"),
        pytest.param([CR, CR, CR], [NAN, 0.4, NAN], [1, 2, 3], 1, id="errors that are none do not count"),
        pytest.param([CR, CR], [NAN, NAN], [1, 2], 0, id="no errors at all"),
        pytest.param([CR, LOST, LOST], [0.5, 9.0, 1.0], [1, 7, 3], 2, id="mildest input of a defect"),
        pytest.param([LOST, SPURIOUS, CR], [9.0, NAN, 0.5], [1, 7, 3], 1, id="the earliest defect"),
        pytest.param([CR, LOST], [0.0, 1.0], [INF, INF], 1, id="defects at infinite inputs only"),
        pytest.param([CR, LOST, LOST], [0.0, 1.0, 1.0], [1, NAN, 3], 2, id="NaN is the wildest input"),
        pytest.param([CR, LOST], [0.0, 1.0], [1, NAN], 1, id="defect at NaN only"),
    ],
)
def test_worst_case(codes, ulps, mildness, worst):
    scores = Scores(np.array(codes, np.int8), np.array(ulps, float))
    assert scores.worst(np.array(mildness, float)) == worst


def test_no_results_have_no_worst_case():
    assert Scores(np.zeros(0, np.int8), np.zeros(0)).worst(np.zeros(0)) is None
