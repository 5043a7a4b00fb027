"""How a kernel reads elements, labels and weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from . import pair, storage
from .element import Element
from .layout import Layout, Memory
from .operators import Lane
from .pair import Number, Pair
from .trace import I64, Trace


class Scale(NamedTuple):
    """What the value of a case is multiplied with, and what its derivatives are; None for 1."""

    value: Number | None
    derivatives: Number | None


class Reader:
    """Reads elements, their labels, and what results are multiplied with."""

    def __init__(self, trace: Trace, memory: Memory, layout: Layout) -> None:
        """Take the arrays, and read here what is the same for all cases."""
        self.trace, self.memory, self.layout = trace, memory, layout
        lengths = {"linear": 8, "smoothed": 4, "spared": 4, "blended": 4, "spread": 4}
        #: how labels are smoothed, see `Layout`
        self.table = self._pairs(memory.labels[1], lengths.get(layout.labels, 0))
        self._one = None
        if layout.factor:
            self._one = self.number(memory.factor[0], memory.factor[1], _ZERO, 0)
        self._positive = None
        if layout.weighs("positive"):
            self._positive = storage.load(trace, memory.positive, _ZERO, "float64", 0)

    def _pairs(self, address: Any, count: int) -> list[Number]:
        """Return pairs of float64 in memory."""
        table = [storage.load(self.trace, address, ir.Constant(I64, k), "float64", 0) for k in range(count)]
        pairs = [Pair(*table[k : k + 2]) for k in range(0, count, 2)]
        return [p if self.layout.wide else pair.rounded(p) for p in pairs]

    def element(self, at: Any, mask: Any, factor: Number | None, cancels: bool, position: Any, fill: float) -> Element:
        """Return the vector of elements at an offset."""
        z = storage.load(self.trace, self.memory.x, at, self.layout.dtype, self.trace.width, mask, fill)
        labels = self.labels(at, mask, None if position is None else position.base)
        return Element(z, labels, factor, wide=self.layout.wide, cancels=cancels, position=position)

    def hard(self, at: Any, mask: Any, scale: Scale) -> tuple[Element, Number | None]:
        """Return the vector of elements at an offset, labels as they stand, and what values are multiplied with."""
        z, y = (
            storage.load(self.trace, base, at, self.layout.dtype, self.trace.width, mask)
            for base in (self.memory.x, self.memory.labels[0])
        )
        weight = self.of_label(y > 0.5, None, mask)
        value, factor = (self.product(x, weight) for x in scale)
        return Element(z, (y,), factor, wide=self.layout.wide), value

    def labels(self, at: Any, mask: Any, place: Any) -> tuple[Number, ...]:
        """Return the labels of the vector at an offset, times weights; place: where it begins in its row.

        With a smoothed class index, whose label depends on the place, it is the weight of the class, if any.
        """
        kind, where, layout = self.layout.labels, self.memory.labels, self.layout
        weight = None
        if layout.weighs("class", "neuron"):
            weight = self._of_class(self.memory.weight, place, mask)
        if kind in ("", "index"):
            return ()
        if layout.smooths:
            return () if weight is None else (weight,)
        if kind in ("lanes", "pairs", "two lanes", "two pairs"):
            firsts = (0, 2) if kind.startswith("two") else (0,)
            return tuple(self.number(where[k], where[k + 1], at, self.trace.width, mask) for k in firsts)
        y = storage.load(self.trace, where[0], at, layout.dtype, self.trace.width, mask)
        numbers = self._smoothed(y)
        if layout.weighs("positive", "positives"):
            a, b = numbers if len(numbers) == 2 else (y, self._rest(y))
            numbers = self._times(a, self._of_one(place, mask)), b
        elif layout.weighs("neuron") and len(numbers) == 1:
            numbers = y, self._rest(y)
        return numbers if weight is None else tuple(self._times(one, weight) for one in numbers)

    def _smoothed(self, y: Lane) -> tuple[Number, ...]:
        if self.layout.labels == "linear":
            one_a, one_b, zero_a, zero_b = self.table
            # Of a label 0 or 1 one product is 0 and the other a weight: nothing is rounded.
            rest = self._rest(y)
            return y * one_a + rest * zero_a, y * one_b + rest * zero_b
        if self.layout.labels in ("blended", "spread"):
            keep, more = self.table
            return (y * keep + (more if self.layout.labels == "blended" else self._rest(y) * more),)
        return (y,)

    def _rest(self, y: Lane) -> Number:
        """Return 1 - y."""
        return pair.exact_sum(1.0, -y) if self.layout.wide else 1.0 - y

    def _times(self, x: Number, weight: Number) -> Number:
        """Return a product, of two float64 as a pair where numbers are pairs."""
        return (pair.as_pair(x) if self.layout.wide else x) * weight

    def _of_one(self, place: Any, mask: Any) -> Number:
        """Return the weight of the label 1."""
        if self._positive is not None:
            return self._positive
        return self._of_class(self.memory.positive, place, mask)

    def _of_class(self, base: Any, place: Any, mask: Any) -> Lane:
        """Return float64 of classes: of one a lane, or of one alone where lanes are rows."""
        count, mask = (0, None) if self.layout.order else (self.trace.width, mask)
        return storage.load(self.trace, base, place, "float64", count, mask)

    def number(self, high: Any, low: Any, at: Any, count: int, mask: Any = None) -> Number:
        """Return a number of float64 arrays."""
        lane = storage.load(self.trace, high, at, "float64", count, mask)
        if not self.layout.wide:
            return lane
        return Pair(lane, storage.load(self.trace, low, at, "float64", count, mask))

    def scale(self, at: Any, count: int, mask: Any = None, index: Any = None) -> Scale:
        """Return what the results of a case, or of `count` of them, are multiplied with; index: its class index."""
        value, layout = None, self.layout
        if dtype := layout.weighs("sample"):
            value = self._given(self.memory.sample, at, dtype, count, mask)
        if index is not None and layout.weighs("class"):
            if layout.order:
                lane = storage.gathered(self.trace, self.memory.weight, index.code, "float64")
            else:
                lane = storage.load(self.trace, self.memory.weight, index.code, "float64", 0)
            value = self.product(value, pair.as_pair(lane) if layout.wide else lane)
        factor = self._one
        if value is not None:
            factor = value if factor is None else value * factor
        if dtype := layout.weighs("cotangent"):
            given = self._given(self.memory.cotangent, at, dtype, count, mask)
            factor = given if factor is None else given * factor
        return Scale(value, factor)

    def _given(self, base: Any, at: Any, dtype: str, count: int, mask: Any = None) -> Number:
        lane = storage.load(self.trace, base, at, dtype, count, mask)
        return pair.as_pair(lane) if self.layout.wide else lane

    def of_label(self, one: Lane, place: Any, mask: Any) -> Number | None:
        """Return what a binary loss of a label 0 or 1 is multiplied with as a whole; one: where the label is 1."""
        layout, weight = self.layout, None
        if layout.weighs("positive", "positives"):
            weight = self.trace.where(one, self._of_one(place, mask), 1.0)
        if layout.weighs("neuron"):
            own = self._of_class(self.memory.weight, place, mask)
            weight = own if weight is None else self._times(weight, own)
        return weight

    def product(self, a: Number | None, b: Number | None) -> Number | None:
        """Return a product of weights, None for 1."""
        if a is None or b is None:
            return b if a is None else a
        return self._times(a, b)


_ZERO = ir.Constant(I64, 0)
