"""exp and log1p of float32 lanes in float32 arithmetic, twice as many lanes to a register as float64 has.

A result is a `Pair` of float32, an unevaluated sum (float-float arithmetic) with a relative error below 2^-31: what
is rounded away is taken up again by a fused multiply-add or by a difference that is exact. Both functions look up a
table of eight, as Tang (1989, 1990) does, so that what is left for a polynomial is small beside the result.
"""

from __future__ import annotations

from . import coefficients as c
from .lanes import Lane, fused, horner, quick_sum, two_prod
from .pair import Pair

#: adding it to a float32 rounds to an integer, whose bits are then the lowest of the sum
_MAGIC = 1.5 * 2.0**23
#: 8 times the bias of a float32's exponent: makes of k, in eighths of an octave, that exponent
_BIAS = 8 * 127.0
#: bits of an exponent
_EXPONENT = 0xFF800000
#: the fractions of `POWERS` alone, with an exponent field of 0: 2^(k/8) is one of them beside the exponent
_FRACTIONS = tuple((power - 1.0) * 2.0**-126 for power in c.POWERS)
#: exp is normal, and its low part not lost, down to here; products with `FACTORS` down to `LOWEST_WEIGHTED`
LOWEST, LOWEST_WEIGHTED = -80.0, -60.0
FACTORS = 2.0**-30, 2.0**30


def exp(x: Lane) -> Pair:
    """Return exp(x) for `LOWEST` <= x <= 0.

    x = k ln(2)/8 + r, and exp(x) = T (1 + r + r^2 P(r)), T = 2^(k/8), |r| <= ln(2)/16. T (1 + r) is rounded to the high
    part, and what that leaves, the rest of T, and k times the rest of ln(2)/8 go to the low part.
    """
    trace = x.trace
    shifted = fused(x, c.EIGHTHS, _MAGIC + _BIAS)
    k = shifted - (_MAGIC + _BIAS)
    r = fused(k, -c.EIGHTH[0], x)
    b, bits = trace.builder, trace.bits(shifted)
    octave = b.and_(b.shl(bits, trace.integer(20, bits.type)), trace.integer(_EXPONENT, bits.type))
    fraction, rest = (trace.looked_up(table, bits) for table in (_FRACTIONS, c.POWERS_REST))
    t = trace.of_bits(b.or_(octave, trace.bits(fraction)))
    high = fused(t, r, t)
    left = fused(t, r, t - high)
    low = fused(t, (r * r) * horner(c.EXP_SINGLE, r), fused(high, fused(k, -c.EIGHTH[1], rest), left))
    return Pair(*quick_sum(high, low))


def logistic(m: Lane) -> tuple[Pair, Pair]:
    """Return 1/(1 + exp(m)), not normalized, and exp(m), for |m| <= -`LOWEST`."""
    power = exp(m)
    trace = m.trace
    large = power.high > 1.0
    total, left = quick_sum(trace.where(large, power.high, 1.0), trace.where(large, 1.0, power.high))
    inverse = 1.0 / total
    rest = fused(-inverse, left + power.low, fused(-inverse, total, 1.0))
    return Pair(inverse, rest * inverse), power


def log1p(u: Pair) -> Pair:
    """Return log(1 + u) for u in [0, 1], high part first, not normalized.

    With c near 1/(1 + u), 1 + s = (1 + u) c, it is -log c + s - s^2/2 + s^3 P(s). The table's c are 1, whose logarithm
    is 0, and such that log c is all but a float32; u c + (c - 1) is exact.
    """
    trace = u.high.trace
    index = trace.bits(fused(u.high, 7.0, _MAGIC))
    inverse, start = (trace.looked_up(table, index) for table in (c.INVERSES, c.LOGARITHMS))
    product, lost = two_prod(u.high, inverse)
    s = product + (inverse - 1.0)
    rest = fused(u.low, inverse, lost)
    half = s * -0.5
    log = fused(half, s, s)
    square = fused(half, s, s - log)
    low = fused((half * s) * s, horner(c.LOG_SINGLE, s), square) + fused(-s, rest, rest)
    high, left = quick_sum(start, log)
    return Pair(high, left + low)
