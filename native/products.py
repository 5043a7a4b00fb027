"""Products of a kernel's rows, whose exponents are kept apart."""

from __future__ import annotations

from llvmlite import ir

from . import lanes, pair
from .elementary import Small
from .loops import Variable, folded, joined, parts_of
from .operators import Lane
from .pair import Number
from .trace import Trace

#: digits are normalized above it
_LARGE = 2.0**400


class Running:
    """A product of vectors of numbers in [1, 2]: digits and an exponent a lane."""

    def __init__(self, trace: Trace, wide: bool) -> None:
        """Start with 1; wide: numbers are pairs."""
        self.trace = trace
        self._digits = Variable(trace, wide, 1.0, trace.width)
        self._exponent = Variable(trace, False, 0.0, trace.width)

    def times(self, x: Number) -> None:
        """Multiply, lane by lane."""
        product, power = self._digits.get() * x, self._exponent.get()

        def smaller() -> tuple[Lane, ...]:
            kept, more = self._normalized(product)
            return *parts_of(kept), power + more

        found = lanes.rarely(pair.high(product) > _LARGE, smaller, lambda: (*parts_of(product), power))
        self._digits.set(joined(found[:-1]))
        self._exponent.set(found[-1])

    def folded(self) -> Small:
        """Return the product of all lanes, its digits near 1."""
        power = folded(self.trace, self._exponent.get(), lambda a, b: a + b)

        def join(a: Number, b: Number) -> Number:
            nonlocal power
            product, size = self._normalized(a * b)
            vector = isinstance(size.code.type, ir.VectorType)
            power = power + (folded(self.trace, size, lambda c, d: c + d) if vector else size)
            return product

        return Small(folded(self.trace, self._digits.get(), join), power)

    def _normalized(self, x: Number) -> tuple[Number, Lane]:
        _, size = self.trace.split_exponent(pair.high(x), normal=True)
        return pair.scaled(x, -size), size
