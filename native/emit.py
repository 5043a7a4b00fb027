"""The body of a kernel: the formulas of a form, run on traced lanes, between reads and writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from llvmlite import ir

from . import pair, storage
from .element import Element
from .formula import Formula, Stage
from .hot import only_one
from .loops import Layout, Memory, Reader, Variable, Whole, chunks, flag, folded, loop, masked, slot, spread
from .margin import Margin, Margins, fits
from .near import Approximation
from .operators import Lane
from .pair import Number
from .passes import TracedRow
from .trace import F32, F64, I1, I64, Trace, element_of
from .verify import unlike
from .ziv import Attempts


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

    @property
    def stages(self) -> dict[str, Stage]:
        """How the quantities of a row come about."""
        return {q: self.formula.row(q, self.layout.labels == "index") for q in self.quantities}

    @property
    def hot(self) -> Program | None:
        """The same for rows whose labels are one-hot: with the class index, which costs less; None where there is none.
        """
        indexed = all(q in self.formula.indexed for q in self.quantities)
        if self.layout.labels != "plain" or not indexed:
            return None
        return replace(self, layout=replace(self.layout, labels="index"))

    @property
    def near(self) -> Approximation | None:
        """What is tried first, where there is one number a row and nothing else."""
        layout = self.layout
        alone = self.quantities == ("value",) and layout.value == "rounded" and not layout.wide
        return self.stages["value"].near if alone and layout.labels in ("", "index", "plain") else None

    @property
    def margin(self) -> Margin | None:
        """What float32 arithmetic computes the quantities from, where the arrays and the formula allow it."""
        layout, margin = self.layout, self.formula.margin
        stored = layout.dtype == "float32" and layout.value in ("rounded", "sums")
        plain = layout.labels in ("", "plain") and layout.factor in ("", "one")
        return margin if margin and stored and plain and margin.covers(self.quantities) else None


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
    if not program.formula.rows:
        _elements(trace, program, memory, count, total)
        return
    hot = program.hot
    ways = [Rows(trace, one, memory, count, total) for one in (program, hot) if one]
    with loop(trace, memory.start, memory.stop, ir.Constant(I64, 1)) as case:
        if hot is None:
            ways[0].append(case)
            return
        index = only_one(trace, memory, program.layout.dtype, case)
        with trace.builder.if_else(trace.builder.icmp_signed(">=", index, ir.Constant(I64, 0))) as (one, several):
            with one:
                ways[1].append(case, Whole(index))
            with several:
                ways[0].append(case)


class Rows:
    """One way to compute rows: of one program."""

    def __init__(self, trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
        """Take where rows are, where flags are counted, and what values are added to."""
        self.trace, self.program, self.memory, self.count, self.total = trace, program, memory, count, total
        near = program.near
        self.attempts = Attempts(Reader(trace, memory, program.layout), near) if near else None

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
        return _row(self.trace, self.program, self.memory, case, index, self.count, self.total)


#: what a kernel returns that has found a wrong label; no sum with numbers of flags is 0
WRONG = -(2**62)


def _wrong(trace: Trace, program: Program, memory: Memory) -> Any:
    """Append a look at the labels of these cases; return whether one is wrong."""
    if program.layout.labels == "index":
        return unlike(trace, "index", "int64", memory.labels[0], memory.start, memory.stop, memory.classes)
    start, stop = memory.start, memory.stop
    if program.formula.rows:
        start, stop = (trace.builder.mul(x, memory.classes) for x in (start, stop))
    return unlike(trace, program.labels, program.layout.dtype, memory.labels[0], start, stop, memory.classes)


def _elements(trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
    reader = Reader(trace, memory, program.layout)
    margin = program.margin if trace.register else None
    factor = reader.factor(memory.start, 0) if margin and program.layout.factor else None

    def vector(i: Any, mask: Any) -> None:
        if margin is None:
            spoilt = Spoilt(trace, trace.width)
            for q, x in _quantities(trace, program, reader, i, mask):
                spoilt.add(x, _write(trace, program, memory, q, i, x, mask, total), mask)
            bad = spoilt.any()
        else:
            results, bad = _short(trace, program, reader, margin, factor, i, mask)
            for q, x in results.items():
                _write(trace, program, memory, q, i, x, mask, total)
        flag(trace, memory, trace.builder.sdiv(i, ir.Constant(I64, trace.width)), bad, count)

    chunks(trace, memory.start, memory.stop, vector)


def _quantities(trace: Trace, program: Program, reader: Reader, i: Any, mask: Any) -> list[tuple[str, Number]]:
    """Compute the quantities of a vector of elements."""
    e = reader.element(i, mask, reader.factor(i, trace.width, mask), program.cancels, None, 0.0)
    bare = Element(e.z, e.labels, None, wide=e.wide, cancels=e.cancels)
    bare._known = e._known
    return [(q, program.formula.element(q)(bare if q == "value" else e)) for q in program.quantities]


def _short(
    trace: Trace, program: Program, reader: Reader, margin: Margin, factor: Any, i: Any, mask: Any
) -> tuple[dict[str, Lane], Any]:
    """Compute the quantities of a vector of elements in float32 arithmetic; return them, and whether one is spoilt.

    Where there are elements that need more, all are computed in float64, too, and what these need is taken from there:
    an element's result does not depend on its neighbours.
    """
    b, memory = trace.builder, reader.memory
    z = Lane(trace, storage.raw(trace, memory.x, i, "float32", trace.width, mask))
    y = None
    if program.layout.labels:
        y = Lane(trace, storage.raw(trace, memory.labels[0], i, "float32", trace.width, mask))
    parts = None
    if factor is not None:
        near = Lane(trace, b.fptrunc(factor.code, F32))
        rest = factor - Lane(trace, b.fpext(near.code, F64))
        parts = near, Lane(trace, b.fptrunc(rest.code, F32))
    margins = Margins(margin, z, y, factor is not None)
    good = margins.good if factor is None else margins.good & fits(factor)
    other = (~good).code if mask is None else b.and_((~good).code, mask)
    places = {}
    for q in program.quantities:
        x = margins.quantity(q, parts)
        if q == "value" and program.layout.value == "sums":
            x = storage.widened(trace, x.high.code, "float32") + storage.widened(trace, x.low.code, "float32")
        code = pair.rounded(x).code
        places[q] = code.type, slot(trace, code.type, code)
    bad = slot(trace, I1, ir.Constant(I1, 0))
    with b.if_then(trace.any(Lane(trace, other)), likely=False):
        spoilt = Spoilt(trace, trace.width)
        for q, x in _quantities(trace, program, reader, i, mask):
            kind, place = places[q]
            long = storage.narrowed(trace, pair.rounded(x), "float32" if element_of(kind) == F32 else "float64")
            spoilt.add(x, long, other)
            b.store(b.select(other, long, b.load(place, typ=kind)), place)
        b.store(spoilt.any(), bad)
    results = {q: Lane(trace, b.load(place, typ=kind)) for q, (kind, place) in places.items()}
    return results, b.load(bad, typ=I1)


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
        code = stored if element_of(stored.type) == F32 else pair.rounded(x).code
        zero = self.trace.constant(0.0, code.type)
        if mask is not None:  # results of masked elements are those of a filler, and may be anything
            code = self.trace.builder.select(mask, code, zero)
        kind, place = self._sums[element_of(code.type)]
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
    if q == "value" and program.layout.value == "averaged":
        x = x / Lane(trace, trace.builder.sitofp(memory.classes, F64))
    elif q == "value" and program.layout.value != "rounded":
        if program.layout.value == "pairs":
            storage.store(trace, memory.value_low, at, "float64", pair.as_pair(x).low, mask)
        return storage.store(trace, memory.value, at, "float64", pair.high(x), mask)
    return storage.store(trace, _output(memory, q), at, program.layout.dtype, pair.rounded(x), mask)


def _output(memory: Memory, q: str) -> Any:
    """Return where a quantity is written."""
    return {"value": memory.value, "grad": memory.grad, "hess": memory.hess}[q]


def _row(
    trace: Trace, program: Program, memory: Memory, case: Any, index: Whole | None, count: Any, total: Variable | None
) -> dict[str, Number]:
    """Append one row; return its quantities that are one number a row."""
    outputs = tuple(_output(memory, q) for q, stage in program.stages.items() if stage.vector)
    row = TracedRow(Reader(trace, memory, program.layout), case, program.cancels, outputs, index)
    states: dict[Any, Any] = {}
    for stage in program.stages.values():
        if stage.prepare not in states:
            states[stage.prepare] = stage.prepare(row)
    alone, spoilt = Spoilt(trace, 0), Spoilt(trace, trace.width)
    numbers = {}
    for q, stage in program.stages.items():
        if not stage.vector:
            x = numbers[q] = stage.finish(states[stage.prepare])
            alone.add(x, _write(trace, program, memory, q, case, x, None, total))
    if len(numbers) < len(program.stages):
        _vectors(trace, program, memory, row, states, spoilt)
    flag(trace, memory, case, trace.builder.or_(alone.any(), spoilt.any()), count)
    return numbers


def _vectors(
    trace: Trace, program: Program, memory: Memory, row: TracedRow, states: Any, spoilt: Spoilt
) -> None:
    """Append the pass that writes a number an element."""

    def write(e: Element, mask: Any) -> None:
        at = trace.builder.add(row.base, e.position.base)
        for q, stage in program.stages.items():
            if not stage.vector:
                continue
            if q == "value":
                e.factor, factor = None, e.factor
            x = spread(trace, stage.finish(states[stage.prepare], e))
            if q == "value":
                e.factor = factor
            spoilt.add(x, _write(trace, program, memory, q, at, x, mask, None), mask)

    row.each(write)
