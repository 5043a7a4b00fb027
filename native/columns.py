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

from . import pair, scan, storage
from .element import Element
from .layout import Memory
from .loops import Variable, chunks, loop
from .operators import Lane
from .pair import Number
from .program import Program
from .reader import Reader
from .results import Spoilt, output, write
from .side import Columns
from .trace import I8, I32, I64, Trace


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
    reader = Reader(trace, memory, program.layout)
    if not (program.layout.wide and program.formula.logits):
        _computed(reader, program, case, base, mask, count, total)
        return
    largest, smallest = Columns(reader, case, base, mask, False, False).extent()
    near = largest - smallest < scan.NEAR
    # Rows that are not near get something, which is replaced.
    _computed(reader, program, case, base, mask, count, total, largest, near.code)
    far = (~near).code if mask is None else trace.builder.and_((~near).code, mask)
    with trace.builder.if_then(trace.any(Lane(trace, far)), likely=False):
        _computed(reader, program, case, base, far, count, total)


def _computed(
    reader: Reader, program: Program, case: Any, base: Any, mask: Any, count: Any, total: Variable | None,
    largest: Lane | None = None, only: Any = None,
) -> None:  # fmt: skip
    """Append the quantities of a vector of rows; only: the rows whose results are right, where `largest` is given."""
    trace, memory = reader.trace, reader.memory
    keeps = any(stage.vector and stage.keeps for stage in program.stages.values())
    row = Columns(reader, case, base, mask, program.cancels, keeps, largest)
    right = mask if only is None else only if mask is None else trace.builder.and_(only, mask)
    states: dict[Any, Any] = {}
    for stage in program.stages.values():
        if stage.prepare not in states:
            states[stage.prepare] = stage.prepare(row)
    spoilt = Spoilt(trace, trace.width)

    def result(q: str, x: Number, at: Any) -> None:
        x = pair.where(row.ignored, 0.0, x) if row.ignored is not None else x
        within = right if q == "value" and total is not None else mask
        spoilt.add(x, write(trace, program, memory, q, at, x, within, total), right)

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
    bad = spoilt.each()
    if right is not None:
        bad = trace.builder.and_(bad, right)
    _flag(trace, memory, case, bad, mask, count)


def _flag(trace: Trace, memory: Memory, case: Any, bad: Any, mask: Any, count: Any) -> None:
    """Write which rows are left to NumPy, and count them."""
    b = trace.builder
    storage.put(trace, memory.flags, case, "int8", b.zext(bad, ir.VectorType(I8, trace.width)), mask)
    bits = b.ctpop(b.bitcast(bad, ir.IntType(trace.width)))
    b.store(b.add(b.load(count, typ=I64), b.zext(bits, I64)), count)
