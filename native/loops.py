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
from .element import Element
from .operators import Lane
from .pair import Number, Pair
from .trace import F64, I8, I64, Trace, barrier


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
    group: Any
    check: Any


@dataclass(frozen=True)
class Layout:
    """What a kernel's arrays hold.

    dtype: of x and of the results. labels: "" none, "index", "smoothed" (an index, and four float64: the label at the
    index and elsewhere, as pairs), "plain" (in dtype), "linear" (in dtype, and eight float64: the weights a and b of
    label 1, then of label 0, as pairs), "lanes" or "pairs" (float64, one number an element), "two lanes" or "two pairs"
    (a and b). factor: "" none, "one", "each" case. value: "rounded", "averaged" (over the class axis, then rounded), or
    "lanes"/"pairs" of float64 that are rounded later, or "sums": a pair a group of cases.
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
def loop(trace: Trace, start: Any, stop: Any, step: Any) -> Any:
    """Repeat what is appended inside for i = start, start + step, ... while i < stop; gives i. All are int64."""
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
    b.store(b.add(i, step), place)
    b.branch(head)
    b.position_at_end(done)


def chunks(trace: Trace, start: Any, stop: Any, body: Callable[[Any, Any], None], apart: Any = None) -> None:
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
    barrier(b)
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


def spread(trace: Trace, x: Number) -> Number:
    """Return a number as a vector, of equal elements where it is one alone."""
    zero = Lane(trace, trace.constant(0.0, ir.VectorType(F64, trace.width)))
    return _map(x, lambda lane: Lane(trace, trace.alike(lane, zero)[0]))


def folded(trace: Trace, x: Number, join: Callable[[Number, Number], Number]) -> Number:
    """Join the elements of a vector, halves first."""
    while isinstance(pair.high(x).code.type, ir.VectorType):
        if pair.high(x).code.type.count == 1:
            return _map(x, lambda lane: trace.extract(lane, 0))
        low, high = zip(*(trace.halves(part) for part in parts_of(x)), strict=True)
        x = join(joined(low), joined(high))
    return x


def parts_of(x: Number) -> tuple[Lane, ...]:
    """Return the lanes of a number."""
    return (x.high, x.low) if isinstance(x, Pair) else (x,)


def joined(parts: tuple[Lane, ...]) -> Number:
    """Return the number of these lanes."""
    return Pair(*parts) if len(parts) == 2 else parts[0]


def _map(x: Number, f: Callable[[Lane], Lane]) -> Number:
    return joined(tuple(f(part) for part in parts_of(x)))


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
        #: a for labels 1 and 0, then b
        self._weights: list[Number] = []
        if layout.labels == "linear":
            table = [storage.load(trace, memory.labels[1], ir.Constant(I64, k), "float64", 0) for k in range(8)]
            pairs = [Pair(*table[k : k + 2]) for k in (0, 4, 2, 6)]
            self._weights = [p if layout.wide else pair.rounded(p) for p in pairs]

    def element(self, at: Any, mask: Any, factor: Number | None, cancels: bool, position: Any, fill: float) -> Element:
        """Return the vector of elements at an offset."""
        z = storage.load(self.trace, self.memory.x, at, self.layout.dtype, self.trace.width, mask, fill)
        return Element(z, self.labels(at, mask), factor, wide=self.layout.wide, cancels=cancels, position=position)

    def labels(self, at: Any, mask: Any) -> tuple[Number, ...]:
        """Return the labels of the vector at an offset."""
        kind, where = self.layout.labels, self.memory.labels
        if kind in ("", "index", "smoothed"):
            return ()
        if kind == "plain":
            return (storage.load(self.trace, where[0], at, self.layout.dtype, self.trace.width, mask),)
        if kind == "linear":
            y = storage.load(self.trace, where[0], at, self.layout.dtype, self.trace.width, mask)
            rest = pair.exact_sum(1.0, -y) if self.layout.wide else 1.0 - y
            one_a, zero_a, one_b, zero_b = self._weights
            # Of a label 0 or 1 one product is 0 and the other a weight: nothing is rounded.
            return y * one_a + rest * zero_a, y * one_b + rest * zero_b
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
        return self.number(self.memory.factor[0], self.memory.factor[1], at, count, mask)


def flag(trace: Trace, memory: Memory, place: Any, bad: Any, count: Any) -> None:
    """Write whether a case is left to NumPy, and count it."""
    b = trace.builder
    b.store(b.zext(bad, I8), storage.address(trace, memory.flags, place, "int8"))
    b.store(b.add(b.load(count, typ=I64), b.zext(bad, I64)), count)
