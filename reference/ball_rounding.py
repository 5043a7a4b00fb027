"""One exact rounding from integers of what the second oracle gives: a ball, or a limit with its side.

Ziv's test: both ends of the ball must round to the same number in units of the same ulp.
"""

from __future__ import annotations

import math
from typing import Any

from lossbench.reference.formats import Format
from lossbench.reference.limits import Limit
from lossbench.reference.rounding import Rounded, finish, round_fraction, tail_in_ulps

#: A ball is accepted when it also pins the tail to within this many ulps.
TAIL_RADIUS = 2.0**-32
#: A ball around zero that lies within 2^_NOTHING is a zero of every format.
_NOTHING = -2000
#: A perturbation of 2^-_SIDE / denominator is smaller than the distance of a fraction to any midpoint.
_SIDE = 2400


def round_dyadic(n: int, e: int, fmt: Format) -> tuple[int, int]:
    """Round n * 2^e to (m, q): m * 2^q is nearest, q the exponent of ulp(n * 2^e), ties to even."""
    size = abs(n)
    bits = size.bit_length()
    q = max(bits - 1 + e if n else fmt.emin, fmt.emin) - fmt.precision + 1
    drop = q - e
    if drop <= 0:
        m = size << -drop
    elif drop > bits + 1:
        m = 0
    else:
        m = size >> drop
        rest = size - (m << drop)
        half = 1 << (drop - 1)
        if rest > half or (rest == half and m & 1):
            m += 1
    return (-m if n < 0 else m), q


def round_ball(ball: Any, fmt: Format) -> tuple[Rounded, float] | None:
    """The rounded value and the radius of its tail in ulps, or None when the ball does not decide them."""
    if not ball.is_finite():
        return None
    mid, mid_exp = map(int, ball.mid().man_exp())
    rad, rad_exp = map(int, ball.rad().man_exp())
    e = min(mid_exp, rad_exp) if rad else mid_exp
    middle, radius = mid << (mid_exp - e), rad << (rad_exp - e) if rad else 0
    low, high = middle - radius, middle + radius
    if radius and low <= 0 <= high:
        if max(-low, high).bit_length() + e > _NOTHING:
            return None
        return Rounded(math.copysign(0.0, middle), fmt.emin - fmt.precision + 1, 0.0), 0.0
    m, q = round_dyadic(low, e, fmt)
    if radius and (m, q) != round_dyadic(high, e, fmt):
        return None
    shift = e - q
    if shift >= 0:
        tail, in_ulps = float((middle << shift) - m), float(radius << shift)
    else:
        unit = 1 << -shift
        tail, in_ulps = (middle - (m << -shift)) / unit, radius / unit
    if in_ulps > TAIL_RADIUS:
        return None
    if m == 0 and middle:
        return Rounded(math.copysign(0.0, middle), q, tail), in_ulps
    return finish(m, q, fmt, tail), in_ulps


def round_limit(limit: Limit, fmt: Format) -> Rounded:
    """The rounded value of a fraction, or of a number that lies beside it on a known side."""
    if isinstance(limit.value, float):
        value = math.copysign(fmt.overflow, limit.value) if math.isinf(limit.value) else limit.value
        return Rounded(value, 0, 0.0)
    n, d = int(limit.value.p), int(limit.value.q)
    if d.bit_length() > _SIDE:
        raise ArithmeticError(f"a denominator of {d.bit_length()} bits is beyond what limits are proved for")
    m, q = round_fraction((n << _SIDE) + limit.sign, d << _SIDE, 0, fmt)
    tail = tail_in_ulps(n, d, 0, m, q)
    if m == 0:
        return Rounded(math.copysign(0.0, n or limit.sign or 1), q, tail)
    return finish(m, q, fmt, tail)
