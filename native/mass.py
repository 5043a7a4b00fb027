"""The part of a kernel that adds up what the mean of weighted cases is divided by."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import pair, storage
from .emit import WRONG
from .layout import Memory
from .loops import Variable, Whole, chunks, folded, loop, masked, parts_of, slot
from .operators import Lane
from .program import Program
from .reader import Reader
from .trace import F64, I1, I64, Trace
from .verify import wrong

#: a sum within these is one that pairs can be divided by
_LEAST, _MOST = 2.0**-900, 2.0**900


def emit_mass(trace: Trace, program: Program, memory: Memory) -> Any:
    """Append a kernel that writes the sum of the weights of the cases start .. stop-1, a pair, where a value would be.

    A case weighs what its value is multiplied with; with a label a class, times the sum of these labels; an ignored one
    nothing; where values are averaged, times the number of classes. Where there is a factor, it becomes 1 over the sum.
    Returns `WRONG` where a label or a weight is wrong, 1 where the sum is no number to divide by, else 0.
    """
    b, layout, zero = trace.builder, program.layout, ir.Constant(I64, 0)
    bad = wrong(trace, layout, program.labels, program.formula.rows, memory)
    unfit = slot(trace, I1, ir.Constant(I1, 0))
    with b.if_then(b.not_(bad)):
        reader = Reader(trace, memory, layout)
        total = Variable(trace, True, 0.0, 0)
        if layout.labels:
            with loop(trace, memory.start, memory.stop, ir.Constant(I64, 1)) as case:
                if layout.labels == "index":
                    _add_indexed(reader, total, case)
                else:
                    _add(total, _masses(reader, case), reader.scale(case, 0).value)
        else:
            total = Variable(trace, True, 0.0, trace.width)

            def samples(i: Any, mask: Any) -> None:
                weight = reader.scale(i, trace.width, mask).value
                total.set(pair.accumulated(total.get(), masked(trace, mask, weight, 0.0)))

            chunks(trace, memory.start, memory.stop, samples)
        whole = pair.as_pair(folded(trace, pair.settled(total.get()), lambda x, y: x + y))
        if layout.value == "averaged":
            whole = whole * Lane(trace, b.sitofp(memory.classes, F64))
        written = [((memory.value, memory.value_low), whole)]
        if layout.factor:
            written.append((memory.factor, 1.0 / whole))
        for places, number in written:
            for place, part in zip(places, parts_of(number), strict=True):
                storage.store(trace, place, zero, "float64", part)
        b.store((~((whole.high > _LEAST) & (whole.high < _MOST))).code, unfit)
    return b.select(bad, ir.Constant(I64, WRONG), b.zext(b.load(unfit, typ=I1), I64))


def _add_indexed(reader: Reader, total: Variable, case: Any) -> None:
    """Add the weight of a case with a class index."""
    b, memory = reader.trace.builder, reader.memory
    index = Whole(b.load(storage.address(reader.trace, memory.labels[0], case, "int64"), typ=I64))
    ignores = reader.layout.weighs("ignore")
    with b.if_then(b.icmp_signed("!=", index.code, memory.ignore) if ignores else ir.Constant(I1, 1)):
        _add(total, reader.scale(case, 0, index=index).value)


def _add(total: Variable, *weights: Any) -> None:
    """Add a product of weights, which are None for 1."""
    product = None
    for one in weights:
        product = one if product is None else product if one is None else product * one
    total.set(pair.accumulated(total.get(), 1.0 if product is None else product))


def _masses(reader: Reader, case: Any) -> Any:
    """Return the sum of the labels of a row."""
    trace, memory = reader.trace, reader.memory
    base = trace.builder.mul(case, memory.classes)
    mass = Variable(trace, reader.layout.wide, 0.0, trace.width)

    def vector(i: Any, mask: Any) -> None:
        (y,) = reader.labels(trace.builder.add(base, i), mask, i)
        mass.set(pair.accumulated(mass.get(), masked(trace, mask, y, 0.0)))

    chunks(trace, ir.Constant(I64, 0), memory.classes, vector)
    return folded(trace, pair.settled(mass.get()), lambda x, y: x + y)
