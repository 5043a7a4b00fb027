"""The part of a kernel that looks for wrong labels."""

from __future__ import annotations

from functools import reduce
from typing import Any

from llvmlite import ir

from . import storage
from .layout import Layout, Memory
from .loops import chunks, slot
from .operators import Lane
from .trace import I1, I64, Trace


def emit_check(trace: Trace, kind: str, dtype: str, memory: Memory) -> Any:
    """Append a pass over the labels start .. stop-1 of x; return whether one is not of a kind of `check.RANGES`.

    kind "index": int64 below `classes`, none below 0. NaN is of every other kind.
    """
    bad = _unlike(trace, kind, dtype, memory.x, memory.start, memory.stop, memory.classes)
    return trace.builder.zext(bad, I64)


def wrong(trace: Trace, layout: Layout, labels: str, rows: bool, memory: Memory) -> Any:
    """Append a look at the labels and the weights of some cases; return whether one is wrong. labels: their kind."""
    b, zero, one = trace.builder, ir.Constant(I64, 0), ir.Constant(I64, 1)
    where, start, stop, classes = memory.labels[0], memory.start, memory.stop, memory.classes
    found = []
    if layout.indexed:
        other = memory.ignore if layout.weighs("ignore") else None
        found.append(_unlike(trace, "index", "int64", where, start, stop, classes, other))
    elif layout.labels in ("plain", "blended", "spread", "linear"):
        begin, end = (b.mul(x, classes) for x in (start, stop)) if rows else (start, stop)
        found.append(_unlike(trace, labels, layout.dtype, where, begin, end, classes))
    if dtype := layout.weighs("sample"):
        found.append(_unlike(trace, "weights", dtype, memory.sample, start, stop, classes))
    if layout.weighs("class", "neuron"):
        found.append(_unlike(trace, "weights", "float64", memory.weight, zero, classes, classes))
    if layout.weighs("positive", "positives"):
        count = one if layout.weighs("positive") else classes
        found.append(_unlike(trace, "weights", "float64", memory.positive, zero, count, classes))
    return reduce(b.or_, found, ir.Constant(I1, 0))


def _unlike(
    trace: Trace, kind: str, dtype: str, labels: Any, start: Any, stop: Any, classes: Any, other: Any = None
) -> Any:
    """Append a look at the numbers start .. stop-1 of an array; return whether one is not of a kind.

    other: a class index that may be there, too.
    """
    b = trace.builder
    many = Trace(b, trace.width * 2)  # numbers as they are stored, several vectors at once
    truths = ir.VectorType(ir.IntType(1), many.width)
    seen = slot(trace, truths, ir.Constant(truths, None))

    def vector(i: Any, mask: Any) -> None:
        code = storage.raw(many, labels, i, dtype, many.width, mask)
        bad = _bad(many, code, kind, dtype, classes)
        if other is not None:
            bad = b.and_(bad, b.icmp_signed("!=", code, many.splat(other, many.width)))
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
