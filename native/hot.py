"""Rows whose labels are one-hot: the class index that they say, found by a kernel."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import storage
from .layout import Memory
from .loops import chunks, slot
from .trace import F32, F64, I1, I64, Trace


def only_one(trace: Trace, memory: Memory, dtype: str, case: Any) -> Any:
    """Return the index of the label 1 of a row whose other labels are all 0; -1 for other rows."""
    b, labels = trace.builder, memory.labels[0]
    base = b.mul(case, memory.classes)
    zero, one, none = (ir.Constant(I64, k) for k in (0, 1, -1))
    count, last = slot(trace, I64, zero), slot(trace, I64, zero)
    narrow = storage.KINDS[dtype]
    wide = Trace(b, trace.width * 64 // (8 * storage.SIZES[dtype]))
    integer = ir.IntType(wide.width)

    def look(i: Any, mask: Any) -> None:
        y = storage.raw(wide, labels, b.add(base, i), dtype, wide.width, mask)
        if narrow in (F32, F64):
            other = b.fcmp_unordered("!=", y, wide.constant(0.0, y.type))
        else:  # a sign is no digit
            other = b.icmp_unsigned("!=", b.shl(y, wide.integer(1, y.type)), wide.integer(0, y.type))
        bits = b.bitcast(other, integer)
        with b.if_then(b.icmp_unsigned("!=", bits, ir.Constant(integer, 0)), likely=False):
            b.store(b.add(b.load(count, typ=I64), b.zext(b.ctpop(bits), I64)), count)
            b.store(b.add(i, b.zext(b.cttz(bits, ir.Constant(I1, 0)), I64)), last)

    chunks(wide, zero, memory.classes, look)
    index = b.load(last, typ=I64)
    label = storage.load(trace, labels, b.add(base, index), dtype, 0)
    single = b.and_(b.icmp_signed("==", b.load(count, typ=I64), one), (label == 1.0).code)
    return b.select(single, index, none)
