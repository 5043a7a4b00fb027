"""exp and log1p of lanes and of pairs, from polynomials whose bounds stand in `coefficients`.

Errors, relative to the exact result: lanes 2^-43 in a kernel (2^-32 where said so) and that of NumPy's own
functions on arrays; pairs 2^-55 (2^-83 for exp and log1p where `full`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import coefficients as c
from . import lanes, pair
from .lanes import (
    Lane,
    fused,
    nearest,
    polynomial,
    quick_sum,
    split_exponent,
    traced,
    two_prod,
    where,
)
from .pair import Number, Pair, as_pair, rounded

#: lanes: below it exp is zero in every dtype of at most 32 bits, and still normal here
_LOWEST_LANE = -708.0
#: pairs: below it no sum of exps reaches a subnormal float64
_LOWEST_PAIR = -1400.0
#: down to it 2^k times a number of moderate size is normal
_LOWEST_STEP = -900.0
#: the tail of a full exp is a lane polynomial from this term on
_TERMS = 9
_INVERSE_FACTORIALS = {
    n: Pair(*parts)
    for n, parts in {
        2: (0.5, 0.0),
        3: c.INVERSE_FACTORIAL_3,
        4: c.INVERSE_FACTORIAL_4,
        5: c.INVERSE_FACTORIAL_5,
        6: c.INVERSE_FACTORIAL_6,
        7: c.INVERSE_FACTORIAL_7,
        8: c.INVERSE_FACTORIAL_8,
    }.items()
}


class Small:
    """digits 2^exponent: a number whose scale is applied last, so that a subnormal result is rounded once.

    exponent: a lane, or None when the digits are the number itself.
    """

    __slots__ = ("digits", "exponent")

    def __init__(self, digits: Number, exponent: Lane | None = None) -> None:
        """Take digits of moderate size and the exponent."""
        self.digits, self.exponent = digits, exponent

    def times(self, factor: Number) -> Number:
        """Return the number times a factor, a pair not normalized."""
        if self.exponent is None and isinstance(self.digits, Pair) and isinstance(factor, Pair):
            return pair.product(self.digits, factor)
        product = self.digits * factor
        return product if self.exponent is None else _scaled(product, self.exponent)

    @property
    def value(self) -> Number:
        """The number; digits below the smallest subnormal are lost."""
        return self.digits if self.exponent is None else _scaled(self.digits, self.exponent)

    @property
    def coarse(self) -> Number:
        """The number as a term of a sum above 2^-900: something as small where it is below 2^-1020."""
        return self.digits if self.exponent is None else pair.coarse(self.digits, self.exponent)


def _scaled(x: Number, k: Lane) -> Number:
    """Return x 2^k, each part rounded once; a kernel makes two steps of it only where one is not enough."""
    if not isinstance(x, Pair) or not traced(k):
        return pair.scaled(x, k)
    trace = traced(k)

    def at_once() -> tuple[Lane, Lane]:
        power = trace.power(k)
        return x.high * power, x.low * power

    def in_steps() -> tuple[Lane, Lane]:
        return trace.scaled(x.high, k), trace.scaled(x.low, k)

    return Pair(*lanes.rarely(k < _LOWEST_STEP, in_steps, at_once))


class Exp(Small):
    """exp(x) for a number x <= 0, and exp(x) - 1 without cancellation."""

    __slots__ = ("minus_one",)

    def __init__(self, digits: Number, exponent: Lane | None, minus_one: Number) -> None:
        """Take exp(x) as digits and exponent, and exp(x) - 1."""
        super().__init__(digits, exponent)
        self.minus_one = minus_one


def exp(x: Number, *, full: bool = False) -> Exp:
    """Return exp(x), x <= 0 (NaN stays NaN).

    full: 2^-83 instead of 2^-55 for pairs, 2^-45 instead of 2^-34 for lanes of a kernel.
    """
    if isinstance(x, Pair):
        return _exp_pair(x, full)
    if not traced(x):
        return Exp(np.exp(x), None, np.expm1(x))
    x = where(x < _LOWEST_LANE, _LOWEST_LANE, x)
    k = nearest(x, c.LOG2_E)
    r = fused(k, -c.LN2_PAIR[0], x)
    tail = c.EXP_LANE if full else c.EXP_SHORT
    digits = polynomial((1.0, 1.0, *tail), r)
    less = polynomial((0.0, 1.0, *tail), r)
    trace = traced(x)
    return Exp(trace.raised(digits, k), None, where(k == 0.0, less, trace.raised(digits, k) - 1.0))


def exp_apart(x: Number) -> Small:
    """Return exp(x) with an exponent of its own, x <= 0, to 2^-83 for pairs, 2^-45 for lanes of a kernel."""
    if isinstance(x, Pair):
        return exp(x, full=True)
    x = where(x < _LOWEST_PAIR, _LOWEST_PAIR, x)
    k = nearest(x, c.LOG2_E)
    r = fused(k, -c.LN2[1], fused(k, -c.LN2[0], x))
    return Small(polynomial((1.0, 1.0, *c.EXP_LANE), r) if traced(x) else np.exp(r), k)


def exp_near(x: Lane, *, closer: bool = False) -> tuple[Lane, Lane, Any]:
    """Return (d, 2^k) of a kernel's lanes with d 2^k = exp(x), |x| < 709, and what says that it was.

    To 2^-28.9, or 2^-34 where `closer`. What says so is `trace.OCTAVES` and a number of 11 bits; something else where
    x is outside.
    """
    k, power, bits = x.trace.octaves(x)
    terms = (1.0, 1.0, *c.EXP_SHORT) if closer else c.EXP_NEAR
    return polynomial(terms, fused(k, -c.LN2_PAIR[0], x)), power, bits


def reduced(high: Lane, low: Lane, k: Lane) -> Pair:
    """Return r with high + low = k ln 2 + r, for k nearest to high log2(e)."""
    first, second, third = c.LN2
    # k first is exact and so is the difference: it is at most 0.35 from x, and both end at 2^-42 or above.
    p, e = two_prod(k, -second)
    s, t = quick_sum(fused(k, -first, high), p)  # the second is smaller than the first, or than 2^-33
    return Pair(*quick_sum(s, t + (e + fused(k, -third, low))))


def expm1_full(r: Pair) -> Pair:
    """Return exp(r) - 1, |r| <= ln(2)/2, with an error of 2^-83 of exp(r); not normalized."""
    tail = Pair(polynomial(c.EXP_FULL, r.high) * r.high, 0.0)
    for n in range(_TERMS - 1, 1, -1):
        # 1/n! is larger than what follows, and low parts may stay a few ulps of the high ones until the end.
        factor = _INVERSE_FACTORIALS[n]
        s, e = quick_sum(factor.high, tail.high)
        low = e + (factor.low + tail.low)
        if n > 2:
            p, e = two_prod(r.high, s)
            s, low = p, fused(r.high, low, fused(r.low, s, e))
        tail = Pair(s, low)
    more = pair.product(pair.product(r, r), tail)
    s, e = quick_sum(r.high, more.high)
    return Pair(s, e + (r.low + more.low))


def _exp_pair(x: Pair, full: bool) -> Exp:
    under = x.high < _LOWEST_PAIR
    high, low = where(under, _LOWEST_PAIR, x.high), where(under, 0.0, x.low)
    if full:
        k = nearest(high, c.LOG2_E)
        less = expm1_full(reduced(high, low, k))
        one = less + 1.0
    else:
        # As in `expm1_full`, with what is below 2^-57 left out. r^2 P(r) is 0.06 at most, so a lane holds it to 2^-57.
        k = nearest(high, c.LOG2_E)
        first, second, _ = c.LN2
        p = k * second
        t = fused(k, -first, high)
        s = t - p
        r = Pair(*quick_sum(s, ((t - s) - p) + low))
        rest = fused(r.high * r.high, polynomial(c.EXP_PAIR, r.high), r.low)
        less = Pair(*quick_sum(r.high, rest))
        top, left = quick_sum(1.0, r.high)
        one = Pair(*quick_sum(top, left + rest))
    unit = lanes.coarse(1.0 + 0.0 * k, k)
    minus_one = pair.where(k == 0.0, less, (Pair(unit, 0.0) - 1.0) + Pair(unit * less.high, unit * less.low))
    return Exp(one, k, minus_one)


def log1p_of(u: Exp, factor: Number | None = None) -> Number:
    """Return `log1p_small` as one number."""
    return log1p_small(u, factor).value


def log1p_small(u: Exp, factor: Number | None = None) -> Small:
    """Return log(1 + u), times a factor, for u = exp(x) in [0, 1], with the exponent of u.

    No form adds to it what could cancel it, so lanes of a kernel are good to 2^-32, 1/256 ulp of a float32.
    """
    if not isinstance(u.digits, Pair) and not traced(u.digits):
        loss = np.log1p(u.digits)
        return Small(loss if factor is None else loss * factor)
    value = u.coarse
    if isinstance(value, Pair):
        inverse = 2.0 / (value + 2.0)
        s = value.high / (value.high + 2.0)
        t = s * s
        ratio = inverse + inverse * (t * fused(t, polynomial(c.LOG_PAIR, t), c.THIRD[0]))
    else:
        ratio = polynomial((1.0, *c.LOG_SHORT), value)  # without a division, which takes longer
    return Small(u.digits * (ratio if factor is None else ratio * factor), u.exponent)


def log1p(x: Number, factor: Number | None = None) -> Number:
    """Return log(1 + x), times a factor, for x > -1."""
    if not isinstance(x, Pair) and not traced(x):
        loss = np.log1p(x)
        return loss if factor is None else loss * factor
    return log_beside(x + 1.0, x, factor)


def log_beside(total: Number, x: Number, factor: Number | None = None, *, normal: bool = False) -> Number:
    """Return log(total), times a factor, for total = 1 + x > 0; x has the digits that a total near 1 has not.

    normal: the total is a normal number.
    """
    m, e = split_exponent(pair.high(total), normal=normal)
    near = e == 0.0
    if isinstance(total, Pair):
        fraction: Number = pair.where(near, x, pair.scaled(total, where(near, 0.0, -e)) - 1.0)
    else:
        fraction = where(near, x, m - 1.0)
    return _log(fraction, e, factor)


def log(x: Lane, factor: Number | None = None, *, wide: bool, normal: bool = False) -> Number:
    """Return log(x), times a factor, for a lane x > 0; as a Pair where `wide`. normal: x is a normal number."""
    if not wide and not traced(x):
        loss = np.log(x)
        return loss if factor is None else loss * factor
    m, e = split_exponent(x, normal=normal)
    return _log(as_pair(m) - 1.0 if wide else m - 1.0, e, factor)


def _log(fraction: Number, e: Lane, factor: Number | None) -> Number:
    """Return factor (log(1 + fraction) + e ln 2), |fraction| about sqrt(2) - 1 at most.

    The logarithm is the fraction times a ratio near 1, so a subnormal fraction keeps its digits.
    """
    if isinstance(fraction, Pair):
        inverse = 2.0 / (fraction + 2.0)
        s = fraction.high / (fraction.high + 2.0)
        t = s * s
        ratio: Number = inverse + inverse * (t * fused(t, polynomial(c.LOG_NEAR, t), c.THIRD[0]))
        ln2: Number = Pair(*c.LN2_PAIR)
    else:
        half = 1.0 / (fraction + 2.0)
        s = fraction * half
        t = s * s
        ratio = (half + half) * fused(t, polynomial(c.LOG_LANE, t), 1.0)
        ln2 = c.LN2_PAIR[0]
    if factor is not None:
        ratio, ln2 = ratio * factor, ln2 * factor
    return fraction * ratio + ln2 * e


def log1p_full(x: Pair) -> Pair:
    """Return log(1 + x) for a Pair x >= 0 with a relative error of 2^-80: one Newton step from `log1p`.

    With y = log1p(x) rounded, (1 + x) exp(-y) - 1 = x (1 + d) + d, d = expm1(-y), is about 2^-53 and loses
    its leading digits only; what is left is good to 2^-83 x.
    """
    y = rounded(log1p(x))
    d = exp(as_pair(-y), full=True).minus_one
    rest = x + (d + x * d)
    log: Pair = (rest - rest * rest.halved()) + y
    return log
