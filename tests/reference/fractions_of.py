"""Rounding to a format by fractions: a number's value, the exponent of its ulp, and its tail, apart from the reference.

The formats are written down a second time, with IEEE's names for their parameters.
"""

from __future__ import annotations

import math
from fractions import Fraction

#: precision, emin, and the largest finite value.
FORMATS = {
    "float8_e4m3fn": (4, -6, Fraction(448)),
    "float8_e5m2": (3, -14, Fraction(57344)),
    "float16": (11, -14, Fraction(65504)),
    "bfloat16": (8, -126, (2 - Fraction(1, 2**7)) * 2**127),
    "float32": (24, -126, (2 - Fraction(1, 2**23)) * 2**127),
    "float64": (53, -1022, (2 - Fraction(1, 2**52)) * 2**1023),
}


def two(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def of_mpf(number) -> Fraction:
    """An mpmath number as it is."""
    sign, man, exp, _ = number._mpf_
    return (-1 if sign else 1) * Fraction(int(man)) * two(int(exp))


def floor_log2(r: Fraction) -> int:
    """floor(log2 |r|) of a fraction that is not zero."""
    power = abs(r.numerator).bit_length() - r.denominator.bit_length()
    while two(power + 1) <= abs(r):
        power += 1
    while two(power) > abs(r):
        power -= 1
    return power


def ulp_exponent(r: Fraction, dtype: str) -> int:
    """The exponent of ulp(r): of r itself, whatever it is rounded to."""
    precision, emin, _ = FORMATS[dtype]
    return (emin if r == 0 else max(floor_log2(r), emin)) - precision + 1


def rounded(r: Fraction, dtype: str) -> tuple[float, int, float]:
    """(value, exponent of ulp(r), (r - value) / ulp(r)), to nearest, ties to even; a tail of 0 beside an overflow."""
    exponent = ulp_exponent(r, dtype)
    value = round(r / two(exponent)) * two(exponent)  # Fraction rounds half to even
    if abs(value) > FORMATS[dtype][2]:
        return (math.nan if dtype == "float8_e4m3fn" else math.copysign(math.inf, -1 if r < 0 else 1)), exponent, 0.0
    return math.copysign(float(value), -1 if r < 0 else 1), exponent, float((r - value) / two(exponent))
