"""The two roundings by themselves, against fractions: ties, slivers, binade edges, subnormals, overflow, Ziv's test."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache

from flint import arb, ctx, fmpq

from tests.reference.copies import Copy
from tests.reference.fractions_of import FORMATS, rounded, two

SOME = ("float8_e4m3fn", "float16", "float32", "float64")
TINY = two(-5000)


@cache
def _numbers(dtype: str) -> tuple[Fraction, ...]:
    """Around numbers, ties and edges of every kind: small and large, subnormal, at the ends of the format."""
    precision, emin, largest = FORMATS[dtype]
    ulp, least = two(1 - precision), two(emin - precision + 1)
    bases = [Fraction(1), 1 + ulp, 2 - ulp, 4 - 2 * ulp, 3 * two(-3), two(emin), two(emin) - least]
    bases += [Fraction(0), least, 2 * least, 5 * least, largest, two(emin) + least]
    found = []
    for base in bases:
        unit = max(two(math.floor(math.log2(base)) - precision + 1), least) if base else least
        for steps in (Fraction(0), Fraction(1, 2), Fraction(-1, 2)):
            found += [base + unit * (steps + sliver) for sliver in (0, two(-3000), two(-precision - 5), -two(-70))]
    found += [Fraction(1, 3), Fraction(2, 3) * two(emin), Fraction(5, 7) * least, largest * 2, two(-4000)]
    return tuple(x for r in found if r >= 0 for x in (r, -r))


@cache
def _expected(dtype: str) -> tuple[tuple[Fraction, tuple, dict[int, tuple]], ...]:
    """Numbers with what they are rounded to, and what numbers a little to either side are."""
    return tuple((r, rounded(r, dtype), {s: rounded(r + s * TINY, dtype) for s in (-1, 0, 1)}) for r in _numbers(dtype))


def _same(got, want: tuple[float, int, float]) -> bool:
    """Value with the sign of a zero, exponent, and tail to the last digits that a float has of it."""
    if got is None or math.isnan(want[0]):
        return got is not None and math.isnan(got.value)
    value = got.value == want[0] and math.copysign(1, got.value) == math.copysign(1, want[0])
    return value and (math.isinf(want[0]) or (got.ulp_exponent == want[1] and abs(got.tail - want[2]) <= 2.0**-50))


def _reals(copy: Copy, r: Fraction) -> Iterator[tuple[object, int]]:
    """A fraction as the first oracle may hold it: as head over den, as head and exact tail, as a tail with an error."""
    real, mpf = copy.reference.real.Real, copy.reference.real._FIXED.mpf
    power = r.denominator.bit_length() - 1
    if r.denominator != 1 << power:
        yield real(mpf(r.numerator), mpf(0), mpf(r.denominator), mpf(0)), 0
        return
    n, scale = mpf(r.numerator), mpf(2) ** -power
    yield real(n * scale, mpf(0), mpf(1), mpf(0)), 0
    yield real(mpf(0), 3 * n * scale, mpf(3), mpf(0)), 0
    floor = mpf(r.numerator >> 1 << 1) * scale
    yield real(floor, n * scale - floor, mpf(1), abs(n * scale - floor)), 8000


def check_rounding(copy: Copy) -> str | None:
    """`round_fraction` with `finish`, `tail_in_ulps` and `nearest`, of numbers that are known."""
    rounding, formats = copy.reference.rounding, copy.reference.formats.FORMATS
    for dtype in SOME:
        for r, want, moved in _expected(dtype):
            fmt, edge = formats[dtype], moved[-1][:2] != moved[1][:2]
            m, q = rounding.round_fraction(r.numerator, r.denominator, 0, fmt)
            got = rounding.finish(m, q, fmt, rounding.tail_in_ulps(r.numerator, r.denominator, 0, m, q))
            if not _same(got, want) and m != 0:
                return f"{r} is {m} * 2^{q} in {dtype}, not {want}"
            for real, bits in _reals(copy, r):
                got = rounding.nearest(real, fmt, bits)
                if got is None and bits and edge:
                    continue
                if not _same(got, want) and not (r == 0 and got is not None and got.value == 0):
                    return f"{real} is {got} in {dtype}, not {want}"
    return _undecided(copy) or _beside(copy)


def _undecided(copy: Copy) -> str | None:
    """What `nearest` must not decide: a tie, an edge or a zero inside of the enclosure, or too rough a tail."""
    real, mpf = copy.reference.real.Real, copy.reference.real._FIXED.mpf
    fmt, nearest = copy.reference.formats.FORMATS["float32"], copy.reference.rounding.nearest
    tie, one, far = 1 + mpf(2) ** -24, mpf(1), mpf(2) ** -2000
    table = [
        ("a tie", real(tie, mpf(2) ** -200, one, one), 100),
        ("a tie from above", real(tie, -(mpf(2) ** -101), one, one), 100),
        ("an edge", real(one, mpf(2) ** -200, one, one), 100),
        ("the sign of a tail far below", real(tie, far / 2, one, far), 0),
        ("the sign of a zero", real(mpf(0), far / 8, one, far), 2),
        ("a rough tail", real(mpf(0), 1 + mpf(2) ** -26, one, one), 60),
    ]
    for what, number, bits in table:
        got = nearest(number, fmt, bits)
        if got is not None:
            return f"{what} is decided: {got}"
    return None


def _beside(copy: Copy) -> str | None:
    """A tail far below its head only has a side."""
    real, mpf = copy.reference.real.Real, copy.reference.real._FIXED.mpf
    fmt, nearest = copy.reference.formats.FORMATS["float32"], copy.reference.rounding.nearest
    tie, far = 1 + mpf(2) ** -24, mpf(2) ** -20000
    for head, sign, want in ((tie, 1, (1 + 2.0**-23, -23)), (tie, -1, (1.0, -23)), (mpf(1), -1, (1.0, -24))):
        got = nearest(real(head, sign * far, mpf(1), far), fmt, 40)
        if got is None or (got.value, got.ulp_exponent) != want:
            return f"{head} and {sign} far below is {got}"
    return None


def _arb(r: Fraction):
    return arb(fmpq(r.numerator, r.denominator))


def _ball(mid: Fraction, rad: Fraction = Fraction(0)):
    return arb(_arb(mid), _arb(rad))


def check_balls(copy: Copy) -> str | None:
    """`round_ball` of numbers and of balls around them, `round_limit` of fractions and what lies beside them."""
    rounding, formats = copy.reference.ball_rounding, copy.reference.formats.FORMATS
    limit = copy.reference.limits.Limit
    with ctx.workprec(9000):
        for dtype in SOME:
            for r, want, moved in _expected(dtype):
                fmt = formats[dtype]
                if r.denominator & (r.denominator - 1) == 0:
                    got = rounding.round_ball(_ball(r), fmt)
                    if got is None or not _same(got[0], want) or got[1] != 0:
                        return f"the point {r} is {got} in {dtype}, not {want}"
                    beside = rounding.round_ball(_ball(r, abs(r) * TINY), fmt)
                    if beside is not None and not _same(beside[0], want):
                        return f"a ball around {r} is {beside} in {dtype}, not {want}"
                for sign in (-1, 0, 1) if r.denominator < 2**2000 else ():
                    got = rounding.round_limit(limit(fmpq(r.numerator, r.denominator), sign), fmt)
                    if not _same(got, moved[sign]) and not (r == 0 == sign):
                        return f"{r} with side {sign} is {got} in {dtype}, not {moved[sign]}"
        return _wide(copy)


def _wide(copy: Copy) -> str | None:
    """Balls that must not be decided, and one whose tail has a radius."""
    fmt, round_ball = copy.reference.formats.FORMATS["float32"], copy.reference.ball_rounding.round_ball
    tie, third = 1 + two(-24), Fraction(1, 3)
    table = [
        ("a tie", tie, two(-100)),
        ("a tie, below", tie - two(-101), two(-100)),
        ("a tie, above", tie + two(-101), two(-100)),
        ("an edge", Fraction(1), two(-100)),
        ("an edge from below", 1 - two(-101), two(-100)),
        ("a zero", Fraction(0), two(-3000)),
        ("the sign of a zero", two(-3001), two(-3000)),
        ("a rough tail", third, two(-26 - 31)),
    ]
    for what, mid, rad in table:
        got = round_ball(_ball(mid, rad), fmt)
        if got is not None:
            return f"{what} is decided: {got}"
    got = round_ball(_ball(-third, two(-66)), fmt)
    if got is None or not _same(got[0], rounded(-third, "float32")):
        return f"-1/3 is {got}"
    return None if 2.0**-41 <= got[1] <= 2.0**-40 else f"a radius of 2^-66 about 1/3 is {got[1]} ulp"
