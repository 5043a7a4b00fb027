"""Numbers between memory and float64 lanes of a kernel: one rounding on the way out, none on the way in.

16-bit formats are read and written as bits, with instructions that every processor has.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .operators import Lane
from .trace import F32, F64, I8, I16, I32, I64, Trace, element_of

#: dtype name -> element in memory
KINDS = {"float16": I16, "bfloat16": I16, "float32": F32, "float64": F64, "int64": I64, "int8": I8}
SIZES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "int64": 8, "int8": 1}
#: dtype name -> (precision, smallest exponent, largest finite number + half an ulp, bits dropped from float32)
_NARROW = {"float16": (11, -14, 65520.0, 13), "bfloat16": (8, -126, (2.0 - 2.0**-8) * 2.0**127, 16)}


def _shape(kind: Any, count: int) -> Any:
    return ir.VectorType(kind, count) if count else kind


def address(trace: Trace, base: Any, index: Any, dtype: str) -> Any:
    """Return a pointer to an element; base: address as int64, index: int64."""
    b = trace.builder
    return b.inttoptr(b.add(base, b.mul(index, ir.Constant(I64, SIZES[dtype]))), ir.PointerType())


def load(trace: Trace, base: Any, index: Any, dtype: str, count: int, mask: Any = None, fill: float = 0.0) -> Lane:
    """Return elements as float64: `count` of them, or one where count is 0.

    mask: which may be read; the others are `fill`, which must be a number of the format.
    """
    return widened(trace, raw(trace, base, index, dtype, count, mask, fill), dtype)


def raw(trace: Trace, base: Any, index: Any, dtype: str, count: int, mask: Any = None, fill: float = 0.0) -> Any:
    """Return elements as they stand in memory; see `load`."""
    pointer = address(trace, base, index, dtype)
    kind = _shape(KINDS[dtype], count)
    if mask is None:
        return trace.builder.load(pointer, align=SIZES[dtype], typ=kind)
    name = {I16: "i16", F32: "f32", F64: "f64", I64: "i64"}[KINDS[dtype]]
    through = ir.Constant(kind, [fill if KINDS[dtype] in (F32, F64) else _bits(fill, dtype)] * count)
    align = ir.Constant(I32, SIZES[dtype])
    return trace.intrinsic(f"llvm.masked.load.v{count}{name}.p0", kind, [pointer, align, mask, through])


def _bits(fill: float, dtype: str) -> int:
    if fill == 0.0:
        return 0
    assert fill == float("-inf")
    return 0xFC00 if dtype == "float16" else 0xFF80


def prefetch(trace: Trace, base: Any, index: Any, dtype: str, *, write: bool) -> None:
    """Have an element brought near that will be read, or written, soon; it need not exist."""
    how = [ir.Constant(I32, x) for x in (int(write), 3, 1)]  # into the nearest cache, as data
    trace.intrinsic("llvm.prefetch.p0", ir.VoidType(), [address(trace, base, index, dtype), *how])


def store(trace: Trace, base: Any, index: Any, dtype: str, x: Lane, mask: Any = None) -> Any:
    """Write lanes, rounded once to the format, and return what was written."""
    code = narrowed(trace, x, dtype)
    put(trace, base, index, dtype, code, mask)
    return code


def put(trace: Trace, base: Any, index: Any, dtype: str, code: Any, mask: Any = None) -> None:
    """Write elements as they stand; mask: which."""
    pointer = address(trace, base, index, dtype)
    if mask is None:
        trace.builder.store(code, pointer, align=SIZES[dtype])
        return
    name = {I8: "i8", I16: "i16", F32: "f32", F64: "f64"}[KINDS[dtype]]
    align = ir.Constant(I32, SIZES[dtype])
    full = f"llvm.masked.store.v{code.type.count}{name}.p0"
    trace.intrinsic(full, ir.VoidType(), [code, pointer, align, mask])


def gathered(trace: Trace, base: Any, indices: Any, dtype: str) -> Lane:
    """Return the elements at a vector of indices as float64."""
    b, count = trace.builder, indices.type.count
    code = ir.Constant(_shape(KINDS[dtype], count), ir.Undefined)
    for k in range(count):
        place = ir.Constant(I32, k)
        pointer = address(trace, base, b.extract_element(indices, place), dtype)
        code = b.insert_element(code, b.load(pointer, align=SIZES[dtype], typ=KINDS[dtype]), place)
    return widened(trace, code, dtype)


def widened(trace: Trace, code: Any, dtype: str) -> Lane:
    """Return elements of a format as float64, exactly."""
    b = trace.builder
    count = code.type.count if isinstance(code.type, ir.VectorType) else 0
    if dtype == "float64":
        return Lane(trace, code)
    if dtype == "float32":
        return Lane(trace, b.fpext(code, _shape(F64, count)))
    bits = b.zext(code, _shape(I32, count))
    if dtype == "bfloat16":
        single = b.bitcast(b.shl(bits, trace.integer(16, bits.type)), _shape(F32, count))
        return Lane(trace, b.fpext(single, _shape(F64, count)))
    # float16: its exponent and fraction, moved to those of float32, are the number times 2^-112.
    size = b.shl(b.and_(bits, trace.integer(0x7FFF, bits.type)), trace.integer(13, bits.type))
    wide = Lane(trace, b.fpext(b.bitcast(size, _shape(F32, count)), _shape(F64, count))) * 2.0**112
    # Beyond the largest finite number: infinity, or NaN where the fraction is not 0.
    wide = trace.where(wide >= 65536.0, trace.where(wide > 65536.0, float("nan"), float("inf")), wide)
    sign = b.shl(b.zext(b.and_(bits, trace.integer(0x8000, bits.type)), _shape(I64, count)),
                 trace.integer(48, _shape(I64, count)))  # fmt: skip
    return trace.of_bits(b.or_(trace.bits(wide), sign))


def narrowed(trace: Trace, x: Lane, dtype: str) -> Any:
    """Return float64 lanes as elements of a format, rounded once to nearest, ties to even; float32 as they are."""
    b = trace.builder
    count = x.code.type.count if isinstance(x.code.type, ir.VectorType) else 0
    if dtype == "float64" or (dtype == "float32" and element_of(x.code.type) == F32):
        return x.code
    if dtype == "float32":
        return b.fptrunc(x.code, _shape(F32, count))
    precision, emin, overflow, dropped = _NARROW[dtype]
    size = trace.size(x)
    clipped = trace.where(size < 2.0**emin, 2.0**emin, size)
    clipped = trace.where(clipped >= overflow, overflow, clipped)
    # 1.5 2^52 times the last digit of the format: adding it rounds to that digit.
    power = b.and_(trace.bits(clipped), trace.integer(0x7FF0000000000000, trace.whole(clipped.code)))
    unit = trace.of_bits(power) * (1.5 * 2.0 ** (53 - precision))
    digits = (size + unit) - unit
    digits = trace.where(size >= overflow, float("inf"), digits)
    scale = 2.0**-112 if dtype == "float16" else 1.0
    # Infinity in float16 is 2^16, times 2^-112, in the exponent field of float32.
    if dtype == "float16":
        digits = trace.where(size >= overflow, 65536.0, digits)
    single = b.fptrunc((digits * scale).code, _shape(F32, count))
    bits = b.lshr(b.bitcast(single, _shape(I32, count)), trace.integer(dropped, _shape(I32, count)))
    quiet = 0x7E00 if dtype == "float16" else 0x7FC0
    nan = (x != x).code
    bits = b.select(nan, trace.integer(quiet, bits.type), bits)
    sign = b.lshr(trace.bits(x), trace.integer(48, _shape(I64, count)))
    sign = b.and_(b.trunc(sign, _shape(I32, count)), trace.integer(0x8000, _shape(I32, count)))
    sign = b.select(nan, trace.integer(0, bits.type), sign)
    return b.trunc(b.or_(bits, sign), _shape(I16, count))
