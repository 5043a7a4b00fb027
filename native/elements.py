"""Kernels of forms of single elements, a vector of them at a time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import pair, storage
from .loops import Memory, Reader, Variable, chunks, flag, joined, parts_of, slot
from .margin import Margin, Margins, fits
from .operators import Lane
from .pair import Number, Pair
from .program import Program
from .results import Spoilt, write
from .trace import F32, F64, I1, I64, Trace


def elements(trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
    """Append the elements start .. stop-1; total: what values are added to instead of being written."""
    reader = Reader(trace, memory, program.layout)
    margin = program.margin
    if program.layout.dtype == "float32" and not trace.register:  # it looks tables up in registers
        margin = None
    one = reader.factor(memory.start, 0) if margin and program.layout.factor == "one" else None

    def vector(i: Any, mask: Any) -> None:
        if margin is None:
            spoilt = Spoilt(trace, trace.width)
            for q, x in _quantities(trace, program, reader, i, mask):
                spoilt.add(x, write(trace, program, memory, q, i, x, mask, total), mask)
            bad = spoilt.any()
        else:
            each = reader.factor(i, trace.width, mask) if program.layout.factor == "each" else one
            results, bad = _short(trace, program, reader, margin, each, i, mask)
            for q, x in results.items():
                write(trace, program, memory, q, i, x, mask, total)
        flag(trace, memory, trace.builder.sdiv(i, ir.Constant(I64, trace.width)), bad, count)

    chunks(trace, memory.start, memory.stop, vector)


def _quantities(trace: Trace, program: Program, reader: Reader, i: Any, mask: Any) -> list[tuple[str, Number]]:
    """Compute the quantities of a vector of elements."""
    e = reader.element(i, mask, reader.factor(i, trace.width, mask), program.cancels, None, 0.0)
    bare = e.bare()
    return [(q, program.formula.element(q)(bare if q == "value" else e)) for q in program.quantities]


def _short(
    trace: Trace, program: Program, reader: Reader, margin: Margin, factor: Number | None, i: Any, mask: Any
) -> tuple[dict[str, Number], Any]:
    """Compute the quantities of a vector of elements from margins; return them, and whether one is spoilt.

    Where there are elements that need more, all are computed the long way, too, and what these need is taken from
    there: an element's result does not depend on its neighbours.
    """
    b, memory, dtype = trace.builder, reader.memory, program.layout.dtype
    z = Lane(trace, storage.raw(trace, memory.x, i, dtype, trace.width, mask))
    y = None
    if program.layout.labels:
        y = Lane(trace, storage.raw(trace, memory.labels[0], i, dtype, trace.width, mask))
    margins = Margins(margin, dtype, z, y, factor is not None)
    good = margins.good if factor is None else margins.good & fits(pair.high(factor), dtype)
    other = (~good).code if mask is None else b.and_((~good).code, mask)
    found = {}
    for q in program.quantities:
        x: Number = margins.quantity(q, None if factor is None else _parts(trace, factor, dtype))
        if q == "value" and program.layout.value == "sums":
            x = _added(trace, x, dtype)
        else:
            x = pair.rounded(x)
        found[q] = x, [slot(trace, part.code.type, part.code) for part in parts_of(x)]
    bad = slot(trace, I1, ir.Constant(I1, 0))
    with b.if_then(trace.any(Lane(trace, other)), likely=False):
        spoilt = Spoilt(trace, trace.width)
        for q, long in _quantities(trace, program, reader, i, mask):
            short, places = found[q]
            if isinstance(short, Pair):
                parts = [part.code for part in parts_of(pair.as_pair(long))]
            else:
                kind = "float32" if short.code.type.element == F32 else "float64"
                parts = [storage.narrowed(trace, pair.rounded(long), kind)]
            spoilt.add(long, parts[0], other)
            for part, place in zip(parts, places, strict=True):
                b.store(b.select(other, part, b.load(place, typ=part.type)), place)
        b.store(spoilt.any(), bad)
    results = {}
    for q, (short, places) in found.items():
        kinds = [part.code.type for part in parts_of(short)]
        lanes = [Lane(trace, b.load(place, typ=kind)) for place, kind in zip(places, kinds, strict=True)]
        results[q] = joined(tuple(lanes))
    return results, b.load(bad, typ=I1)


def _parts(trace: Trace, factor: Number, dtype: str) -> tuple[Lane, Lane]:
    """Return a factor in two numbers of the format."""
    if dtype == "float64":
        x = pair.as_pair(factor)
        return x.high, x.low
    near = trace.builder.fptrunc(factor.code, F32)
    rest = factor - Lane(trace, trace.builder.fpext(near, F64))
    return Lane(trace, near), Lane(trace, trace.builder.fptrunc(rest.code, F32))


def _added(trace: Trace, x: Pair, dtype: str) -> Number:
    """Return a value as it is added up: a float64, or a pair of them."""
    if dtype == "float64":
        return pair.as_pair(x.high) + x.low
    high, low = (storage.widened(trace, part.code, dtype) for part in (x.high, x.low))
    return high + low
