"""The body of a kernel: the formulas of a form, run on traced lanes, between reads and writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from llvmlite import ir

from . import pair, storage
from .element import Element
from .formula import Formula
from .loops import Layout, Memory, Reader, Variable, chunks, flag, folded, loop, masked, slot
from .pair import Number
from .passes import TracedRow
from .trace import F32, F64, I64, Lane, Trace


@dataclass(frozen=True)
class Program:
    """What a kernel computes: a formula, its quantities, what the arrays hold, and the kind of labels."""

    formula: Formula
    quantities: tuple[str, ...]
    layout: Layout
    labels: str

    @property
    def cancels(self) -> bool:
        """Whether a quantity needs all digits of its terms."""
        return any(self.formula.exact(q, self.layout.labels == "index") for q in self.quantities)


def emit(trace: Trace, program: Program, memory: Memory) -> Any:
    """Append the kernel for cases start .. stop-1; return how many flags it set, int64.

    A flag says that a result of a row, or of a vector of elements, is not finite: NumPy computes it again. Where it
    is to check labels and one is wrong, it returns `WRONG` before anything is written.
    """
    b = trace.builder
    count = slot(trace, I64, ir.Constant(I64, 0))
    if program.layout.labels in ("index", "plain"):
        with b.if_then(b.icmp_signed("!=", memory.check, ir.Constant(I64, 0))):
            wrong = _wrong(trace, program, memory)
            b.store(b.select(wrong, ir.Constant(I64, WRONG), ir.Constant(I64, 0)), count)
    with b.if_then(b.icmp_signed("==", b.load(count, typ=I64), ir.Constant(I64, 0))):
        if program.layout.value == "sums":
            with loop(trace, memory.start, memory.stop, memory.group) as start:
                end = b.add(start, memory.group)
                end = b.select(b.icmp_signed("<", end, memory.stop), end, memory.stop)
                _summed(trace, program, replace(memory, start=start, stop=end), count)
        else:
            _cases(trace, program, memory, count, None)
    return b.load(count, typ=I64)


def _summed(trace: Trace, program: Program, memory: Memory, count: Any) -> None:
    """Append one group of cases, whose values are added up. Groups are the same for any number of threads."""
    total = Variable(trace, True, 0.0, 0 if program.formula.rows else trace.width)
    _cases(trace, program, memory, count, total)
    joined = pair.as_pair(folded(trace, pair.settled(total.get()), lambda a, b: a + b))
    place = trace.builder.sdiv(memory.start, memory.group)
    storage.store(trace, memory.value, place, "float64", joined.high)
    storage.store(trace, memory.value_low, place, "float64", joined.low)


def _cases(trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
    """Append the cases start .. stop-1; total: what values are added to instead of being written."""
    if program.formula.rows:
        with loop(trace, memory.start, memory.stop, ir.Constant(I64, 1)) as case:
            _row(trace, program, memory, case, count, total)
    else:
        _elements(trace, program, memory, count, total)


#: what a kernel returns that has found a wrong label; no sum with numbers of flags is 0
WRONG = -(2**62)


def _wrong(trace: Trace, program: Program, memory: Memory) -> Any:
    """Append a look at the labels of these cases; return whether one is wrong."""
    if program.layout.labels == "index":
        return _unlike(trace, "index", "int64", memory.labels[0], memory.start, memory.stop, memory.classes)
    start, stop = memory.start, memory.stop
    if program.formula.rows:
        start, stop = (trace.builder.mul(x, memory.classes) for x in (start, stop))
    return _unlike(trace, program.labels, program.layout.dtype, memory.labels[0], start, stop, memory.classes)


def _elements(trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
    reader = Reader(trace, memory, program.layout)
    b = trace.builder

    def vector(i: Any, mask: Any) -> None:
        e = reader.element(i, mask, reader.factor(i, trace.width, mask), program.cancels, None, 0.0)
        bare = Element(e.z, e.labels, None, wide=e.wide, cancels=e.cancels)
        bare._known = e._known
        spoilt = Spoilt(trace, trace.width)
        for q in program.quantities:
            x = program.formula.element(q)(bare if q == "value" else e)
            spoilt.add(x, _write(trace, program, memory, q, i, x, mask, total), mask)
        place = b.sdiv(i, ir.Constant(I64, trace.width))
        flag(trace, memory, place, spoilt.any(), count)

    chunks(trace, memory.start, memory.stop, vector)


class Spoilt:
    """Whether results are finite: 0 times each is added up, which is NaN where one is not."""

    def __init__(self, trace: Trace, count: int) -> None:
        """Start with nothing; count: results in a vector, 0 for one alone."""
        self.trace = trace
        self._sums = {}
        for element in (F32, F64):
            kind = ir.VectorType(element, count) if count else element
            self._sums[element] = kind, slot(trace, kind, trace.constant(0.0, kind))

    def add(self, x: Number, stored: Any, mask: Any = None) -> None:
        """Take a result and how it was stored: twice as many float32 are looked at in one instruction."""
        code = stored if storage.element(stored) == F32 else pair.rounded(x).code
        zero = self.trace.constant(0.0, code.type)
        if mask is not None:  # results of masked elements are those of a filler, and may be anything
            code = self.trace.builder.select(mask, code, zero)
        kind, place = self._sums[storage.element(code)]
        total = self.trace.fused_code(code, zero, self.trace.builder.load(place, typ=kind))
        self.trace.builder.store(total, place)

    def any(self) -> Any:
        """Return, as one bit, whether one is not finite."""
        b = self.trace.builder
        bits = []
        for kind, place in self._sums.values():
            code = b.load(place, typ=kind)
            bits.append(self.trace.any(Lane(self.trace, b.fcmp_unordered("uno", code, code))))
        return b.or_(*bits)


def _write(
    trace: Trace, program: Program, memory: Memory, q: str, at: Any, x: Number, mask: Any, total: Variable | None
) -> Any:
    """Write a vector of a quantity, or add it to a total, and return it as it is stored."""
    if q == "value" and total is not None:
        total.set(pair.accumulated(total.get(), masked(trace, mask, x, 0.0)))
        return pair.rounded(x).code
    if q == "value" and program.layout.value != "rounded":
        if program.layout.value == "pairs":
            storage.store(trace, memory.value_low, at, "float64", pair.as_pair(x).low, mask)
        return storage.store(trace, memory.value, at, "float64", pair.high(x), mask)
    return storage.store(trace, _output(memory, q), at, program.layout.dtype, pair.rounded(x), mask)


def _output(memory: Memory, q: str) -> Any:
    """Return where a quantity is written."""
    return {"value": memory.value, "grad": memory.grad, "hess": memory.hess}[q]


def _row(
    trace: Trace, program: Program, memory: Memory, case: Any, count: Any, total: Variable | None
) -> None:
    formula, index = program.formula, program.layout.labels == "index"
    stages = {q: formula.row(q, index) for q in program.quantities}
    outputs = tuple(_output(memory, q) for q, (_, _, vector) in stages.items() if vector)
    row = TracedRow(Reader(trace, memory, program.layout), case, program.cancels, outputs)
    states: dict[Any, Any] = {}
    for prepare, _, _ in stages.values():
        if prepare not in states:
            states[prepare] = prepare(row)
    alone, spoilt = Spoilt(trace, 0), Spoilt(trace, trace.width)
    for q, (prepare, finish, vector) in stages.items():
        if not vector:
            x = finish(states[prepare])
            alone.add(x, _write(trace, program, memory, q, case, x, None, total))
    vectors = {q: (p, f) for q, (p, f, vector) in stages.items() if vector}
    if vectors:
        _vectors(trace, program, memory, row, states, vectors, spoilt)
    flag(trace, memory, case, trace.builder.or_(alone.any(), spoilt.any()), count)


def _vectors(
    trace: Trace, program: Program, memory: Memory, row: TracedRow, states: Any, stages: Any, spoilt: Spoilt
) -> None:
    """Append the pass that writes a number an element."""

    def write(e: Element, mask: Any) -> None:
        at = trace.builder.add(row.base, e.position.base)
        for q, (prepare, finish) in stages.items():
            if q == "value":
                e.factor, factor = None, e.factor
            x = finish(states[prepare], e)
            if q == "value":
                e.factor = factor
            spoilt.add(x, _write(trace, program, memory, q, at, x, mask, None), mask)

    row.each(write)


def emit_check(trace: Trace, kind: str, dtype: str, memory: Memory) -> Any:
    """Append a pass over the labels start .. stop-1 of x; return whether one is not of a kind of `check.RANGES`.

    kind "index": int64 below `classes`, none below 0. NaN is of every other kind.
    """
    wrong = _unlike(trace, kind, dtype, memory.x, memory.start, memory.stop, memory.classes)
    return trace.builder.zext(wrong, I64)


def _unlike(trace: Trace, kind: str, dtype: str, labels: Any, start: Any, stop: Any, classes: Any) -> Any:
    b = trace.builder
    many = Trace(b, trace.width * 2)  # numbers as they are stored, several vectors at once
    truths = ir.VectorType(ir.IntType(1), many.width)
    seen = slot(trace, truths, ir.Constant(truths, None))

    def vector(i: Any, mask: Any) -> None:
        code = storage.raw(many, labels, i, dtype, many.width, mask)
        bad = _bad(many, code, kind, dtype, classes)
        if mask is not None:
            bad = b.and_(bad, mask)
        b.store(b.or_(b.load(seen, typ=truths), bad), seen)

    chunks(many, start, stop, vector)
    return many.any(Lane(many, b.load(seen, typ=truths)))


def _bad(trace: Trace, code: Any, kind: str, dtype: str, classes: Any) -> Any:
    """Return which labels are not of their kind."""
    b = trace.builder
    if kind == "index":
        return b.icmp_unsigned(">=", code, trace.splat(classes, trace.width))
    if dtype not in ("float32", "float64"):
        code = storage.widened(trace, code, dtype).code

    def number(x: float) -> Any:
        return ir.Constant(code.type, [x] * trace.width)

    if kind == "unit":
        return b.or_(b.fcmp_ordered("<", code, number(0.0)), b.fcmp_ordered(">", code, number(1.0)))
    if kind == "bits":
        return b.and_(b.fcmp_ordered("!=", code, number(0.0)), b.fcmp_ordered("!=", code, number(1.0)))
    if kind == "signs":
        return b.and_(b.fcmp_ordered("!=", code, number(1.0)), b.fcmp_ordered("!=", code, number(-1.0)))
    return b.or_(b.fcmp_ordered("<", code, number(0.0)), b.fcmp_ordered("==", code, number(float("inf"))))
