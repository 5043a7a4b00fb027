"""Loops of a kernel over memory: elements in vectors of a fixed width, rows in passes over their classes.

The last, partial vector of a row is read and written under a mask and goes through the same instructions as the
others, so an element's result does not depend on where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from . import pair, storage
from .element import Element, Row
from .elementary import Small
from .pair import Number, Pair
from .trace import F64, I8, I64, Lane, Trace

_SMALL = 2.0**-900
_UP = 1000.0


@dataclass(frozen=True)
class Memory:
    """Addresses of a kernel's arrays, and its bounds: LLVM values of type int64."""

    x: Any
    labels: tuple[Any, ...]
    factor: tuple[Any, ...]
    value: Any
    value_low: Any
    grad: Any
    hess: Any
    flags: Any
    scratch: Any
    start: Any
    stop: Any
    classes: Any


@dataclass(frozen=True)
class Layout:
    """What a kernel's arrays hold.

    dtype: of x and of the results. labels: "" none, "index", "plain" (in dtype), "lanes" or "pairs" (float64, one
    number an element), "two lanes" or "two pairs" (weights a and b). factor: "" none, "one", "each" case.
    value: "rounded", or "lanes"/"pairs" of float64 that are rounded later.
    """

    dtype: str
    labels: str
    factor: str
    value: str

    @property
    def wide(self) -> bool:
        """Whether the arithmetic is that of pairs."""
        return self.dtype == "float64"


def slot(trace: Trace, kind: Any, start: Any) -> Any:
    """Return a variable of the function, set to a value here."""
    b = trace.builder
    with b.goto_entry_block():
        place = b.alloca(kind)
    b.store(start, place)
    return place


@contextmanager
def loop(trace: Trace, start: Any, stop: Any, step: int) -> Any:
    """Repeat what is appended inside for i = start, start + step, ... while i < stop; gives i."""
    b = trace.builder
    place = slot(trace, I64, start)
    head = b.append_basic_block("head")
    body = b.append_basic_block("body")
    done = b.append_basic_block("done")
    b.branch(head)
    b.position_at_end(head)
    i = b.load(place, typ=I64)
    b.cbranch(b.icmp_signed("<", i, stop), body, done)
    b.position_at_end(body)
    yield i
    b.store(b.add(i, ir.Constant(I64, step)), place)
    b.branch(head)
    b.position_at_end(done)


def chunks(
    trace: Trace, start: Any, stop: Any, body: Callable[[Any, Any], None], apart: Any = None
) -> None:
    """Append body(i, mask) for vectors from start to stop: mask is None but for a partial last one.

    apart: an index whose vector is given a mask too, so that the other vectors need not look for it.
    """
    b, width = trace.builder, trace.width
    step = ir.Constant(I64, width)
    whole = b.add(start, b.and_(b.sub(stop, start), ir.Constant(I64, -width)))
    first = whole
    if apart is not None:
        own = b.and_(apart, ir.Constant(I64, -width))
        first = b.select(b.icmp_signed("<", own, whole), own, whole)
    place, limit = slot(trace, I64, start), slot(trace, I64, first)
    head, plain, after, partial, done = (b.append_basic_block(name) for name in _BLOCKS)
    b.branch(head)
    b.position_at_end(head)
    i = b.load(place, typ=I64)
    b.cbranch(b.icmp_signed("<", i, b.load(limit, typ=I64)), plain, after)
    b.position_at_end(plain)
    body(i, None)
    b.store(b.add(i, step), place)
    b.branch(head)
    b.position_at_end(after)
    i = b.load(place, typ=I64)
    b.cbranch(b.icmp_signed("<", i, stop), partial, done)
    b.position_at_end(partial)
    body(i, b.icmp_signed("<", iota(width), trace.splat(b.sub(stop, i), width)))
    b.store(b.add(i, step), place)
    b.store(whole, limit)
    b.branch(head)
    b.position_at_end(done)


_BLOCKS = ("head", "plain", "after", "partial", "done")


def iota(width: int) -> Any:
    """Return the integers 0 .. width-1."""
    return ir.Constant(ir.VectorType(I64, width), list(range(width)))


class Variable:
    """A number that a loop changes: one or two variables of the function."""

    def __init__(self, trace: Trace, wide: bool, start: float, count: int) -> None:
        """Start at a constant; count: lanes."""
        self.trace, self.kind = trace, ir.VectorType(F64, count) if count else F64
        zero = trace.constant(0.0, self.kind)
        self.high = slot(trace, self.kind, trace.constant(start, self.kind))
        self.low = slot(trace, self.kind, zero) if wide else None

    def get(self) -> Number:
        """Read it."""
        b = self.trace.builder
        high = Lane(self.trace, b.load(self.high, typ=self.kind))
        return high if self.low is None else Pair(high, Lane(self.trace, b.load(self.low, typ=self.kind)))

    def set(self, x: Number) -> None:
        """Write it."""
        b = self.trace.builder
        if self.low is not None:
            x = pair.as_pair(x)
            b.store(self._fitting(x.low), self.low)
        b.store(self._fitting(pair.high(x)), self.high)

    def _fitting(self, x: Any) -> Any:
        return self.trace.alike(x, Lane(self.trace, self.trace.constant(0.0, self.kind)))[0]


def masked(trace: Trace, mask: Any, x: Number, other: float) -> Number:
    """Return x where it stands for an element, else another number."""
    return x if mask is None else pair.where(Lane(trace, mask), x, other)


def folded(trace: Trace, x: Number, join: Callable[[Number, Number], Number]) -> Number:
    """Join the elements of a vector, halves first."""
    while isinstance(pair.high(x).code.type, ir.VectorType):
        if pair.high(x).code.type.count == 1:
            return _map(x, lambda lane: trace.extract(lane, 0))
        low, high = zip(*(trace.halves(part) for part in _parts(x)), strict=True)
        x = join(_join(low), _join(high))
    return x


def _parts(x: Number) -> tuple[Lane, ...]:
    return (x.high, x.low) if isinstance(x, Pair) else (x,)


def _join(parts: tuple[Lane, ...]) -> Number:
    return Pair(*parts) if len(parts) == 2 else parts[0]


def _map(x: Number, f: Callable[[Lane], Lane]) -> Number:
    return _join(tuple(f(part) for part in _parts(x)))


class Position:
    """The place of a vector's elements in their row, or of one element: where it begins, int64."""

    def __init__(self, trace: Trace, base: Any, width: int, without: Whole | None = None) -> None:
        """Take the index of the first element, and how many there are; 0 for one alone.

        without: an index that is known to be in another vector.
        """
        self.trace, self.base, self.width, self.without = trace, base, width, without

    def __eq__(self, index: object) -> Any:
        """Return where the place is an index, a Whole or a float that is a whole number."""
        if self.without is not None and index is self.without:
            return False
        b, width = self.trace.builder, self.width
        code = index.code if isinstance(index, Whole) else ir.Constant(I64, int(index))  # type: ignore[call-overload]
        if not width:
            return Lane(self.trace, b.icmp_signed("==", self.base, code))
        here = self.trace.splat(b.sub(code, self.base), width)
        return Lane(self.trace, b.icmp_signed("==", iota(width), here))

    __hash__ = None  # type: ignore[assignment]


class Whole:
    """An index of a row, int64."""

    def __init__(self, code: Any) -> None:
        """Wrap an LLVM value."""
        self.code = code


class Reader:
    """Reads elements and their labels."""

    def __init__(self, trace: Trace, memory: Memory, layout: Layout) -> None:
        """Take the arrays."""
        self.trace, self.memory, self.layout = trace, memory, layout

    def element(self, at: Any, mask: Any, factor: Number | None, cancels: bool, position: Any, fill: float) -> Element:
        """Return the vector of elements at an offset."""
        z = storage.load(self.trace, self.memory.x, at, self.layout.dtype, self.trace.width, mask, fill)
        return Element(z, self.labels(at, mask), factor, wide=self.layout.wide, cancels=cancels, position=position)

    def labels(self, at: Any, mask: Any) -> tuple[Number, ...]:
        """Return the labels of the vector at an offset."""
        kind, where = self.layout.labels, self.memory.labels
        if kind in ("", "index"):
            return ()
        if kind == "plain":
            return (storage.load(self.trace, where[0], at, self.layout.dtype, self.trace.width, mask),)
        firsts = (0, 2) if kind.startswith("two") else (0,)
        return tuple(self.number(where[k], where[k + 1], at, self.trace.width, mask) for k in firsts)

    def number(self, high: Any, low: Any, at: Any, count: int, mask: Any = None) -> Number:
        """Return a number of float64 arrays."""
        lane = storage.load(self.trace, high, at, "float64", count, mask)
        if not self.layout.wide:
            return lane
        return Pair(lane, storage.load(self.trace, low, at, "float64", count, mask))

    def factor(self, at: Any, count: int, mask: Any = None) -> Number | None:
        """Return the factor of derivatives at a case, or of `count` of them."""
        if not self.layout.factor:
            return None
        if self.layout.factor == "one":
            at, count, mask = ir.Constant(I64, 0), 0, None
        return self.number(*self.memory.factor, at, count, mask)


class TracedRow(Row):
    """One row of a kernel; see `element.Row`."""

    def __init__(self, reader: Reader, case: Any, cancels: bool, keeping: bool) -> None:
        """Take the index of the row; keeping: exps are wanted by later passes."""
        self.trace, self.reader, self.memory = reader.trace, reader, reader.memory
        self.case, self.cancels, self.keeping = case, cancels, keeping
        self.wide = reader.layout.wide
        b = self.trace.builder
        self.base = b.mul(case, self.memory.classes)
        self.factor = reader.factor(case, 0)
        self.index = None
        if reader.layout.labels == "index":
            self.index = Whole(b.load(storage.address(self.trace, self.memory.labels[0], case, "int64"), typ=I64))
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
        return self.reader.element(at, mask, self.factor, self.cancels, place, fill)

    def element(self, k: int) -> Element:
        """Return element 0 alone."""
        assert k == 0
        place = Position(self.trace, ir.Constant(I64, 0), 0)
        z = storage.load(self.trace, self.memory.x, self.base, self.reader.layout.dtype, 0)
        return Element(z, (), self.factor, wide=self.wide, cancels=self.cancels, position=place)

    def number(self, x: Any) -> Number:
        """Return a lane as a number of the arithmetic in use."""
        return pair.as_pair(x) if self.wide else x

    def maximum(self) -> Lane:
        """Return the largest z, ignoring NaN."""
        b, dtype = self.trace.builder, self.reader.layout.dtype
        narrow = storage.KINDS[dtype] if dtype in ("float32", "float64") else F64
        # Compared as they are stored; several vectors at once, so that no comparison waits for the one before.
        lanes = self.trace.width * 64 // (32 if narrow != F64 else 64)
        kind = ir.VectorType(narrow, lanes)
        lowest = ir.Constant(kind, [float("-inf")] * lanes)
        best = slot(self.trace, kind, lowest)
        wider = Trace(b, lanes)

        def larger(i: Any, mask: Any) -> None:
            at = b.add(self.base, i)
            if narrow is F64:
                z = storage.load(wider, self.memory.x, at, dtype, lanes, mask, float("-inf")).code
            else:
                z = storage.raw(wider, self.memory.x, at, dtype, lanes, mask, float("-inf"))
            seen = b.load(best, typ=kind)
            b.store(b.select(b.fcmp_ordered(">", z, seen), z, seen), best)

        chunks(wider, ir.Constant(I64, 0), self.memory.classes, larger)
        found = storage.widened(wider, b.load(best, typ=kind), "float64" if narrow is F64 else dtype)
        return folded(wider, found, lambda x, y: wider.where(x > y, x, y))  # type: ignore[no-any-return]

    def first(self, m: Lane) -> Whole:
        """Return the index of the first z = m; 0 where there is none."""
        b, width = self.trace.builder, self.trace.width
        found = slot(self.trace, I64, ir.Constant(I64, -1))

        def look(e: Element, mask: Any) -> None:
            same = (e.z == m).code
            if mask is not None:
                same = b.and_(same, mask)
            bits = b.bitcast(same, ir.IntType(width))
            new = b.and_(
                b.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(width), 0)),
                b.icmp_signed("<", b.load(found, typ=I64), ir.Constant(I64, 0)),
            )
            with b.if_then(new, likely=False):
                low = b.cttz(bits, ir.Constant(ir.IntType(1), 1))
                b.store(b.add(e.position.base, b.zext(low, I64)), found)

        self.each(look)
        index = b.load(found, typ=I64)
        return Whole(b.select(b.icmp_signed("<", index, ir.Constant(I64, 0)), ir.Constant(I64, 0), index))

    def pick(self, index: Whole) -> Lane:
        """Return z at an index."""
        at = self.trace.builder.add(self.base, index.code)
        return storage.load(self.trace, self.memory.x, at, self.reader.layout.dtype, 0)

    def gap(self, z: Any, m: Any) -> Number:
        """Return z - m."""
        if not self.wide:
            return z - m
        return pair.exact_sum(z, -m)

    def limit(self, m: Lane, value: Lane) -> Lane:
        """Return the value: rows with an infinite m are left to NumPy."""
        return value

    def label(self, e: Element) -> Number:
        """Return the labels, one-hot for an index."""
        if self.index is None:
            return e.labels[0]
        return self.trace.where(e.at(self.index), 1.0, 0.0)

    def totals(self, *terms: Callable[[Element], Number]) -> tuple[Number, ...]:
        """Return sums over the classes."""
        sums = [Variable(self.trace, self.wide or self.cancels, 0.0, self.trace.width) for _ in terms]

        def add(e: Element, mask: Any) -> None:
            for place, term in zip(sums, terms, strict=True):
                place.set(self._sum(place, masked(self.trace, mask, term(e), 0.0)))

        self.each(add)
        return tuple(self._total(place) for place in sums)

    def _sum(self, place: Variable, x: Number) -> Number:
        """Add to a sum: as pairs where rounding errors would matter, else plainly."""
        return place.get() + x

    def _total(self, place: Variable) -> Number:
        total = folded(self.trace, place.get(), lambda a, b: a + b)
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
        shift = Variable(self.trace, False, 0.0, 0)

        def add(e: Element, mask: Any) -> None:
            small = term(e)
            if keep and self.keeping:
                self._keep(e, small)
            digits = small.digits
            if small.exponent is not None:
                digits = pair.coarse(small.digits, small.exponent + shift.get())
            if skip is not None:
                digits = pair.where(e.at(skip), 0.0, digits)
            rest.set(self._sum(rest, masked(self.trace, mask, digits, 0.0)))
            for place, other in zip(sums, others, strict=True):
                place.set(self._sum(place, masked(self.trace, mask, other(e), 0.0)))

        if not self.wide:
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
        b.cbranch(redo.code, again, after)
        b.position_at_end(after)
        return Small(total, -done), tuple(self._total(s) for s in sums)

    def _places(self, e: Element, parts: int) -> list[Any]:
        """Where the parts of a vector are kept, side by side."""
        b, width = self.trace.builder, self.trace.width
        start = b.mul(e.position.base, ir.Constant(I64, parts))
        return [b.add(start, ir.Constant(I64, k * width)) for k in range(parts)]

    def _keep(self, e: Element, small: Small) -> None:
        parts = [*_parts(small.digits), *([] if small.exponent is None else [small.exponent])]
        for place, part in zip(self._places(e, len(parts)), parts, strict=True):
            storage.store(self.trace, self.memory.scratch, place, "float64", part)

    def kept(self, e: Element) -> Small:
        """Return what was kept of a vector of elements, or of element 0."""

        def read() -> Small:
            parts = [
                storage.load(self.trace, self.memory.scratch, place, "float64", e.position.width)
                for place in self._places(e, 3 if self.wide else 1)
            ]
            return Small(Pair(parts[0], parts[1]), parts[2]) if self.wide else Small(parts[0])

        return e.once("kept", read)  # type: ignore[no-any-return]

    def product(self, term: Callable[[Element], Small]) -> Small:
        """Return the product of a positive term, its digits near 1."""
        width = self.trace.width
        digits = Variable(self.trace, self.wide, 1.0, width)
        exponent = Variable(self.trace, False, 0.0, width)

        def times(e: Element, mask: Any) -> None:
            factor = term(e)
            product = digits.get() * masked(self.trace, mask, factor.digits, 1.0)
            kept, size = self._normalized(product)
            digits.set(kept)
            if factor.exponent is not None:
                size = size + masked(self.trace, mask, factor.exponent, 0.0)
            exponent.set(exponent.get() + size)

        self.each(times)
        power = folded(self.trace, exponent.get(), lambda a, b: a + b)

        def join(a: Number, b: Number) -> Number:
            nonlocal power
            product, size = self._normalized(a * b)
            power = power + (size if not isinstance(size.code.type, ir.VectorType) else
                             folded(self.trace, size, lambda c, d: c + d))  # fmt: skip
            return product

        whole = folded(self.trace, digits.get(), join)
        return Small(whole, self.trace.where(power < -2200.0, -2200.0, power))

    def _normalized(self, x: Number) -> tuple[Number, Lane]:
        _, size = self.trace.split_exponent(pair.high(x))
        return pair.scaled(x, -size), size


def flag(trace: Trace, memory: Memory, place: Any, bad: Any, count: Any) -> None:
    """Write whether a case is left to NumPy, and count it."""
    b = trace.builder
    b.store(b.zext(bad, I8), storage.address(trace, memory.flags, place, "int8"))
    b.store(b.add(b.load(count, typ=I64), b.zext(bad, I64)), count)
