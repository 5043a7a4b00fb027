"""exp and log1p of float64 lanes as pairs good to about 2^-56, far within the 1.0 ulp that a result may err.

Like `elementary` on pairs, but for lanes instead of pairs as arguments, away from subnormal results, and with one
division where that has three.
"""

from __future__ import annotations

from . import coefficients as c
from .elementary import expm1_full, reduced
from .lanes import Lane, fused, polynomial, quick_sum, where
from .pair import Pair

#: exp is normal, and its low part not lost, down to here; products with `FACTORS` down to `LOWEST_WEIGHTED`
LOWEST, LOWEST_WEIGHTED = -660.0, -600.0
FACTORS = 2.0**-60, 2.0**60


def exp(x: Lane) -> Pair:
    """Return exp(x) for `LOWEST` <= x <= 0: x = k ln 2 + r, and exp(x) = 2^k (1 + r + r^2 P(r)), |r| <= ln(2)/2."""
    k, power, _ = x.trace.octaves(x)
    return _raised(power, *_expm1(x, k))


def exp_pair(x: Pair, *, full: bool) -> Pair:
    """Return exp(x) for `LOWEST` <= x <= 0, to 2^-83 where `full`."""
    k, power, _ = x.high.trace.octaves(x.high)
    if not full:
        return _raised(power, *_expm1(x.high, k, x.low))
    less = expm1_full(reduced(x.high, x.low, k))
    high, low = quick_sum(1.0, less.high)
    return Pair(high * power, (low + less.low) * power)


def _expm1(x: Lane, k: Lane, more: Lane | None = None) -> tuple[Lane, Lane]:
    """Return (r, rest), x = k ln 2 + r but for what r lacks, with 1 + r + rest = exp(x) / 2^k; more: the rest of x."""
    first, second, _ = c.LN2
    t = fused(k, -first, x)  # exact
    if more is None:
        r = fused(k, -second, t)
        low = fused(k, -second, t - r)
    else:
        r, low = quick_sum(t, fused(k, -second, more))
    return r, fused(r * r, polynomial(c.EXP_PAIR, r), fused(low, r, low))


def _raised(power: Lane, r: Lane, rest: Lane) -> Pair:
    """Return 2^k (1 + r + rest), all of it; rest: small beside r, or r is small beside 1."""
    high = fused(power, r + rest, power)
    return Pair(high, fused(power, rest, fused(power, r, power - high)))


def logistic(m: Lane) -> tuple[Pair, Pair]:
    """Return 1/(1 + exp(m)), not normalized, and exp(m), for |m| <= -`LOWEST`.

    With exp(m) = 2^k (1 + w), as above, the sum is 1 + 2^k and 2^k w, which is at most half of that.
    """
    k, power, _ = m.trace.octaves(m)
    r, rest = _expm1(m, k)
    large = power > 1.0
    base, lost = quick_sum(where(large, power, 1.0), where(large, 1.0, power))
    total = fused(power, r + rest, base)
    left = fused(power, rest, fused(power, r, base - total)) + lost
    inverse = 1.0 / total
    share = Pair(inverse, fused(-inverse, left, fused(-inverse, total, 1.0)) * inverse)
    return share, _raised(power, r, rest)


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
