"""Rows of a kernel: the passes over their classes that formulas of rows ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from . import doubledouble, elementary, pair, scan, storage
from .element import Element, Row, Uniform
from .elementary import Small
from .loops import Position, Variable, Whole, chunks, folded, masked
from .operators import Lane
from .pair import Number
from .products import Running
from .reader import Reader
from .store import Store
from .trace import F64, I64

#: sums of small terms below it are done again, scaled up
_SMALL = 2.0**-900
_UP = 1000.0


class TracedRow(Row):
    """One row of a kernel; see `element.Row`."""

    #: how many rows there are, 0 for one alone
    lanes = 0

    def __init__(
        self,
        reader: Reader,
        case: Any,
        cancels: bool,
        outputs: tuple[Any, ...] = (),
        index: Whole | None = None,
        keeps: bool = False,
        largest: Lane | None = None,
    ) -> None:
        """Take the index of the row; outputs: arrays with a result an element, which are fetched ahead.

        index: the class index that labels it, where that is not in memory. keeps: exps are kept for such results.
        largest: the largest z, where all z are less than `scan.NEAR` below it: then no exp needs its own exponent.
        """
        self.trace, self.reader, self.memory = reader.trace, reader, reader.memory
        self.case, self.cancels, self.outputs, self.keeps = case, cancels, outputs, keeps
        self.wide, self.largest = reader.layout.wide, largest
        #: exps have exponents of their own
        self.tails = self.wide and largest is None
        self._known: dict[str, Any] = {}
        self._store = Store(self.trace, self.memory.scratch, self.wide, self.tails)
        b = self.trace.builder
        self.base = b.mul(case, self.memory.classes)
        #: elements from this row to the next one; beyond the last there may be no memory, which is dear to find out
        last = b.icmp_signed(">=", b.add(case, ir.Constant(I64, 1)), self.memory.stop)
        self.distance = b.select(last, ir.Constant(I64, 0), self.memory.classes)
        self.index = index
        #: where and what a smoothed label is: a class index, the label there, the label elsewhere
        self.smoothed: tuple[Whole, Number, Number] | None = None
        if index is None and reader.layout.indexed:
            target = Whole(b.load(storage.address(self.trace, self.memory.labels[0], case, "int64"), typ=I64))
            if reader.layout.labels == "index":
                self.index = target
            else:
                self.smoothed = target, *reader.table
        self.scale = reader.scale(case, 0, index=self.index)
        #: the class that sums leave out, once it is known; its vector is a case of its own from then on
        self.apart: Whole | None = None

    def each(self, body: Callable[[Element, Any], None], fill: float = 0.0) -> None:
        """Append a pass over the row: body(element, mask)."""

        def vector(i: Any, mask: Any) -> None:
            body(self._element(i, mask, fill), mask)

        apart = None if self.apart is None else self.apart.code
        chunks(self.trace, ir.Constant(I64, 0), self.memory.classes, vector, apart)

    def _element(self, i: Any, mask: Any, fill: float) -> Element:
        at = self.trace.builder.add(self.base, i)
        place = Position(self.trace, i, self.trace.width, self.apart if mask is None else None)
        return self.reader.element(at, mask, self.scale.derivatives, self.cancels, place, fill)

    @property
    def uniform(self) -> Uniform | None:
        """The labels, where one number is that of all classes but one.

        A class index that smoothing leaves less than the others cancels in sums that are made of this.
        """
        layout = self.reader.layout
        if self.smoothed is None or layout.labels == "spared" or layout.weighs("class"):
            return None
        target, on, off = self.smoothed
        b = self.trace.builder
        others = Lane(self.trace, b.sitofp(b.sub(self.memory.classes, ir.Constant(I64, 1)), F64))
        return Uniform(target, on, off, on + off * others)

    @property
    def shrink(self) -> float:
        """A power of two; differences of logits times it do not overflow."""
        return 0.5 if self.tails else 1.0

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what `compute` gives, computed at its first use."""
        if name not in self._known:
            self._known[name] = compute()
        return self._known[name]

    def element(self, k: int) -> Element:
        """Return element 0 alone."""
        assert k == 0
        place = Position(self.trace, ir.Constant(I64, 0), 0)
        z = storage.load(self.trace, self.memory.x, self.base, self.reader.layout.dtype, 0)
        return Element(z, (), self.scale.derivatives, wide=self.wide, cancels=self.cancels, position=place)

    def number(self, x: Any) -> Number:
        """Return a lane as a number of the arithmetic in use."""
        return pair.as_pair(x) if self.wide else x

    def maximum(self) -> Lane:
        """Return the largest z, ignoring NaN."""
        if self.largest is not None:
            return self.largest
        return scan.extent(self.trace, self.memory, self.base, self.reader.layout.dtype)[0]

    def positive(self) -> Lane:
        """Return 0 where all z are at least 0, else NaN."""
        bad = scan.negative(self.trace, self.memory, self.base, self.reader.layout.dtype)
        return self.trace.where(Lane(self.trace, bad), float("nan"), 0.0)

    def first(self, m: Lane) -> Whole:
        """Return the index of the first z = m; 0 where there is none."""
        return Whole(scan.first(self.trace, self.memory, self.base, self.reader.layout.dtype, m))

    def pick(self, index: Whole) -> Lane:
        """Return z at an index."""
        at = self.trace.builder.add(self.base, index.code)
        return storage.load(self.trace, self.memory.x, at, self.reader.layout.dtype, 0)

    def gap(self, z: Any, m: Any) -> Number:
        """Return z - m."""
        if not self.wide:
            return z - m
        return pair.gap(z, m)

    def exp(self, z: Any, m: Any) -> Small:
        """Return exp(z - m) for z <= m."""
        gap = self.gap(z, m)
        if self.wide and not self.tails:
            return Small(doubledouble.exp_pair(gap, full=self.cancels))
        return elementary.exp(gap, full=self.cancels)

    def limit(self, m: Lane, value: Lane) -> Lane:
        """Return the value: rows with an infinite m are left to NumPy."""
        return value

    def label(self, e: Element) -> Number:
        """Return the labels, one-hot for an index."""
        if self.smoothed is not None:
            target, on, off = self.smoothed
            y = pair.where(e.at(target), on, off)
            return y * e.labels[0] if e.labels else y
        if self.index is None:
            return e.labels[0]
        return self.trace.where(e.at(self.index), 1.0, 0.0)

    def label_at(self, index: Whole) -> Number:
        """Return the label at an index."""
        at = self.trace.builder.add(self.base, index.code)
        where, kind = self.memory.labels, self.reader.layout.labels
        if kind == "plain":
            return storage.load(self.trace, where[0], at, self.reader.layout.dtype, 0)
        return self.reader.number(where[0], where[1], at, 0)

    def totals(self, *terms: Callable[[Element], Number], skip: Whole | None = None) -> tuple[Number, ...]:
        """Return sums over the classes."""
        if skip is not None:
            self.apart = skip
        sums = [Variable(self.trace, self.wide or self.cancels, 0.0, self.trace.width) for _ in terms]

        def add(e: Element, mask: Any) -> None:
            for k, (place, term) in enumerate(zip(sums, terms, strict=True)):
                x = term(e) if skip is None or k else pair.where(e.at(skip), 0.0, term(e))
                place.set(pair.accumulated(place.get(), masked(self.trace, mask, x, 0.0)))

        self.each(add)
        return tuple(self._total(place) for place in sums)

    def folded(self, x: Number) -> Number:
        """Return the sum of a vector."""
        return folded(self.trace, x, lambda a, b: a + b)

    def _again(self, redo: Lane) -> Any:
        """Return, as one bit, whether a sum is to be done once more."""
        return redo.code

    def _total(self, place: Variable) -> Number:
        total = self.folded(pair.settled(place.get()))
        return total if self.wide else pair.rounded(total)

    def small_total(
        self,
        term: Callable[[Element], Small],
        *others: Callable[[Element], Number],
        skip: Whole | None = None,
        keep: bool = False,
    ) -> tuple[Small, tuple[Number, ...]]:
        """Return the sum of a small term without the class `skip`, and other sums.

        A sum of pairs below 2^-900 is done once more, with the terms scaled up.
        """
        b = self.trace.builder
        if skip is not None:
            self.apart = skip
        rest = Variable(self.trace, self.wide or self.cancels, 0.0, self.trace.width)
        sums = [Variable(self.trace, self.wide or self.cancels, 0.0, self.trace.width) for _ in others]
        shift = Variable(self.trace, False, 0.0, self.lanes)

        def add(e: Element, mask: Any) -> None:
            small = term(e)
            self._ahead(e)
            if keep and self.keeps:
                self._store.write(e, small)
            digits = small.digits
            if small.exponent is not None:
                digits = pair.coarse(small.digits, small.exponent + shift.get())
            if skip is not None:
                digits = pair.where(e.at(skip), 0.0, digits)
            rest.set(pair.grown(rest.get(), masked(self.trace, mask, digits, 0.0)))
            for place, other in zip(sums, others, strict=True):
                place.set(pair.grown(place.get(), masked(self.trace, mask, other(e), 0.0)))

        if not self.tails:
            self.each(add, fill=float("-inf"))
            return Small(self._total(rest)), tuple(self._total(s) for s in sums)
        again = b.append_basic_block("again")
        after = b.append_basic_block("after")
        b.branch(again)
        b.position_at_end(again)
        for place in (rest, *sums):
            place.set(0.0)
        self.each(add, fill=float("-inf"))
        total = self._total(rest)
        redo = (total.high < _SMALL) & (shift.get() == 0.0)
        done = shift.get()
        shift.set(self.trace.where(redo, _UP, shift.get()))
        b.cbranch(self._again(redo), again, after)
        b.position_at_end(after)
        return Small(total, -done), tuple(self._total(s) for s in sums)

    def _ahead(self, e: Element) -> None:
        """Fetch what comes after this pass, which computes and leaves the memory idle: the next row, the outputs."""
        b, dtype = self.trace.builder, self.reader.layout.dtype
        here = b.add(self.base, e.position.base)
        storage.prefetch(self.trace, self.memory.x, b.add(here, self.distance), dtype, write=False)
        for output in self.outputs:
            storage.prefetch(self.trace, output, here, dtype, write=True)

    def kept(self, e: Element) -> Small:
        """Return what was kept of a vector of elements, or of element 0."""
        return e.once("kept", lambda: self._store.read(e))  # type: ignore[no-any-return]

    def product(
        self, term: Callable[[Element], Number], *others: Callable[[Element], Number]
    ) -> tuple[Small, tuple[Number, ...]]:
        """Return the product of a term in [1, 2], its digits near 1, and sums of other terms, in one pass."""
        product = Running(self.trace, self.wide)
        sums = [Variable(self.trace, self.wide or self.cancels, 0.0, self.trace.width) for _ in others]

        def times(e: Element, mask: Any) -> None:
            product.times(masked(self.trace, mask, term(e), 1.0))
            for place, other in zip(sums, others, strict=True):
                place.set(pair.grown(place.get(), masked(self.trace, mask, other(e), 0.0)))

        self.each(times)
        return product.folded(), tuple(self._total(place) for place in sums)
