"""Loops of a kernel over memory: elements in vectors of a fixed width, rows in passes over their classes.

The last, partial vector of a row is read and written under a mask and goes through the same instructions as the
others, so an element's result does not depend on where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from . import pair, storage
from .layout import Memory
from .operators import Lane
from .pair import Number, Pair
from .trace import F64, I8, I64, Trace, barrier


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


def flag(trace: Trace, memory: Memory, place: Any, bad: Any, count: Any) -> None:
    """Write whether a case is left to NumPy, and count it."""
    b = trace.builder
    b.store(b.zext(bad, I8), storage.address(trace, memory.flags, place, "int8"))
    b.store(b.add(b.load(count, typ=I64), b.zext(bad, I64)), count)
