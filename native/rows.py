"""Kernels of forms of rows, one row at a time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import pair, scan, storage
from .element import Element
from .elements import added, margin_of, margins
from .formula import Stage
from .hot import only_one
from .layout import Memory
from .loops import Variable, Whole, chunks, flag, folded, joined, loop, masked, parts_of, slot, spread
from .margin import Margin
from .operators import Lane
from .pair import Number
from .passes import TracedRow
from .program import Program
from .reader import Reader
from .results import Spoilt, output, write
from .trace import F64, I1, I64, Trace
from .ziv import Attempts, Rounded, Summed


def rows(
    trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None, error: Variable | None = None
) -> None:
    """Append the rows start .. stop-1; total: what values are added to instead of being written.

    error: what bounds of their errors are added to, where values may be tried; they are written if they hold.
    """
    b, layout = trace.builder, program.layout
    hot, margin = program.hot, margin_of(trace, program)
    ways = [Rows(trace, one, memory, count, total, error) for one in (program, hot) if one]
    with loop(trace, memory.start, memory.stop, ir.Constant(I64, 1)) as case:
        if margin:
            bad = _neurons(trace, program, memory, margin, case, count, total)
            with b.if_then(bad, likely=False):
                ways[0].append(case)
        elif layout.weighs("ignore"):
            index = b.load(storage.address(trace, memory.labels[0], case, "int64"), typ=I64)
            with b.if_else(b.icmp_signed("==", index, memory.ignore), likely=False) as (ignored, kept):
                with ignored:
                    _nothing(trace, program, memory, case, count)
                with kept:
                    ways[0].append(case)
        elif hot is None:
            ways[0].append(case)
        else:
            index = only_one(trace, memory, layout.dtype, case)
            with b.if_else(b.icmp_signed(">=", index, ir.Constant(I64, 0))) as (one, several):
                with one:
                    ways[1].append(case, Whole(index))
                with several:
                    ways[0].append(case)


def _nothing(trace: Trace, program: Program, memory: Memory, case: Any, count: Any) -> None:
    """Append a row whose results are 0, and add nothing to a total."""
    b, dtype = trace.builder, program.layout.dtype
    zero = Lane(trace, trace.constant(0.0, F64))
    base = b.mul(case, memory.classes)
    places = [output(memory, q) for q, stage in program.stages.items() if stage.vector]

    def vector(i: Any, mask: Any) -> None:
        for place in places:
            storage.store(trace, place, b.add(base, i), dtype, spread(trace, zero), mask)

    chunks(trace, ir.Constant(I64, 0), memory.classes, vector)
    for q, stage in program.stages.items():
        if not stage.vector and not program.layout.summed:
            write(trace, program, memory, q, case, zero, None, None)
    flag(trace, memory, case, ir.Constant(I1, 0), count)


class Rows:
    """One way to compute rows: of one program."""

    def __init__(
        self, trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None, error: Variable | None
    ) -> None:
        """Take where rows are, where flags are counted, and what values and bounds of errors are added to."""
        self.trace, self.program, self.memory, self.count, self.total = trace, program, memory, count, total
        near = program.near
        self.reader = Reader(trace, memory, program.layout)
        self.attempts: Attempts | None = None
        if near and total is None:
            self.attempts = Rounded(self.reader, near)
        elif near and total is not None and error is not None:
            self.attempts = Summed(self.reader, near, total, error)

    def append(self, case: Any, index: Whole | None = None) -> None:
        """Append a row; index: the class index that labels it, where that is not in memory."""
        if self.attempts is None:
            self._computed(case, index)
            return
        found = self.attempts.value(case, index)
        with self.trace.builder.if_else(found, likely=True) as (there, missing):
            with there:
                flag(self.trace, self.memory, case, ir.Constant(I1, 0), self.count)
            with missing:
                self.attempts.learn(self._computed(case, index)["value"])

    def _computed(self, case: Any, index: Whole | None) -> dict[str, Number]:
        # Rows that are not one-hot beside such that are get one way only: two ways of each take long to compile.
        if not (self.program.layout.wide and self.program.formula.logits) or self.program.hot:
            return _row(self.reader, self.program, case, index, self.count, self.total)
        trace, memory, dtype = self.trace, self.memory, self.program.layout.dtype
        base = trace.builder.mul(case, memory.classes)
        largest, smallest = scan.extent(trace, memory, base, dtype)
        near = (largest - smallest < scan.NEAR).code
        with trace.builder.if_else(near, likely=True) as (usual, other):
            with usual:
                _row(self.reader, self.program, case, index, self.count, self.total, largest)
            with other:
                _row(self.reader, self.program, case, index, self.count, self.total)
        assert self.attempts is None  # which alone needs what was computed
        return {}


def _neurons(
    trace: Trace, program: Program, memory: Memory, margin: Margin, case: Any, count: Any, total: Variable | None
) -> Any:
    """Append a row whose value is a sum of losses of margins; return whether an element is one that needs more.

    The value of such a row is not written; its derivatives are, and must be written again.
    """
    b, layout = trace.builder, program.layout
    reader = Reader(trace, memory, layout)
    scale = reader.scale(case, 0)
    base = b.mul(case, memory.classes)
    value = Variable(trace, layout.wide, 0.0, trace.width)
    add = pair.grown if margin.sign > 0.0 else pair.accumulated
    bad = slot(trace, I1, ir.Constant(I1, 0))

    def vector(i: Any, mask: Any) -> None:
        at = b.add(base, i)
        m, weight = margins(trace, reader, margin, scale, at, mask, i)
        for q in program.quantities:
            x = m.quantity(q)
            if q == "value":
                x = added(trace, x) if weight is None else added(trace, x) * weight
                value.set(add(value.get(), masked(trace, mask, x, 0.0)))
            else:
                write(trace, program, memory, q, at, x, mask, None)
        other = (~m.good).code if mask is None else b.and_((~m.good).code, mask)
        b.store(b.or_(b.load(bad, typ=I1), trace.any(Lane(trace, other))), bad)

    chunks(trace, ir.Constant(I64, 0), memory.classes, vector)
    with b.if_then(b.not_(b.load(bad, typ=I1)), likely=True):
        if "value" in program.quantities:
            whole = folded(trace, pair.settled(value.get()), lambda x, y: x + y)
            whole = whole if scale.value is None else whole * scale.value
            write(trace, program, memory, "value", case, whole, None, total)
        flag(trace, memory, case, ir.Constant(I1, 0), count)
    return b.load(bad, typ=I1)


def _row(
    reader: Reader, program: Program, case: Any, index: Whole | None, count: Any, total: Variable | None,
    largest: Lane | None = None,
) -> dict[str, Number]:  # fmt: skip
    """Append one row; return its quantities that are one number a row, not weighed; largest: see `TracedRow`."""
    trace, memory = reader.trace, reader.memory
    outputs = tuple(output(memory, q) for q, stage in program.stages.items() if stage.vector)
    keeps = any(stage.vector and stage.keeps for stage in program.stages.values())
    row = TracedRow(reader, case, program.cancels, outputs, index, keeps, largest)
    states: dict[Any, Any] = {}
    for stage in program.stages.values():
        if stage.prepare not in states:
            states[stage.prepare] = stage.prepare(row)
    alone, spoilt = Spoilt(trace, 0), Spoilt(trace, trace.width)
    numbers = {}
    for q, stage in program.stages.items():
        if not stage.vector:
            x = numbers[q] = _number(row, program, stage, states[stage.prepare])
            x = x if row.scale.value is None else x * row.scale.value
            alone.add(x, write(trace, program, memory, q, case, x, None, total))
    if len(numbers) < len(program.stages):
        _vectors(trace, program, memory, row, states, spoilt)
    flag(trace, memory, case, trace.builder.or_(alone.any(), spoilt.any()), count)
    return numbers


def _number(row: TracedRow, program: Program, stage: Stage, state: Any) -> Number:
    """Append what a quantity is that is one number a row; with all digits, computed anew, where it cancels."""
    x = stage.finish(state)
    if stage.clear is None or program.cancels:
        return x
    trace, b = row.trace, row.trace.builder
    places = [(part.code.type, slot(trace, part.code.type, part.code)) for part in parts_of(x)]
    with b.if_then(b.not_(stage.clear(state, x).code), likely=False):
        again = stage.finish(stage.prepare(TracedRow(row.reader, row.case, True, largest=row.largest)))
        for (_, place), part in zip(places, parts_of(again), strict=True):
            b.store(part.code, place)
    return joined(tuple(Lane(trace, b.load(place, typ=kind)) for kind, place in places))


def _vectors(
    trace: Trace, program: Program, memory: Memory, row: TracedRow, states: Any, spoilt: Spoilt
) -> None:
    """Append the pass that writes a number an element."""
    stages = {q: stage for q, stage in program.stages.items() if stage.vector}

    def vector(e: Element, mask: Any) -> None:
        at = trace.builder.add(row.base, e.position.base)
        for q, stage in stages.items():
            x = spread(trace, stage.finish(states[stage.prepare], e.bare() if q == "value" else e))
            spoilt.add(x, write(trace, program, memory, q, at, x, mask, None), mask)

    row.each(vector)
