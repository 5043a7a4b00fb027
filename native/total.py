"""Sums over cases in pairs of float64, fed block by block, and what they are divided by."""

from __future__ import annotations

import math

import numpy as np

from . import pair
from .pair import Pair
from .rounding import F64

#: values at or above this are summed apart, scaled down by 2^64: a mean cannot overflow on its way
_HUGE = 2.0**960


#: a positive number as the quotient of two integers
Ratio = tuple[int, int]


def ratio(x: Pair) -> Ratio:
    """Return a pair exactly. Raises OverflowError for infinity."""
    (a, b), (c, d) = float(x.high).as_integer_ratio(), float(x.low).as_integer_ratio()
    return a * d + c * b, b * d


def quotient(x: float, divisor: Ratio) -> Pair:
    """Return x / divisor as a pair, each part rounded once. Raises OverflowError where that is no float64."""
    (a, b), (c, d) = x.as_integer_ratio(), divisor
    top, bottom = a * d, b * c
    high = top / bottom  # integers: Python rounds their quotient once
    e, f = high.as_integer_ratio()
    return Pair(np.float64(high), np.float64((top * f - e * bottom) / (bottom * f)))


def reduced(high: F64, low: F64, divisor: Ratio, *, exact: bool) -> float | None:
    """Return the sum of some pairs over a divisor; None where the sum is not finite.

    exact: rounded once; else as good as a float64 of a narrower format's result must be.
    """
    parts = [*high.tolist(), *low.tolist()]
    try:
        total = math.fsum(parts)
        rest = math.fsum([*parts, -total]) if exact else 0.0
    except (OverflowError, ValueError):
        return None  # a sum on the way, or infinities of both signs
    if not math.isfinite(total):
        return None
    above, below = divisor
    (a, b), (c, d) = total.as_integer_ratio(), rest.as_integer_ratio()
    try:
        return (a * d + c * b) * below / (b * d * above) if exact or below != 1 else total / above
    except OverflowError:
        return None


def over_cases(x: Pair) -> Pair:
    """Return the sum over axis 0, by halving: its order depends on the number of cases only."""
    high, low = x.high, x.low
    while len(high) > 1:
        half = len(high) // 2
        rest = high[2 * half :], low[2 * half :]
        folded = Pair(high[:half], low[:half]) + Pair(high[half : 2 * half], low[half : 2 * half])
        high = np.concatenate([folded.high, rest[0]])
        low = np.concatenate([folded.low, rest[1]])
    return Pair(high[0], low[0])


class Total:
    """Sum over cases. It overflows only if the exact sum does; its mean then still does not."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Start at 0; shape: what is left when the cases are summed."""
        self._sum = Pair(np.zeros(shape), np.zeros(shape))
        self._huge = Pair(np.zeros(shape), np.zeros(shape))
        #: what pairs cannot hold: infinities and NaN
        self._plain: F64 = np.zeros(shape)

    def add(self, values: Pair) -> None:
        """Add the cases of one block, along axis 0."""
        high, low = values.high, values.low
        if not len(high):
            return
        finite = np.isfinite(high)
        if not finite.all():
            self._plain = self._plain + np.where(finite, 0.0, high).sum(axis=0)
            high, low = np.where(finite, high, 0.0), np.where(finite, low, 0.0)
        huge = np.abs(high) >= _HUGE
        if huge.any():
            apart = Pair(np.where(huge, high, 0.0) * 2.0**-64, np.where(huge, low, 0.0) * 2.0**-64)
            self._huge = self._huge + over_cases(apart)
            high, low = np.where(huge, 0.0, high), np.where(huge, 0.0, low)
        self._sum = self._sum + over_cases(Pair(high, low))

    def result(self, denominator: Pair | None) -> F64:
        """Return the sum, or with a denominator the mean, as float64; 0 where the denominator is 0."""
        sums, huge = self._sum, self._huge
        if denominator is not None:
            if denominator.high == 0.0:
                return np.where(np.isnan(self._plain), np.nan, 0.0)
            sums, huge = sums / denominator, huge / denominator
        apart = np.asarray(pair.rounded(huge) * 2.0**64)
        # A sum of both kinds is dominated by the huge one unless that is 0; then it is the other, rounded once.
        both = np.where(pair.high(huge) == 0.0, pair.rounded(sums), apart + pair.rounded(sums))
        return np.asarray(both + self._plain, dtype=np.float64)


class Denominator:
    """The denominator of a mean: the number of rows, or the sum of their weights."""

    def __init__(self) -> None:
        """Start with no rows."""
        self.rows = 0
        self._sum = Pair(np.float64(0.0), np.float64(0.0))

    def add(self, weights: Pair) -> None:
        """Count the rows of a block with these weights."""
        if len(weights.high):
            self._sum = self._sum + over_cases(weights)

    def result(self) -> Pair:
        """Return the denominator; NaN if there were no rows at all."""
        return self._sum if self.rows else Pair(np.float64(np.nan), np.float64(0.0))
