"""Rows of a kernel that lie side by side, one a lane: the passes over their classes that formulas of rows ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from . import pair, storage
from .element import Element
from .loops import Variable, Whole, iota, loop, slot
from .operators import Lane
from .pair import Number
from .passes import TracedRow
from .reader import Reader
from .store import Store
from .trace import F64, I64, Trace, barrier

_ZERO = ir.Constant(I64, 0)


class Columns(TracedRow):
    """A vector of rows, one a lane."""

    def __init__(
        self, reader: Reader, case: Any, base: Any, mask: Any, cancels: bool, keeps: bool, largest: Lane | None = None
    ) -> None:
        """Take the first row, and where its first element is; mask: which rows are computed.

        keeps, largest: see `TracedRow`.
        """
        self.trace, self.reader, self.memory = reader.trace, reader, reader.memory
        self.case, self.base, self.mask, self.cancels = case, base, mask, cancels
        self.wide, self.keeps, self.lanes = reader.layout.wide, keeps, reader.trace.width
        self.apart = None
        self._known = {}
        self.largest, self.tails = largest, self.wide and largest is None
        self._store = Store(self.trace, self.memory.scratch, self.wide, self.tails, lone=True)
        self.index = self.smoothed = self.ignored = None
        layout, b = reader.layout, self.trace.builder
        if layout.indexed:
            target = storage.raw(self.trace, self.memory.labels[0], case, "int64", self.trace.width, mask)
            if layout.weighs("ignore"):
                ignored = b.icmp_signed("==", target, self.trace.splat(self.memory.ignore, self.trace.width))
                self.ignored = Lane(self.trace, ignored)
                target = b.select(ignored, self.trace.integer(0, target.type), target)
            if layout.labels == "index":
                self.index = Whole(target)
            else:
                self.smoothed = Whole(target), *reader.table
        self.scale = reader.scale(case, self.trace.width, mask, self.index)

    def each(self, body: Callable[[Element, Any], None], fill: float = 0.0) -> None:
        """Append a pass over the classes."""
        with loop(self.trace, _ZERO, self.memory.classes, ir.Constant(I64, 1)) as k:
            barrier(self.trace.builder)
            body(self._at(k), None)

    def _at(self, k: Any) -> Element:
        b = self.trace.builder
        at = b.add(self.base, b.mul(k, self.memory.inner))
        return self.reader.element(at, self.mask, self.scale.derivatives, self.cancels, Place(self.trace, k), 0.0)

    def full(self, x: Number) -> Number:
        """Return a number as one a lane."""
        zero = Lane(self.trace, self.trace.constant(0.0, ir.VectorType(F64, self.trace.width)))
        return pair.where(zero == 0.0, x, zero)

    def folded(self, x: Number) -> Number:
        """Nothing is reduced across lanes."""
        return x

    def element(self, k: int) -> Element:
        """Return the elements of class 0."""
        return self._at(ir.Constant(I64, k))

    def maximum(self) -> Lane:
        """Return the largest z, ignoring NaN."""
        return self.extent()[0] if self.largest is None else self.largest

    def extent(self) -> tuple[Lane, Lane]:
        """Return the largest z and the smallest, ignoring NaN."""
        high, low = (Variable(self.trace, False, start, self.trace.width) for start in (float("-inf"), float("inf")))

        def farther(e: Element, _: Any) -> None:
            high.set(self.trace.where(e.z > high.get(), e.z, high.get()))
            low.set(self.trace.where(e.z < low.get(), e.z, low.get()))

        self.each(farther)
        larger: Lane = high.get()
        smaller: Lane = low.get()
        return larger, smaller

    def positive(self) -> Lane:
        """Return 0 where all z are at least 0, else NaN."""
        total = Variable(self.trace, False, 0.0, self.trace.width)
        self.each(lambda e, _: total.set(total.get() + self.trace.where(e.z >= 0.0, 0.0, float("nan"))))
        zero: Lane = total.get()
        return zero

    def first(self, m: Lane) -> Whole:
        """Return the index of the first z = m; 0 where there is none."""
        b = self.trace.builder
        kind = ir.VectorType(I64, self.trace.width)
        found = slot(self.trace, kind, ir.Constant(kind, [-1] * self.trace.width))

        def look(e: Element, _: Any) -> None:
            seen = b.load(found, typ=kind)
            new = b.and_((e.z == m).code, b.icmp_signed("<", seen, self.trace.integer(0, kind)))
            b.store(b.select(new, self.trace.splat(e.position.base, self.trace.width), seen), found)

        self.each(look)
        index = b.load(found, typ=kind)
        none = self.trace.integer(0, kind)
        return Whole(b.select(b.icmp_signed("<", index, none), none, index))

    def pick(self, index: Whole) -> Lane:
        """Return z at an index."""
        b, width = self.trace.builder, self.trace.width
        stride = b.mul(index.code, self.trace.splat(self.memory.inner, width))
        at = b.add(b.add(stride, self.trace.splat(self.base, width)), iota(width))
        if self.mask is not None:  # what does not exist may not be read
            at = b.select(self.mask, at, self.trace.splat(self.base, width))
        return storage.gathered(self.trace, self.memory.x, at, self.reader.layout.dtype)

    def _again(self, redo: Lane) -> Any:
        return self.trace.any(redo)

    def _ahead(self, e: Element) -> None:
        """Fetch nothing ahead."""


class Place:
    """A class, the same of all rows: its index, int64."""

    def __init__(self, trace: Trace, base: Any) -> None:
        """Take the index."""
        self.trace, self.base, self.width = trace, base, trace.width

    def __eq__(self, index: object) -> Any:
        """Return where the class is an index of a row, a Whole or a float that is a whole number."""
        b, width = self.trace.builder, self.width
        here = self.trace.splat(self.base, width)
        if isinstance(index, Whole):
            return Lane(self.trace, b.icmp_signed("==", here, index.code))
        return Lane(self.trace, b.icmp_signed("==", here, self.trace.integer(int(index), here.type)))  # type: ignore[call-overload]

    __hash__ = None  # type: ignore[assignment]

