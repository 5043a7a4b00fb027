"""Kernels of forms of single elements, a vector of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir

from . import pair, storage
from .formula import Quick
from .layout import Memory
from .loops import Variable, chunks, flag, joined, parts_of, slot
from .margin import Margin, Margins
from .operators import Lane
from .pair import Number, Pair
from .program import Program
from .reader import Reader, Scale
from .results import Spoilt, write
from .trace import F32, F64, I1, I64, Trace, barrier


def elements(trace: Trace, program: Program, memory: Memory, count: Any, total: Variable | None) -> None:
    """Append the elements start .. stop-1; total: what values are added to instead of being written."""
    reader = Reader(trace, memory, program.layout)
    margin, hard = margin_of(trace, program), program.hard

    def vector(i: Any, mask: Any) -> None:
        scale = reader.scale(i, trace.width, mask)
        quick: Quick | None = None
        if margin:
            quick, own = margins(trace, reader, margin, scale, i, mask)
            weight = reader.product(scale.value, own)
        elif hard:
            e, weight = reader.hard(i, mask, scale)
            quick = hard(e)
        spoilt = Spoilt(trace, trace.width)
        if quick is None:
            for q, x in _quantities(program, reader, scale, i, mask).items():
                spoilt.add(x, write(trace, program, memory, q, i, x, mask, total), mask)
            bad = spoilt.any()
        else:
            long = partial(_quantities, program, reader, scale, i, mask)
            results, bad = _first(trace, program, quick, weight, long, spoilt, mask)
            for q, x in results.items():
                write(trace, program, memory, q, i, x, mask, total)
        flag(trace, memory, trace.builder.sdiv(i, ir.Constant(I64, trace.width)), bad, count)

    chunks(trace, memory.start, memory.stop, vector)


def margin_of(trace: Trace, program: Program) -> Margin | None:
    """Return the margin of a program that the target can compute: with float32 tables are looked up in registers."""
    return program.margin if trace.register or program.layout.dtype == "float64" else None


def margins(
    trace: Trace, reader: Reader, margin: Margin, scale: Scale, i: Any, mask: Any, place: Any = None
) -> tuple[Margins, Number | None]:
    """Return the margins of a vector of elements, and the weights of their labels; place: where it begins in a row."""
    dtype, memory = reader.layout.dtype, reader.memory
    z = Lane(trace, storage.raw(trace, memory.x, i, dtype, trace.width, mask))
    y = weight = None
    if reader.layout.labels:
        y = Lane(trace, storage.raw(trace, memory.labels[0], i, dtype, trace.width, mask))
        weight = reader.of_label(y > 0.5, place, mask)
    factor = reader.product(scale.derivatives, weight)
    return Margins(margin, dtype, z, y, None if factor is None else _parts(trace, factor, dtype)), weight


def _quantities(program: Program, reader: Reader, scale: Scale, i: Any, mask: Any) -> dict[str, Number]:
    """Compute the quantities of a vector of elements."""
    e = reader.element(i, mask, scale.derivatives, program.cancels, None, 0.0)
    bare = e.bare()
    results = {q: program.formula.element(q)(bare if q == "value" else e) for q in program.quantities}
    if scale.value is not None and "value" in results:
        results["value"] = results["value"] * scale.value
    return results


def _first(
    trace: Trace, program: Program, quick: Quick, weight: Number | None, long: Callable[[], dict[str, Number]],
    spoilt: Spoilt, mask: Any,
) -> tuple[dict[str, Number], Any]:  # fmt: skip
    """Compute the quantities of a vector of elements with less effort; return them, and whether one is spoilt.

    weight: what values are multiplied with. Where there are elements that need more, all are computed the long way,
    too, and what these need is taken from there: an element's result does not depend on its neighbours.
    """
    b = trace.builder
    other = (~quick.good).code if mask is None else b.and_((~quick.good).code, mask)
    found = {}
    for q in program.quantities:
        x = quick.quantity(q)
        stored = q != "value" or program.layout.value == "rounded"
        if q == "value" and not (stored and weight is None):
            x = added(trace, x)
            x = x if weight is None else x * weight
        x = pair.rounded(x) if stored else x
        found[q] = x, [slot(trace, part.code.type, part.code) for part in parts_of(x)]
    bad = slot(trace, I1, ir.Constant(I1, 0))
    with b.if_then(trace.any(Lane(trace, other)), likely=False):
        barrier(b)
        for q, x in long().items():
            short, places = found[q]
            if isinstance(short, Pair):
                parts = [part.code for part in parts_of(pair.as_pair(x))]
            else:
                kind = "float32" if short.code.type.element == F32 else "float64"
                parts = [storage.narrowed(trace, pair.rounded(x), kind)]
            spoilt.add(x, parts[0], other)
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
    near = storage.narrowed(trace, factor, dtype)
    rest = factor - storage.widened(trace, near, dtype)
    return Lane(trace, near), Lane(trace, storage.narrowed(trace, rest, dtype))


def added(trace: Trace, x: Number) -> Number:
    """Return a value as it is added up: a float64, or a pair of them."""
    if not isinstance(x, Pair):
        return x
    if x.high.code.type.element == F64:
        return pair.as_pair(x.high) + x.low
    high, low = (storage.widened(trace, part.code, "float32") for part in (x.high, x.low))
    return high + low
