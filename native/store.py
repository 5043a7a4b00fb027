"""What a pass over a row keeps of each element for the passes after it."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import storage
from .element import Element
from .elementary import Small
from .loops import parts_of
from .pair import Pair
from .trace import I64, Trace


class Store:
    """Memory for one small number an element: a float64 or a pair, and its exponent, vectors of each side by side."""

    def __init__(self, trace: Trace, base: Any, wide: bool, tails: bool, *, lone: bool = False) -> None:
        """Take the memory's address; wide: numbers are pairs; tails: they have exponents.

        lone: a vector is of one class, not of one row.
        """
        self.trace, self.base, self.wide, self.tails = trace, base, wide, tails
        self._step = trace.width if lone else 1

    def write(self, e: Element, small: Small) -> None:
        """Append that a number is kept."""
        parts = [*parts_of(small.digits), *([] if small.exponent is None else [small.exponent])]
        for place, part in zip(self._places(e), parts, strict=True):
            storage.store(self.trace, self.base, place, "float64", part)

    def read(self, e: Element) -> Small:
        """Return what was kept of a vector of elements, or of element 0."""
        width = e.position.width
        parts = [storage.load(self.trace, self.base, place, "float64", width) for place in self._places(e)]
        digits = Pair(parts[0], parts[1]) if self.wide else parts[0]
        return Small(digits, parts[-1] if self.tails else None)

    def _places(self, e: Element) -> list[Any]:
        b, count = self.trace.builder, 1 + self.wide + self.tails
        start = b.mul(e.position.base, ir.Constant(I64, count * self._step))
        return [b.add(start, ir.Constant(I64, k * self.trace.width)) for k in range(count)]
