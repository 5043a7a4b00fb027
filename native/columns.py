"""Kernels of forms of rows, a vector of rows at a time, one a lane: nothing is reduced across lanes.

Where the class axis is not the last one, rows lie side by side in memory. Short rows are turned around first, so that
they do, in memory that stays near; the results of their elements are turned back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from llvmlite import ir

from . import pair, storage
from .element import Element
from .layout import Memory
from .loops import Variable, Whole, chunks, iota, loop, slot
from .operators import Lane
from .pair import Number
from .passes import TracedRow
from .program import Program
from .reader import Reader
from .results import Spoilt, output, write
from .store import Store
from .trace import F64, I8, I32, I64, Trace, barrier


def columns(trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
    """Append the rows start .. stop-1; total: what values are added to instead of being written."""
    b = trace.builder
    if program.layout.order == "turned":

        def turned(case: Any, mask: Any) -> None:
            _turned(trace, program, memory, case, mask, count, total)

        chunks(trace, memory.start, memory.stop, turned)
        return
    # Rows lie side by side in blocks of `inner`.
    inner, one = memory.inner, ir.Constant(I64, 1)
    last = b.sdiv(b.sub(memory.stop, one), inner)
    with loop(trace, b.sdiv(memory.start, inner), b.add(last, one), one) as block:
        begin = b.mul(block, inner)
        first, end = b.sub(memory.start, begin), b.sub(memory.stop, begin)
        first = b.select(b.icmp_signed(">", first, _ZERO), first, _ZERO)
        end = b.select(b.icmp_signed("<", end, inner), end, inner)

        def vector(i: Any, mask: Any) -> None:
            base = b.add(b.mul(begin, memory.classes), i)
            _vector(trace, program, memory, b.add(begin, i), base, mask, count, total)

        chunks(trace, first, end, vector)


_ZERO = ir.Constant(I64, 0)


def _turned(
    trace: Trace, program: Program, memory: Memory, case: Any, mask: Any, count: Any, total: Variable | None
) -> None:
    """Append a vector of rows, turned around to be computed."""
    b, width, dtype = trace.builder, trace.width, program.layout.dtype
    padded = b.and_(b.add(memory.classes, ir.Constant(I64, width - 1)), ir.Constant(I64, -width))
    size = b.mul(padded, ir.Constant(I64, width * 8))
    kept = b.mul(size, ir.Constant(I64, 3 if program.layout.wide else 1))
    places = {"x": b.add(memory.scratch, kept)}
    for q, stage in program.stages.items():
        if stage.vector:
            places[q] = b.add(list(places.values())[-1], size)
    near = replace(memory, **places, inner=ir.Constant(I64, width))
    rows = _offsets(trace, memory, case, mask)
    # Squares of one narrow register: what crosses the halves of a wide one is dear.
    side = Trace(b, 16 // storage.SIZES[dtype])

    def squares(i: Any, body: Callable[[int, list[Any]], None]) -> None:
        for first in range(0, width, side.width):
            steps = [b.mul(b.add(i, ir.Constant(I64, k)), ir.Constant(I64, width)) for k in range(side.width)]
            body(first, [b.add(step, ir.Constant(I64, first)) for step in steps])

    def turn(i: Any, within: Any) -> None:
        def square(first: int, places: list[Any]) -> None:
            ours = rows[first : first + side.width]
            codes = [storage.raw(side, memory.x, b.add(row, i), dtype, side.width, within) for row in ours]
            for place, code in zip(places, _exchanged(side, codes), strict=True):
                storage.put(side, near.x, place, dtype, code)

        squares(i, square)

    chunks(side, _ZERO, memory.classes, turn)
    _vector(trace, program, near, case, _ZERO, mask, count, total)

    def back(i: Any, within: Any, q: str) -> None:
        def square(first: int, steps: list[Any]) -> None:
            codes = [storage.raw(side, places[q], step, dtype, side.width) for step in steps]
            for k, code in enumerate(_exchanged(side, codes), first):
                if mask is None:
                    storage.put(side, output(memory, q), b.add(rows[k], i), dtype, code, within)
                else:
                    with b.if_then(b.extract_element(mask, ir.Constant(I32, k))):
                        storage.put(side, output(memory, q), b.add(rows[k], i), dtype, code, within)

        squares(i, square)

    for q in places:
        if q != "x":
            chunks(side, _ZERO, memory.classes, partial(back, q=q))


def _offsets(trace: Trace, memory: Memory, case: Any, mask: Any) -> list[Any]:
    """Return where the rows of a vector begin; the last row stands for those that do not exist."""
    b = trace.builder
    rows = [b.add(case, ir.Constant(I64, k)) for k in range(trace.width)]
    if mask is not None:
        last = b.sub(memory.stop, ir.Constant(I64, 1))
        rows = [b.select(b.icmp_signed("<", row, last), row, last) for row in rows]
    return [b.mul(row, memory.classes) for row in rows]


def _exchanged(trace: Trace, rows: list[Any]) -> list[Any]:
    """Return the columns of a square of vectors: halves are interleaved as often as two goes into them."""
    b, width = trace.builder, trace.width
    halves = [
        ir.Constant(ir.VectorType(I32, width), [n // 2 + start + (n % 2) * width for n in range(width)])
        for start in (0, width // 2)
    ]
    for _ in range(width.bit_length() - 1):
        pairs = zip(rows[: width // 2], rows[width // 2 :], strict=True)
        rows = [b.shuffle_vector(one, other, half) for one, other in pairs for half in halves]
    return rows


def _vector(
    trace: Trace, program: Program, memory: Memory, case: Any, base: Any, mask: Any, count: Any, total: Variable | None
) -> None:
    """Append a vector of rows that lie side by side."""
    keeps = any(stage.vector and stage.keeps for stage in program.stages.values())
    row = Columns(Reader(trace, memory, program.layout), case, base, mask, program.cancels, keeps)
    states: dict[Any, Any] = {}
    for stage in program.stages.values():
        if stage.prepare not in states:
            states[stage.prepare] = stage.prepare(row)
    spoilt = Spoilt(trace, trace.width)

    def result(q: str, x: Number, at: Any) -> None:
        x = pair.where(row.ignored, 0.0, x) if row.ignored is not None else x
        spoilt.add(x, write(trace, program, memory, q, at, x, mask, total), mask)

    for q, stage in program.stages.items():
        if not stage.vector:
            x = stage.finish(states[stage.prepare])
            result(q, x if row.scale.value is None else x * row.scale.value, case)
    vectors = {q: stage for q, stage in program.stages.items() if stage.vector}
    if vectors:

        def element(e: Element, _: Any) -> None:
            at = trace.builder.add(base, trace.builder.mul(e.position.base, memory.inner))
            for q, stage in vectors.items():
                result(q, row.full(stage.finish(states[stage.prepare], e.bare() if q == "value" else e)), at)

        row.each(element)
    _flag(trace, memory, case, spoilt.each(), mask, count)


def _flag(trace: Trace, memory: Memory, case: Any, bad: Any, mask: Any, count: Any) -> None:
    """Write which rows are left to NumPy, and count them."""
    b = trace.builder
    if mask is not None:
        bad = b.and_(bad, mask)
    storage.put(trace, memory.flags, case, "int8", b.zext(bad, ir.VectorType(I8, trace.width)), mask)
    bits = b.ctpop(b.bitcast(bad, ir.IntType(trace.width)))
    b.store(b.add(b.load(count, typ=I64), b.zext(bits, I64)), count)


class Columns(TracedRow):
    """A vector of rows, one a lane."""

    def __init__(self, reader: Reader, case: Any, base: Any, mask: Any, cancels: bool, keeps: bool) -> None:
        """Take the first row, and where its first element is; mask: which rows exist; keeps: see `TracedRow`."""
        self.trace, self.reader, self.memory = reader.trace, reader, reader.memory
        self.case, self.base, self.mask, self.cancels = case, base, mask, cancels
        self.wide, self.keeps, self.lanes = reader.layout.wide, keeps, reader.trace.width
        self.apart = None
        self._known = {}
        self._store = Store(self.trace, self.memory.scratch, self.wide, lone=True)
        self.index = self.smoothed = self.ignored = None
        layout, b = reader.layout, self.trace.builder
        if layout.labels in ("index", "smoothed"):
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
        best = Variable(self.trace, False, float("-inf"), self.trace.width)
        self.each(lambda e, _: best.set(self.trace.where(e.z > best.get(), e.z, best.get())))
        m: Lane = best.get()
        return m

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

