"""One exact rounding from integers: a `Real` to the nearest number of a format, or "not decided yet".

Ziv's test: both ends of the enclosure of the number must round to the same value in the same binade.
All comparisons are between integers, so nothing is rounded twice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lossbench.reference.formats import Format
from lossbench.reference.real import Mpf, Real

#: Bits below which a tail is no longer added to its head but only tells on which side of it the number lies.
_FAR = 256
#: A tail is handed out when it is known to 2^-44 ulp.
TAIL_BITS = 44


class Rounded(NamedTuple):
    """The correctly rounded value (ties to even), the exponent of ulp(r), and (r - value) in units of ulp(r).

    ulp(r) belongs to the exact r, not to the rounded value: they differ by two at the edge of a binade.
    Where r overflows the format, value is infinite (NaN without infinities) and tail is 0; NaN is NaN.
    """

    value: float
    ulp_exponent: int
    tail: float


def _integer(x: Mpf) -> tuple[int, int]:
    """Return (m, e) with x = m * 2^e."""
    sign, man, exp, _ = x._mpf_
    return (-int(man) if sign else int(man)), int(exp)


def _magnitude(x: Mpf) -> int:
    """Exponent e with |x| < 2^e, x not zero."""
    _, _, exp, bc = x._mpf_
    return int(exp) + int(bc)


def _floor_log2(n: int, d: int) -> int:
    """floor(log2(n / d)) for positive integers."""
    guess = n.bit_length() - d.bit_length()
    if guess >= 0:
        return guess if n >= d << guess else guess - 1
    return guess if n << -guess >= d else guess - 1


def round_fraction(n: int, d: int, e: int, fmt: Format) -> tuple[int, int]:
    """Round r = n / d * 2^e (d > 0) to (m, q): m * 2^q is nearest, q the exponent of ulp(r), ties to even."""
    lowest = fmt.emin - fmt.precision + 1
    if n == 0:
        return 0, lowest
    sign, n = (-1, -n) if n < 0 else (1, n)
    log2 = _floor_log2(n, d) + e
    q = max(log2, fmt.emin) - fmt.precision + 1
    if log2 < lowest - 1:  # below half the smallest subnormal; the shift below could be astronomically long
        return 0, q
    shift = e - q
    n, d = (n << shift, d) if shift >= 0 else (n, d << -shift)
    m, rest = divmod(n, d)
    if 2 * rest > d or (2 * rest == d and m & 1):
        m += 1
    return sign * m, q


def signed_zero(n: int) -> float:
    """Zero with the sign of an integer of any length."""
    return -0.0 if n < 0 else 0.0


def tail_in_ulps(n: int, d: int, e: int, m: int, q: int) -> float:
    """(n / d * 2^e - m * 2^q) / 2^q as a float."""
    shift = e - q
    if n == 0 or _floor_log2(abs(n), d) + shift < -1100:
        return signed_zero(n)
    n, d = (n << shift, d) if shift >= 0 else (n, d << -shift)
    rest = n - m * d  # |rest / d| <= 1/2
    if rest == 0:
        return 0.0
    scale = max(0, 80 - _floor_log2(abs(rest), d))
    return math.ldexp(float((rest << scale) // d), -scale)


def finish(m: int, q: int, fmt: Format, tail: float) -> Rounded:
    """The result m * 2^q, or what the format makes of its overflow."""
    # |m| * 2^q above the largest finite value, which for IEEE formats is r >= maxfinite + ulp/2
    if abs(m).bit_length() + q > fmt.emax + 1 or (fmt.finite_only and math.ldexp(abs(m), q) > fmt.maxfinite):
        return Rounded(math.copysign(fmt.overflow, m), q, 0.0)
    return Rounded(math.ldexp(float(m), q), q, tail)


def nearest(real: Real, fmt: Format, error_bits: int) -> Rounded | None:
    """Round `real` to `fmt`, or return None when its enclosure does not decide the result.

    error_bits: the tail is known to within scale * 2^-error_bits; a scale of 0 says that it is exact.
    """
    head, tail = real.head, real.tail
    if head != head or tail != tail:
        return Rounded(math.nan, 0, 0.0)
    for part in (head, tail):
        if abs(part) == math.inf:
            return Rounded(math.copysign(fmt.overflow, part), 0, 0.0)
    d, d_exp = _integer(real.den)
    h, h_exp = _integer(head)
    t, t_exp = _integer(tail)
    scale = abs(real.scale)
    exact = scale == 0
    if exact:
        radius, r_exp = 0, t_exp
    else:
        radius, r_exp = 1, _magnitude(scale) - error_bits
    if h != 0 and not exact:
        # A tail far below every bit that a midpoint of the format could have beside the head is only a sign.
        quantum = max(_magnitude(head) - _magnitude(real.den) - 1, fmt.emin) - fmt.precision - 2
        floor = min(h_exp, quantum + d_exp) - _FAR
        if _magnitude(scale) + 1 < floor:
            if t == 0 or _magnitude(tail) <= r_exp + 1:
                return None  # not even the sign is known
            t, t_exp, radius = (1 if t > 0 else -1), floor - 2, 0
    exponent = min(x for x, m in ((h_exp, h), (t_exp, t), (r_exp, radius)) if m) if (h or t or radius) else 0
    middle = (h << (h_exp - exponent) if h else 0) + (t << (t_exp - exponent) if t else 0)
    m, q = round_fraction(middle, d, exponent - d_exp, fmt)
    if radius:
        width = 1 << (r_exp - exponent)
        low = round_fraction(middle - width, d, exponent - d_exp, fmt)
        high = round_fraction(middle + width, d, exponent - d_exp, fmt)
        if low != high or (m, q) != low or (m == 0 and abs(middle) <= width):
            return None  # a zero has the sign of what it stands for
        if r_exp - _magnitude(real.den) + 1 - q > -TAIL_BITS:
            return None
    if m == 0 and middle != 0:
        return Rounded(signed_zero(middle), q, tail_in_ulps(middle, d, exponent - d_exp, 0, q))
    return finish(m, q, fmt, tail_in_ulps(middle, d, exponent - d_exp, m, q))
