"""Forms of one margin m: the loss log(1 + exp(-m)) and its derivatives, in pairs of the format of the logits.

Softplus, the sigmoid, its logarithm and the binary losses with hard labels are this loss of a margin that is exact
in floating point: through g(-z) = 1 - g(z), binary cross-entropy of z with a label y in {0, 1} is that of (2y - 1) z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import doubledouble, floatfloat
from .lanes import Lane, Mask, fused, negative, quick_sum, size, where
from .pair import Pair, product


def arithmetic(dtype: str) -> Any:
    """Return the exp and log1p of a format, and what they are good for: a module."""
    return {"float32": floatfloat, "float64": doubledouble}[dtype]


@dataclass(frozen=True)
class Margin:
    """A form as the loss of a margin, times a sign, or as the derivative of that.

    of: z, y -> the margin and its derivative in z, 1 or -1, both exact. square: y -> y^2, for the labels that have
    one. order: the value is the loss, 0, or its first derivative, 1. squared: it is half of the square of that.
    """

    of: Callable[[Lane, Lane], tuple[Lane, Lane]]
    sign: float = 1.0
    order: int = 0
    squared: bool = False
    square: Callable[[Lane], Lane] | None = None

    def covers(self, quantities: tuple[str, ...]) -> bool:
        """Whether these are the loss and its first two derivatives; of a square there is only the first."""
        return all(self.derivative(q) <= (1 if self.squared else 2) for q in quantities)

    def derivative(self, q: str) -> int:
        """Return which derivative of the loss a quantity is."""
        return self.order + ("value", "grad", "hess").index(q)


class Margins:
    """A vector of margins.

    The loss is made of u = exp(-|m|), so that the logarithm of 1 + u loses nothing. What needs no logarithm is made of
    exp(m), whatever the sign of m, which takes less: `direct`.
    """

    def __init__(
        self, margin: Margin, dtype: str, z: Lane, y: Lane | None, factor: tuple[Lane, Lane] | None
    ) -> None:
        """Take logits and labels in a format, and what derivatives are multiplied with, in two numbers of it."""
        self.margin, self.functions, self.factor = margin, arithmetic(dtype), factor
        away = size(z)
        self.m, self.slope = margin.of(z, y)
        lowest = self.functions.LOWEST if factor is None else self.functions.LOWEST_WEIGHTED
        self.good: Mask = away < -lowest / (2.0 if margin.squared else 1.0)
        if factor is not None:
            low, high = self.functions.FACTORS
            self.good = self.good & (size(factor[0]) >= low) & (size(factor[0]) < high)
        if margin.square is not None and y is not None:
            self.good = self.good & (y * y == margin.square(y))
        self._away = away
        self._both: tuple[Pair, Pair] | None = None

    @property
    def direct(self) -> bool:
        """Whether the loss itself is not needed."""
        return self.margin.order > 0 or self.margin.squared

    @cached_property
    def u(self) -> Pair:
        """exp(-|m|)."""
        u: Pair = self.functions.exp(-self._away)
        return u

    def quantity(self, q: str) -> Pair:
        """Return a quantity, derivatives times the factor."""
        ways = (self.half_square, self.slope_of_square) if self.margin.squared else (
            self.loss, self.slope_of_loss, self.bend)  # fmt: skip
        x = ways[self.margin.derivative(q)]()
        if self.factor is not None and q != "value":
            x = product(x, Pair(*self.factor))
        return x if self.margin.sign > 0.0 else -x

    def loss(self) -> Pair:
        """log(1 + exp(-m)) = max(-m, 0) + log1p(u), u = exp(-|m|)."""
        log = self.functions.log1p(self.u)
        line = where(-self.m > 0.0, -self.m, 0.0)
        more = line > log.high
        s, e = quick_sum(where(more, line, log.high), where(more, log.high, line))
        return Pair(s, e + log.low)

    def slope_of_loss(self) -> Pair:
        """-m' / (1 + exp(m)); of u: -m' times 1/(1 + u) for m < 0, else u/(1 + u)."""
        g, other = self._probabilities()
        if not self.direct:
            below = negative(self.m)
            g = Pair(where(below, g.high, other.high), where(below, g.low, other.low))
        return Pair(-self.slope * g.high, -self.slope * g.low)

    def bend(self) -> Pair:
        """exp(m) / (1 + exp(m))^2, the same of u."""
        return product(*self._probabilities())

    def half_square(self) -> Pair:
        """g^2/2 with g = 1 / (1 + exp(m)), the slope of the loss but for its sign."""
        g = self.slope_of_loss()
        return product(g, g).halved()

    def slope_of_square(self) -> Pair:
        """The derivative of g^2/2: that of the loss times g (1 - g)."""
        return product(self.slope_of_loss(), self.bend())

    def _probabilities(self) -> tuple[Pair, Pair]:
        """Return 1/(1 + v), a quotient and its correction, and v/(1 + v): v = exp(m) where `direct`, else u."""
        if self._both is None:
            if self.direct:
                share, odds = self.functions.logistic(self.m)
            else:
                total, left = quick_sum(1.0, self.u.high)
                inverse = 1.0 / total
                rest = fused(-inverse, left + self.u.low, fused(-inverse, total, 1.0))
                share, odds = Pair(inverse, rest * inverse), self.u
            self._both = share, product(odds, share)
        return self._both


SOFTPLUS = Margin(lambda z, y: (-z, -1.0))
SIGMOID = Margin(lambda z, y: (-z, -1.0), order=1)
LOG_SIGMOID = Margin(lambda z, y: (z, 1.0), sign=-1.0)
BCE = Margin(lambda z, y: (fused(y, 2.0, -1.0) * z, fused(y, 2.0, -1.0)), square=lambda y: y)
LOGISTIC = Margin(lambda z, y: (y * z, y), square=lambda y: 1.0)
MSE = Margin(BCE.of, squared=True, square=BCE.square)
LOG_LIKELIHOOD = Margin(BCE.of, sign=-1.0, square=BCE.square)
