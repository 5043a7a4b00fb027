"""exp and log1p of float64 lanes as pairs good to about 2^-56, far within the 1.0 ulp that a result may err.

Like `elementary` on pairs, but for lanes instead of pairs as arguments, away from subnormal results, and with one
division where that has three.
"""

from __future__ import annotations

from . import coefficients as c
from .lanes import Lane, fused, nearest, polynomial, quick_sum
from .pair import Pair

#: exp is normal, and its low part not lost, down to here; products with `FACTORS` down to `LOWEST_WEIGHTED`
LOWEST, LOWEST_WEIGHTED = -660.0, -600.0
FACTORS = 2.0**-60, 2.0**60


def exp(x: Lane) -> Pair:
    """Return exp(x) for `LOWEST` <= x <= 0: x = k ln 2 + r, and exp(x) = 2^k (1 + r + r^2 P(r)), |r| <= ln(2)/2."""
    k = nearest(x, c.LOG2_E)
    first, second, _ = c.LN2
    p = k * second
    t = fused(k, -first, x)  # exact
    r = t - p
    low = (t - r) - p
    rest = fused(r * r, polynomial(c.EXP_PAIR, r), fused(low, r, low))
    top, left = quick_sum(1.0, r)
    high, low = quick_sum(top, left + rest)
    power = x.trace.power(k)
    return Pair(high * power, low * power)


def log1p(u: Pair) -> Pair:
    """Return log(1 + u) = 2 atanh(u / (2 + u)) for u in [0, 1], not normalized.

    atanh(s) = s + s^3 (1/3 + s^2 P(s^2)); what the quotient lacks goes to the low part.
    """
    total, left = quick_sum(2.0, u.high)
    inverse = 1.0 / total
    s = u.high * inverse
    lost = fused(-s, left + u.low, fused(-s, total, u.high) + u.low) * inverse
    t = s * s
    rest = fused(s * t, fused(t, polynomial(c.LOG_PAIR, t), c.THIRD[0]), fused(lost, t, lost))
    return Pair(s + s, rest + rest)
