"""The body of a kernel: a look at the labels, then the cases, one by one or in groups that are added up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llvmlite import ir

from . import pair, storage
from .columns import columns
from .elements import elements
from .layout import Memory
from .loops import Variable, folded, loop, slot
from .near import ENOUGH
from .pair import Pair
from .program import Program
from .results import Spoilt
from .rows import rows
from .trace import I64, Trace
from .verify import wrong

#: what a kernel returns that has found a wrong label; no sum with numbers of flags is 0
WRONG = -(2**62)
#: the value of `check` that has a kernel check, and nothing else
ALONE = 2


def emit(trace: Trace, program: Program, memory: Memory) -> Any:
    """Append the kernel for cases start .. stop-1; return how many flags it set, int64.

    A flag says that a result of a row, or of a vector of elements, is not finite: NumPy computes it again. Where it
    is to check labels and weights and one is wrong, it returns `WRONG` before anything is written; `ALONE`, it only
    checks.
    """
    b = trace.builder
    zero = ir.Constant(I64, 0)
    count = slot(trace, I64, zero)
    with b.if_then(b.icmp_signed("!=", memory.check, zero)):
        bad = wrong(trace, program.layout, program.labels, program.formula.rows, memory)
        b.store(b.select(bad, ir.Constant(I64, WRONG), zero), count)
    right = b.icmp_signed("==", b.load(count, typ=I64), zero)
    with b.if_then(b.and_(right, b.icmp_signed("!=", memory.check, ir.Constant(I64, ALONE)))):
        if program.layout.summed:
            with loop(trace, memory.start, memory.stop, memory.group) as start:
                end = b.add(start, memory.group)
                end = b.select(b.icmp_signed("<", end, memory.stop), end, memory.stop)
                _summed(trace, program, replace(memory, start=start, stop=end), count)
        else:
            _cases(trace, program, memory, count, None)
    return b.load(count, typ=I64)


def _summed(trace: Trace, program: Program, memory: Memory, count: Any) -> None:
    """Append one group of cases, whose values are added up. Groups are the same for any number of threads."""
    lone = program.formula.rows and not program.layout.order
    total = Variable(trace, True, 0.0, 0 if lone else trace.width)
    if program.near:
        error = Variable(trace, False, 0.0, 0)
        rows(trace, program, memory, count, total, error)
        size = trace.size(pair.high(total.get()))
        with trace.builder.if_then((~(size * ENOUGH >= error.get())).code, likely=False):
            total.set(0.0)
            rows(trace, program, memory, count, total)
    else:
        _cases(trace, program, memory, count, total)
    joined = pair.as_pair(folded(trace, pair.settled(total.get()), lambda a, b: a + b))
    if program.layout.value == "whole":
        at, next_one = ir.Constant(I64, 0), ir.Constant(I64, 1)
        divisor = Pair(*(storage.load(trace, memory.divisor, k, "float64", 0) for k in (at, next_one)))
        mean, spoilt = joined / divisor, Spoilt(trace, 0)
        spoilt.add(mean, storage.store(trace, memory.value, at, program.layout.dtype, pair.rounded(mean)))
        added = trace.builder.add(trace.builder.load(count, typ=I64), trace.builder.zext(spoilt.any(), I64))
        trace.builder.store(added, count)
        return
    place = trace.builder.sdiv(memory.start, memory.group)
    storage.store(trace, memory.value, place, "float64", joined.high)
    storage.store(trace, memory.value_low, place, "float64", joined.low)


def _cases(trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
    """Append the cases start .. stop-1; total: what values are added to instead of being written."""
    append = columns if program.layout.order else rows if program.formula.rows else elements
    append(trace, program, memory, count, total)
