"""Looks of a kernel at the numbers of a row as they are stored, several vectors at once."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import storage
from .layout import Memory
from .loops import chunks, folded, slot
from .operators import Lane
from .trace import F64, I1, I64, Trace

#: numbers of a row that are less than that apart have exps that are normal beside the largest, products of two too
NEAR = 300.0


def _widest(trace: Trace, dtype: str) -> tuple[Any, Trace]:
    """Return the type that numbers are compared in, and a trace of as many of them as two of its vectors hold."""
    narrow = storage.KINDS[dtype] if dtype in ("float32", "float64") else F64
    return narrow, Trace(trace.builder, trace.width * 64 // (32 if narrow != F64 else 64))


def _numbers(wider: Trace, memory: Memory, at: Any, dtype: str, mask: Any) -> Any:
    """Return a vector of numbers as they are compared."""
    read = storage.raw if dtype in ("float32", "float64") else storage.load
    found = read(wider, memory.x, at, dtype, wider.width, mask)
    return found.code if isinstance(found, Lane) else found


def extent(trace: Trace, memory: Memory, base: Any, dtype: str) -> tuple[Lane, Lane]:
    """Return the largest number of a row that begins at an index, and the smallest, ignoring NaN.

    One that is not used costs nothing: the compiler drops it.
    """
    b = trace.builder
    narrow, wider = _widest(trace, dtype)
    kind = ir.VectorType(narrow, wider.width)
    ends = (">", float("-inf")), ("<", float("inf"))
    best = [slot(trace, kind, ir.Constant(kind, [start] * wider.width)) for _, start in ends]

    def farther(i: Any, mask: Any) -> None:
        z = _numbers(wider, memory, b.add(base, i), dtype, mask)
        for (how, start), place in zip(ends, best, strict=True):
            x = z if mask is None else b.select(mask, z, wider.constant(start, kind))
            seen = b.load(place, typ=kind)
            b.store(b.select(b.fcmp_ordered(how, x, seen), x, seen), place)

    chunks(wider, ir.Constant(I64, 0), memory.classes, farther)
    found = "float64" if narrow is F64 else dtype
    high, low = (storage.widened(wider, b.load(place, typ=kind), found) for place in best)
    larger = folded(wider, high, lambda x, y: wider.where(x > y, x, y))
    return larger, folded(wider, low, lambda x, y: wider.where(x < y, x, y))


def negative(trace: Trace, memory: Memory, base: Any, dtype: str) -> Any:
    """Return, as one bit, whether a number of a row that begins at an index is below 0 or NaN."""
    b = trace.builder
    _, wider = _widest(trace, dtype)
    truths = ir.VectorType(I1, wider.width)
    seen = slot(trace, truths, ir.Constant(truths, None))

    def look(i: Any, mask: Any) -> None:
        at = b.add(base, i)
        z = _numbers(wider, memory, at, dtype, mask)
        bad = b.fcmp_unordered("<", z, wider.constant(0.0, z.type))
        b.store(b.or_(b.load(seen, typ=truths), bad), seen)

    chunks(wider, ir.Constant(I64, 0), memory.classes, look)
    return wider.any(Lane(wider, b.load(seen, typ=truths)))


def first(trace: Trace, memory: Memory, base: Any, dtype: str, m: Lane) -> Any:
    """Return where the first number of a row that begins at an index is m, a number of its format; 0 for nowhere."""
    b = trace.builder
    narrow, wider = _widest(trace, dtype)
    none, bits_of = ir.Constant(I64, -1), ir.IntType(wider.width)
    found = slot(trace, I64, none)
    wanted = wider.splat(storage.narrowed(trace, m, dtype) if narrow is not F64 else m.code, wider.width)

    def look(i: Any, mask: Any) -> None:
        at = b.add(base, i)
        z = _numbers(wider, memory, at, dtype, mask)
        same = b.fcmp_ordered("==", z, wanted)
        bits = b.bitcast(same if mask is None else b.and_(same, mask), bits_of)
        new = b.icmp_unsigned("!=", bits, ir.Constant(bits_of, 0))
        new = b.and_(new, b.icmp_signed("<", b.load(found, typ=I64), ir.Constant(I64, 0)))
        with b.if_then(new, likely=False):
            b.store(b.add(i, b.zext(b.cttz(bits, ir.Constant(I1, 1)), I64)), found)

    chunks(wider, ir.Constant(I64, 0), memory.classes, look)
    index = b.load(found, typ=I64)
    return b.select(b.icmp_signed("<", index, ir.Constant(I64, 0)), ir.Constant(I64, 0), index)
