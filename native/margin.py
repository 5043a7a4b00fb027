"""Forms of one margin m: the loss log(1 + exp(-m)) and its derivatives, in pairs of the format of the logits.

Softplus, the sigmoid, its logarithm and the binary losses with hard labels are this loss of a margin that is exact
in floating point: through g(-z) = 1 - g(z), binary cross-entropy of z with a label y in {0, 1} is that of (2y - 1) z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import doubledouble, floatfloat
from .lanes import Lane, Mask, fused, negative, quick_sum, size, where
from .pair import Pair


def arithmetic(dtype: str) -> Any:
    """Return the exp and log1p of a format, and what they are good for: a module."""
    return {"float32": floatfloat, "float64": doubledouble}[dtype]


@dataclass(frozen=True)
class Margin:
    """A form as the loss of a margin, times a sign, or as the derivative of that.

    of: z, y -> the margin and its derivative in z, 1 or -1, both exact. square: y -> y^2, for the labels that have
    one. order: the value is the loss, 0, or its first derivative, 1.
    """

    of: Callable[[Lane, Lane], tuple[Lane, Lane]]
    sign: float = 1.0
    order: int = 0
    square: Callable[[Lane], Lane] | None = None

    def covers(self, quantities: tuple[str, ...]) -> bool:
        """Whether these are the loss and its first two derivatives."""
        return all(self.derivative(q) <= 2 for q in quantities)

    def derivative(self, q: str) -> int:
        """Return which derivative of the loss a quantity is."""
        return self.order + ("value", "grad", "hess").index(q)


class Margins:
    """A vector of margins."""

    def __init__(self, margin: Margin, dtype: str, z: Lane, y: Lane | None, weighted: bool) -> None:
        """Take logits and labels; weighted: derivatives will be multiplied with a factor."""
        self.margin, self.functions = margin, arithmetic(dtype)
        away = size(z)
        self.m, self.slope = margin.of(z, y)
        lowest = self.functions.LOWEST_WEIGHTED if weighted else self.functions.LOWEST
        #: where the results are as exact as they have to be
        self.good: Mask = away < -lowest
        if margin.square is not None and y is not None:
            self.good = self.good & (y * y == margin.square(y))
        self.u = self.functions.exp(-away)
        self._both: tuple[Pair, Pair] | None = None

    def quantity(self, q: str, factor: tuple[Lane, Lane] | None) -> Pair:
        """Return a quantity, derivatives times a factor, which is a pair of lanes."""
        order = self.margin.derivative(q)
        x = (self.loss, self.slope_of_loss, self.bend)[order]()
        if factor is not None and q != "value":
            x = _product(x, Pair(*factor))
        return x if self.margin.sign > 0.0 else -x

    def loss(self) -> Pair:
        """log(1 + exp(-m)) = max(-m, 0) + log1p(u), u = exp(-|m|)."""
        log = self.functions.log1p(self.u)
        line = where(-self.m > 0.0, -self.m, 0.0)
        more = line > log.high
        s, e = quick_sum(where(more, line, log.high), where(more, log.high, line))
        return Pair(s, e + log.low)

    def slope_of_loss(self) -> Pair:
        """-m' / (1 + exp(m)): -m' times 1/(1 + u) for m < 0, else u/(1 + u)."""
        likely, unlikely = self._probabilities()
        below = negative(self.m)
        return Pair(
            -self.slope * where(below, likely.high, unlikely.high), -self.slope * where(below, likely.low, unlikely.low)
        )

    def bend(self) -> Pair:
        """exp(m) / (1 + exp(m))^2 = u / (1 + u)^2."""
        return _product(*self._probabilities())

    def _probabilities(self) -> tuple[Pair, Pair]:
        """Return 1/(1 + u), a quotient and its correction, and u/(1 + u)."""
        if self._both is None:
            total, left = quick_sum(1.0, self.u.high)
            inverse = 1.0 / total
            rest = fused(-inverse, left + self.u.low, fused(-inverse, total, 1.0))
            likely = Pair(inverse, rest * inverse)
            self._both = likely, _product(self.u, likely)
        return self._both


def _product(a: Pair, b: Pair) -> Pair:
    """Return a b, not normalized; a factor need not be, as long as its low part is small."""
    high = a.high * b.high
    low = fused(a.high, b.high, -high)
    return Pair(high, fused(a.low, b.high, fused(a.high, b.low, low)))


def fits(factor: Lane, dtype: str) -> Mask:
    """Return whether a float64 may be the factor of derivatives."""
    low, high = arithmetic(dtype).FACTORS
    return (size(factor) >= low) & (size(factor) < high)


SOFTPLUS = Margin(lambda z, y: (-z, -1.0))
SIGMOID = Margin(lambda z, y: (-z, -1.0), order=1)
LOG_SIGMOID = Margin(lambda z, y: (z, 1.0), sign=-1.0)
BCE = Margin(lambda z, y: (fused(y, 2.0, -1.0) * z, fused(y, 2.0, -1.0)), square=lambda y: y)
LOGISTIC = Margin(lambda z, y: (y * z, y), square=lambda y: 1.0)
