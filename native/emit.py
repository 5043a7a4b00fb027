"""The body of a kernel: the formulas of a form, run on traced lanes, between reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from . import pair, storage
from .element import Element
from .formula import Formula
from .loops import Layout, Memory, Reader, Variable, chunks, flag, folded, loop, slot
from .pair import Number
from .passes import TracedRow
from .trace import I32, I64, Lane, Trace


@dataclass(frozen=True)
class Program:
    """What a kernel computes: a formula, its quantities, and what the arrays hold."""

    formula: Formula
    quantities: tuple[str, ...]
    layout: Layout

    @property
    def cancels(self) -> bool:
        """Whether a quantity needs all digits of its terms."""
        return any(self.formula.exact(q, self.layout.labels == "index") for q in self.quantities)


def emit(trace: Trace, program: Program, memory: Memory) -> Any:
    """Append the kernel for cases start .. stop-1; return how many flags it set, int64.

    A flag says that a result of a row, or of a vector of elements, is not finite: NumPy computes it again.
    """
    count = slot(trace, I64, ir.Constant(I64, 0))
    if program.formula.rows:
        with loop(trace, memory.start, memory.stop, 1) as case:
            _row(trace, program, memory, case, count)
    else:
        _elements(trace, program, memory, count)
    return trace.builder.load(count, typ=I64)


def _elements(trace: Trace, program: Program, memory: Memory, count: Any) -> None:
    reader = Reader(trace, memory, program.layout)
    b = trace.builder

    def vector(i: Any, mask: Any) -> None:
        e = reader.element(i, mask, reader.factor(i, trace.width, mask), program.cancels, None, 0.0)
        bare = Element(e.z, e.labels, None, wide=e.wide, cancels=e.cancels)
        bare._known = e._known
        check: Number = Lane(trace, trace.constant(0.0, ir.VectorType(ir.DoubleType(), trace.width)))
        for q in program.quantities:
            x = program.formula.element(q)(bare if q == "value" else e)
            safe = pair.rounded(x) if mask is None else trace.where(Lane(trace, mask), pair.rounded(x), 0.0)
            check = _checked(check, safe)
            _write(trace, program, memory, q, i, x, mask)
        place = b.sdiv(i, ir.Constant(I64, trace.width))
        flag(trace, memory, place, trace.any(check != check), count)

    chunks(trace, memory.start, memory.stop, vector)


def _checked(check: Number, x: Number) -> Number:
    """Become NaN where a number is not finite."""
    lane = pair.rounded(x)
    zero = Lane(lane.trace, lane.trace.constant(0.0, lane.code.type))  # 0 times an infinity is NaN
    return lane.trace.fused(lane, zero, check)


def _write(trace: Trace, program: Program, memory: Memory, q: str, at: Any, x: Number, mask: Any) -> None:
    """Write a vector of a quantity."""
    if q == "value" and program.layout.value != "rounded":
        storage.store(trace, memory.value, at, "float64", pair.high(x), mask)
        if program.layout.value == "pairs":
            storage.store(trace, memory.value_low, at, "float64", pair.as_pair(x).low, mask)
        return
    place = {"value": memory.value, "grad": memory.grad, "hess": memory.hess}[q]
    storage.store(trace, place, at, program.layout.dtype, pair.rounded(x), mask)


def _row(trace: Trace, program: Program, memory: Memory, case: Any, count: Any) -> None:
    formula, index = program.formula, program.layout.labels == "index"
    stages = {q: formula.row(q, index) for q in program.quantities}
    keeping = any(vector for _, _, vector in stages.values())
    row = TracedRow(Reader(trace, memory, program.layout), case, program.cancels, keeping)
    states: dict[Any, Any] = {}
    for prepare, _, _ in stages.values():
        if prepare not in states:
            states[prepare] = prepare(row)
    check = Variable(trace, False, 0.0, 0)
    for q, (prepare, finish, vector) in stages.items():
        if not vector:
            x = finish(states[prepare])
            check.set(_checked(check.get(), x))
            _write(trace, program, memory, q, case, x, None)
    vectors = {q: (p, f) for q, (p, f, vector) in stages.items() if vector}
    if vectors:
        _vectors(trace, program, memory, row, states, vectors, check)
    bad = check.get() != check.get()
    flag(trace, memory, case, bad.code, count)


def _vectors(
    trace: Trace, program: Program, memory: Memory, row: TracedRow, states: Any, stages: Any, check: Variable
) -> None:
    """Append the pass that writes a number an element."""
    seen = Variable(trace, False, 0.0, trace.width)

    def write(e: Element, mask: Any) -> None:
        at = trace.builder.add(row.base, e.position.base)
        for q, (prepare, finish) in stages.items():
            if q == "value":
                e.factor, factor = None, e.factor
            x = finish(states[prepare], e)
            if q == "value":
                e.factor = factor
            # Results of masked elements are those of a filler, and may be anything.
            safe = pair.rounded(x) if mask is None else trace.where(Lane(trace, mask), pair.rounded(x), 0.0)
            seen.set(_checked(seen.get(), safe))
            _write(trace, program, memory, q, at, x, mask)

    row.each(write)
    check.set(check.get() + folded(trace, seen.get(), lambda a, b: a + b))


def emit_check(trace: Trace, kind: str, dtype: str, memory: Memory) -> Any:
    """Append a pass over the labels start .. stop-1; return how many are not of a kind of `check.RANGES`.

    kind "index": int64 below `classes`, none below 0. NaN is of every other kind.
    """
    count = slot(trace, ir.VectorType(I64, trace.width), ir.Constant(ir.VectorType(I64, trace.width), None))
    b = trace.builder

    def vector(i: Any, mask: Any) -> None:
        code = storage.raw(trace, memory.x, i, dtype, trace.width, mask)
        if kind == "index":
            bad = b.icmp_unsigned(">=", code, trace.splat(memory.classes, trace.width))
        else:
            y = storage.widened(trace, code, dtype)
            bad = b.and_(b.not_(_good(trace, y, kind).code), (y == y).code)
        if mask is not None:
            bad = b.and_(bad, mask)
        seen = b.load(count, typ=ir.VectorType(I64, trace.width))
        b.store(b.add(seen, b.zext(bad, seen.type)), count)

    chunks(trace, memory.start, memory.stop, vector)
    total = ir.Constant(I64, 0)
    seen = b.load(count, typ=ir.VectorType(I64, trace.width))
    for k in range(trace.width):
        total = b.add(total, b.extract_element(seen, ir.Constant(I32, k)))
    return total


def _good(trace: Trace, y: Lane, kind: str) -> Lane:
    if kind == "unit":
        return (y >= 0.0) & ~(y > 1.0)
    if kind == "bits":
        return (y == 0.0) | (y == 1.0)
    if kind == "signs":
        return trace.size(y) == 1.0
    return (y >= 0.0) & (y < float("inf"))
