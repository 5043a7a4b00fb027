"""One exact rounding from integers of what the second oracle gives: a ball, or a limit with its side.

Ziv's test: both ends of the ball must round to the same number in units of the same ulp.
"""

from __future__ import annotations

import math
from typing import Any

from lossbench.reference.formats import Format
from lossbench.reference.limits import Limit
from lossbench.reference.rounding import Rounded, finish, round_fraction, signed_zero, tail_in_ulps

#: A ball is accepted when it also pins the tail to within 2^-32 ulps.
TAIL_BITS = 32
#: A perturbation of 2^-_SIDE / denominator is smaller than the distance of a fraction to any midpoint.
_SIDE = 2400


def round_ball(ball: Any, fmt: Format) -> tuple[Rounded, float] | None:
    """The rounded value and the radius of its tail in ulps, or None when the ball does not decide them."""
    if not ball.is_finite():
        return None
    mid, mid_exp = map(int, ball.mid().man_exp())
    rad, rad_exp = map(int, ball.rad().man_exp())
    if rad:
        e = min(mid_exp, rad_exp)
        middle, radius = mid << (mid_exp - e), rad << (rad_exp - e)
    else:
        e, middle, radius = mid_exp, mid, 0
    size = abs(middle)
    bits = size.bit_length()
    if radius >= size:
        # a zero has the sign of what it stands for, which a ball around zero does not know
        return None if radius else (Rounded(0.0, fmt.emin - fmt.precision + 1, 0.0), 0.0)
    log2 = bits - 1 + e
    q = max(log2, fmt.emin) - fmt.precision + 1
    if log2 > fmt.emin and size - radius < 1 << (bits - 1):
        return None  # the ball reaches into the binade below
    if log2 >= fmt.emin and (size + radius).bit_length() > bits:
        return None  # or above
    drop = q - e
    if drop < 2:  # a number of few bits, known exactly or not at all
        if radius:
            return None
        size, drop = size << (2 - drop), 2
    m = size >> drop
    rest = size - (m << drop)
    half = 1 << (drop - 1)
    if radius:
        if -radius <= rest - half <= radius:
            return None
        m += rest > half
    elif rest > half or (rest == half and m & 1):
        m += 1
    unit = 1 << drop
    if radius << TAIL_BITS > unit:
        return None
    in_ulps = radius / unit
    tail = (size - (m << drop)) / unit
    if middle < 0:
        m, tail = -m, -tail
    if m == 0:
        return Rounded(signed_zero(middle), q, tail), in_ulps
    return finish(m, q, fmt, tail), in_ulps


def round_limit(limit: Limit, fmt: Format) -> Rounded:
    """The rounded value of a fraction, or of a number that lies beside it on a known side."""
    if isinstance(limit.value, float):
        value = math.copysign(fmt.overflow, limit.value) if math.isinf(limit.value) else limit.value
        return Rounded(value, 0, 0.0)
    n, d = int(limit.value.p), int(limit.value.q)
    if limit.sign == 0:
        m, q = round_fraction(n, d, 0, fmt)
    elif d.bit_length() > _SIDE:
        raise ArithmeticError(f"a denominator of {d.bit_length()} bits is beyond what limits are proved for")
    else:
        m, q = round_fraction((n << _SIDE) + limit.sign, d << _SIDE, 0, fmt)
    tail = tail_in_ulps(n, d, 0, m, q)
    if m == 0:
        return Rounded(signed_zero(n or limit.sign), q, tail)
    return finish(m, q, fmt, tail)
