"""Results of a kernel on their way to memory."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import pair, storage
from .layout import Memory
from .loops import Variable, masked, slot
from .operators import Lane
from .pair import Number
from .program import Program
from .trace import F32, F64, Trace, element_of


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
        return self.trace.builder.or_(*(self.trace.any(Lane(self.trace, bad)) for bad in self._bad()))

    def each(self) -> Any:
        """Return which places of the vectors had one that is not finite."""
        return self.trace.builder.or_(*self._bad())

    def _bad(self) -> list[Any]:
        b = self.trace.builder
        codes = [b.load(place, typ=kind) for kind, place in self._sums.values()]
        return [b.fcmp_unordered("uno", code, code) for code in codes]


def write(
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
    return storage.store(trace, output(memory, q), at, program.layout.dtype, pair.rounded(x), mask)


def output(memory: Memory, q: str) -> Any:
    """Return where a quantity is written."""
    return {"value": memory.value, "grad": memory.grad, "hess": memory.hess}[q]
