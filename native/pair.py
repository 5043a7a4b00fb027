"""Numbers of about 106 bits: an unevaluated sum of two float64 lanes (double-double arithmetic).

Errors relative to the exact result, for finite lanes far from overflow and underflow (Joldes, Muller, Popescu
2017): product 2^-103, quotient 2^-100; a sum loses at most 2^-104 of |a| + |b|. Infinities and NaN are not kept
apart: whoever has them computes once more in plain float64 and takes that where a pair is not finite.
"""

from __future__ import annotations

from typing import Any

from . import lanes
from .lanes import Lane, Mask, fused, quick_sum, two_prod, two_sum

#: a lane, a float or a Pair
Number = Any


class Pair:
    """high + low, with |low| at most half an ulp of high, or a few ulps where it is said not to be normalized."""

    __slots__ = ("high", "low")
    #: NumPy arrays leave mixed operations to this class
    __array_ufunc__ = None

    def __init__(self, high: Lane, low: Lane) -> None:
        """Take two lanes that are normalized already."""
        self.high, self.low = high, low

    def __neg__(self) -> Pair:
        """Return the number with the other sign."""
        return Pair(-self.high, -self.low)

    def __add__(self, other: Number) -> Pair:
        """Return the sum with a Pair or a lane."""
        if isinstance(other, Pair):
            s, e = two_sum(self.high, other.high)
            return Pair(*quick_sum(s, e + (self.low + other.low)))
        s, e = two_sum(self.high, other)
        return Pair(*quick_sum(s, e + self.low))

    __radd__ = __add__

    def __sub__(self, other: Number) -> Pair:
        """Return the difference."""
        difference: Pair = self + (-other)
        return difference

    def __rsub__(self, other: Lane) -> Pair:
        """Return the difference."""
        difference: Pair = (-self) + other
        return difference

    def __mul__(self, other: Number) -> Pair:
        """Return the product with a Pair or a lane."""
        if isinstance(other, Pair):
            p, e = two_prod(self.high, other.high)
            return Pair(*quick_sum(p, e + fused(self.high, other.low, self.low * other.high)))
        p, e = two_prod(self.high, other)
        return Pair(*quick_sum(p, fused(self.low, other, e)))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Pair:
        """Return the quotient by a Pair or a lane."""
        other = as_pair(other)
        q = self.high / other.high
        p, e = two_prod(q, other.high)
        rest = ((self.high - p) - e) + (self.low - q * other.low)
        return Pair(*quick_sum(q, rest / other.high))

    def __rtruediv__(self, other: Lane) -> Pair:
        """Return the quotient of a lane by this number."""
        return as_pair(other) / self

    def __lt__(self, other: float) -> Mask:
        """Compare with a lane that is no nearer than the low part: 0, or another power of two."""
        return self.high < other

    def __gt__(self, other: float) -> Mask:
        """Compare as `__lt__` does."""
        return self.high > other

    def __ge__(self, other: float) -> Mask:
        """Compare as `__lt__` does."""
        return self.high >= other

    def halved(self) -> Pair:
        """Return half of the number, exact above the subnormal numbers."""
        return Pair(0.5 * self.high, 0.5 * self.low)


def as_pair(x: Number) -> Pair:
    """Return a lane as a Pair; a Pair as it is."""
    return x if isinstance(x, Pair) else Pair(x, 0.0)


def high(x: Number) -> Lane:
    """Return the leading lane of a number."""
    return x.high if isinstance(x, Pair) else x


def rounded(x: Number) -> Lane:
    """Return a number as one float64 lane, rounded to nearest."""
    if isinstance(x, Product) and x.nearest is not None:
        return x.nearest
    return x.high + x.low if isinstance(x, Pair) else x


def is_zero(x: Number) -> Mask:
    """Return where a number is exactly zero."""
    return high(x) == 0.0


def where(mask: Mask, a: Number, b: Number) -> Number:
    """Return a where the mask holds, b elsewhere, for numbers of either kind; False is a mask that never holds."""
    if mask is False:
        return b
    if isinstance(a, Pair) or isinstance(b, Pair):
        a, b = as_pair(a), as_pair(b)
        return Pair(lanes.where(mask, a.high, b.high), lanes.where(mask, a.low, b.low))
    return lanes.where(mask, a, b)


def size(x: Number) -> Number:
    """Return |x|."""
    return where(x.high < 0.0, -x, x) if isinstance(x, Pair) else lanes.size(x)


def scaled(x: Number, k: Lane) -> Number:
    """Return x 2^k, each part rounded once."""
    return Pair(lanes.scaled(x.high, k), lanes.scaled(x.low, k)) if isinstance(x, Pair) else lanes.scaled(x, k)


def coarse(x: Number, k: Lane) -> Number:
    """Return x 2^k, or something as small where that is below 2^-1020."""
    return Pair(lanes.coarse(x.high, k), lanes.coarse(x.low, k)) if isinstance(x, Pair) else lanes.coarse(x, k)


class Product(Pair):
    """A product that has been computed last. nearest: as one lane, which takes less than to round the pair.

    None on NumPy, which fuses nothing. What is made of the product has no such lane.
    """

    __slots__ = ("nearest",)

    def __init__(self, high: Lane, low: Lane, nearest: Lane | None) -> None:
        """Take the pair, which need not be normalized, and the lane."""
        super().__init__(high, low)
        self.nearest = nearest


def product(a: Pair, b: Pair) -> Product:
    """Return a b, not normalized; a factor need not be, as long as its low part is small."""
    high, low = two_prod(a.high, b.high)
    nearest = fused(a.high, b.high, fused(a.high, b.low, a.low * b.high)) if lanes.traced(a.high, b.high) else None
    return Product(high, fused(a.low, b.high, fused(a.high, b.low, low)), nearest)


def accumulated(total: Number, x: Number) -> Number:
    """Return total + x of a running sum; a Pair's low part gathers what is left over until `settled`.

    It stays below n 2^-53 of a sum of n terms of one sign, so that it loses n 2^-106 of it at most.
    """
    if not isinstance(total, Pair):
        return total + x
    return _carried(total, x, *two_sum(total.high, high(x)))


def grown(total: Number, x: Number) -> Number:
    """Return `accumulated(total, x)` of numbers that are not negative, which is less effort."""
    if not isinstance(total, Pair):
        return total + x
    less = total.high < high(x)
    larger, smaller = lanes.where(less, high(x), total.high), lanes.where(less, total.high, high(x))
    return _carried(total, x, *quick_sum(larger, smaller))


def _carried(total: Pair, x: Number, s: Lane, e: Lane) -> Pair:
    return Pair(s, total.low + (e + x.low if isinstance(x, Pair) else e))


def settled(total: Number) -> Number:
    """Return a running sum as a normalized number."""
    return Pair(*quick_sum(total.high, total.low)) if isinstance(total, Pair) else total


def exact_sum(a: Lane, b: Lane) -> Pair:
    """Return a + b exactly."""
    return Pair(*two_sum(a, b))


def gap(z: Lane, m: Lane) -> Pair:
    """Return z - m exactly, z <= m: of z and -m, the smaller one is at least as large in size as the other."""
    less = z < -m
    return Pair(*quick_sum(lanes.where(less, z, -m), lanes.where(less, -m, z)))
