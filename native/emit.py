"""The body of a kernel: a look at the labels, then the cases, one by one or in groups that are added up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llvmlite import ir

from . import pair, storage
from .elements import elements
from .loops import Memory, Variable, folded, loop, slot
from .program import Program
from .rows import rows
from .trace import I64, Trace
from .verify import unlike


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
    append = rows if program.formula.rows else elements
    append(trace, program, memory, count, total)


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
