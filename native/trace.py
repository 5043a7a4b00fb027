"""Lanes that write instructions: run on them, a formula becomes LLVM code for vectors of float64, or of float32.

A `Lane` wraps an LLVM value, one number or a vector of `width` of them, or the truth values of a comparison.
Operators and the functions of `lanes` append to the block being built. No instruction carries a fast-math flag:
what is written is what is computed, alone or in a vector, so results do not depend on the length of the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from .coefficients import LOG2_E
from .operators import Lane

Lanes = tuple[Lane, ...]
F64 = ir.DoubleType()
F32 = ir.FloatType()
I64 = ir.IntType(64)
I32 = ir.IntType(32)
I16 = ir.IntType(16)
I8 = ir.IntType(8)
I1 = ir.IntType(1)

#: adding it rounds to an integer, whose bits are then the lowest of the sum
_MAGIC = 1.5 * 2.0**52
#: the bits of `_MAGIC`, which is what `octaves` adds the exponent field of 2^k to
OCTAVES = 0x4338000000000000


def element_of(kind: Any) -> Any:
    """Return the type of the numbers of a vector type, or the type itself."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


def barrier(builder: Any, *places: Any) -> None:
    """Have the compiler believe that memory changes here, what is at these places included."""
    kind = ir.FunctionType(ir.VoidType(), [place.type for place in places])
    builder.asm(kind, "", ",".join(["r"] * len(places) + ["~{memory}"]), list(places), side_effect=True)


class Trace:
    """The block that instructions are appended to, and the operations that lanes need beyond operators."""

    def __init__(self, builder: Any, width: int, register: int = 0) -> None:
        """Take an llvmlite builder; width: lanes in a vector.

        register: float32 in a register that one instruction of x86 permutes, 8 or 16; 0 where there is none.
        """
        self.builder, self.width, self.register = builder, width, register
        self._constants: dict[tuple[float, int, bool], Any] = {}

    def constant(self, x: float, like: Any) -> Any:
        """Return a constant of a type of float64 or float32."""
        return ir.Constant(like, [float(x)] * like.count if isinstance(like, ir.VectorType) else float(x))

    def operand(self, x: float, like: Any) -> Any:
        """Return a constant for an operation: read from memory, where it is the operand of an instruction.

        A constant that the compiler knows is loaded before the loop and, where there are more of them than
        registers, spilled, so that it is loaded once more in the loop, by an instruction of its own.
        """
        if not isinstance(like, ir.VectorType) or x in (0.0, 1.0, -1.0):
            return self.constant(x, like)
        b, key = self.builder, (x, like.count, like.element == F32)
        if key not in self._constants:
            with b.goto_entry_block():
                place = b.alloca(like)
                b.store(self.constant(x, like), place)
                barrier(b, place)
            self._constants[key] = place
        return b.load(self._constants[key], typ=like)

    def splat(self, code: Any, count: int) -> Any:
        """Return a vector of equal elements."""
        kind = ir.VectorType(code.type, count)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), code, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, count), [0] * count)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def alike(self, *values: Any) -> list[Any]:
        """Return lanes and floats as LLVM values of one shape: single ones are repeated beside a vector."""
        codes = [v.code if isinstance(v, Lane) else v for v in values]
        kinds = [c.type for c in codes if hasattr(c, "type")]
        count = max((k.count for k in kinds if isinstance(k, ir.VectorType)), default=0)
        element = F32 if any(element_of(k) == F32 for k in kinds) else F64
        alike = []
        for c in codes:
            if not hasattr(c, "type"):
                c = self.operand(c, ir.VectorType(element, count) if count else element)
            elif count and not isinstance(c.type, ir.VectorType):
                c = self.splat(c, count)
            alike.append(c)
        return alike

    def intrinsic(self, name: str, result: Any, arguments: list[Any]) -> Any:
        """Call an LLVM intrinsic on LLVM values."""
        kind = ir.FunctionType(result, [a.type for a in arguments])
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, arguments)

    @staticmethod
    def suffix(kind: Any) -> str:
        """Return how intrinsics name a type of float64 or float32."""
        vector = isinstance(kind, ir.VectorType)
        size = "f32" if (kind.element if vector else kind) == F32 else "f64"
        return f"v{kind.count}{size}" if vector else size

    def where(self, mask: Lane, a: Any, b: Any) -> Lane:
        """Select."""
        if not isinstance(a, Lane) and not isinstance(b, Lane):
            a = Lane(self, self.constant(a, self.like(mask.code)))
        m, x, y = self.alike(mask, a, b)
        return Lane(self, self.builder.select(m, x, y))

    def like(self, code: Any) -> Any:
        """Return the float64 type with the shape of an LLVM value."""
        return ir.VectorType(F64, code.type.count) if isinstance(code.type, ir.VectorType) else F64

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, rounded once."""
        if (isinstance(a, float) and a == 0.0) or (isinstance(b, float) and b == 0.0):
            return c
        return Lane(self, self.fused_code(*self.alike(a, b, c)))

    def fused_code(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c of LLVM values of one type."""
        return self.intrinsic(f"llvm.fma.{self.suffix(a.type)}", a.type, [a, b, c])

    def negative(self, x: Lane) -> Lane:
        """Return where the sign bit is set, which a select reads without a comparison."""
        code = self.bits(x)
        return Lane(self, self.builder.icmp_signed("<", code, self.integer(0, code.type)))

    def size(self, x: Lane) -> Lane:
        """|x|."""
        return Lane(self, self.intrinsic(f"llvm.fabs.{self.suffix(x.code.type)}", x.code.type, [x.code]))

    def whole(self, code: Any) -> Any:
        """Return the integer type with the shape and the size of an LLVM value."""
        integer = I32 if element_of(code.type) == F32 else I64
        return ir.VectorType(integer, code.type.count) if isinstance(code.type, ir.VectorType) else integer

    def integer(self, x: int, kind: Any) -> Any:
        """Return an integer constant."""
        return ir.Constant(kind, [x] * kind.count) if isinstance(kind, ir.VectorType) else ir.Constant(kind, x)

    def bits(self, x: Lane) -> Any:
        """Return the bits of numbers."""
        return self.builder.bitcast(x.code, self.whole(x.code))

    def of_bits(self, code: Any) -> Lane:
        """Return the float64, or float32, of these bits."""
        number = F32 if element_of(code.type) == I32 else F64
        kind = ir.VectorType(number, code.type.count) if isinstance(code.type, ir.VectorType) else number
        return Lane(self, self.builder.bitcast(code, kind))

    def looked_up(self, table: tuple[float, ...], index: Any) -> Lane:
        """Return float32 of a table of 8; index: integers of 32 bits, whose last three say which."""
        b, register = self.builder, self.register
        kind = ir.VectorType(F32, register)
        numbers = ir.Constant(kind, [*table] * (register // 8))
        name = {8: "llvm.x86.avx2.permps", 16: "llvm.x86.avx512.permvar.sf.512"}[register]
        nothing = ir.Constant(index.type, ir.Undefined)
        parts = []
        for start in range(0, index.type.count, register):
            order = ir.Constant(ir.VectorType(I32, register), list(range(start, start + register)))
            parts.append(self.intrinsic(name, kind, [numbers, b.shuffle_vector(index, nothing, order)]))
        while len(parts) > 1:
            count = 2 * parts[0].type.count
            order = ir.Constant(ir.VectorType(I32, count), list(range(count)))
            parts = [b.shuffle_vector(x, y, order) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        return Lane(self, parts[0])

    def nearest(self, x: Lane, factor: float) -> Lane:
        """Return the integer nearest to x times a factor."""
        shifted = self.fused(x, factor, _MAGIC)
        return Lane(self, (shifted - _MAGIC).code, shifted.code)

    def octaves(self, x: Lane) -> tuple[Lane, Lane, Any]:
        """Return (k, 2^k) for the integer k nearest to x log2(e), and what k is read from: `OCTAVES` and k, in bits.

        k must be in [-1023, 1023], at whose ends 2^k is 0 and infinity.
        """
        shifted = self.fused(x, LOG2_E, _MAGIC + 1023.0)
        code = self.bits(shifted)
        return shifted - (_MAGIC + 1023.0), self.of_bits(self.builder.shl(code, self.integer(52, code.type))), code

    def _exponent(self, k: Lane) -> Any:
        """Return k, an integer, moved to where the exponent of float64 stands."""
        shifted = Lane(self, k.magic) if k.magic is not None else k + _MAGIC
        code = self.bits(shifted)
        return self.builder.shl(code, self.integer(52, code.type))

    def raised(self, x: Lane, k: Lane) -> Lane:
        """Return x 2^k, which must be normal."""
        code = self.bits(x)
        return self.of_bits(self.builder.add(code, self._exponent(k)))

    def power(self, k: Lane) -> Lane:
        """Return 2^k for k in [-1022, 1023]: k, with the bias added, moved to where the exponent stands."""
        code = self.bits(k + (_MAGIC + 1023.0))
        return self.of_bits(self.builder.shl(code, self.integer(52, code.type)))

    def scaled(self, x: Any, k: Any) -> Lane:
        """Return x 2^k, rounded once, for k of at most 1000; below -2020 it is too small for float64 anyway."""
        if not isinstance(k, Lane):
            k = Lane(self, self.constant(k, self.like(x.code)))
        k = self.where(k < -2020.0, -2020.0, k)
        first = self.where(k < -1000.0, -1000.0, k)
        return (x * self.power(first)) * self.power(k - first)  # type: ignore[no-any-return]

    def coarse(self, x: Any, k: Lane) -> Lane:
        """Return x 2^k; see `lanes.coarse`."""
        return x * self.power(self.where(k < -1020.0, -1020.0, k))  # type: ignore[no-any-return]

    def split_exponent(self, x: Lane, *, normal: bool = False) -> tuple[Lane, Lane]:
        """Return (m, e); see `lanes.split_exponent`."""
        if normal:
            return self._split_normal(x)
        tiny = x < 2.0**-1022
        m, e = self._split_normal(self.where(tiny, x * 2.0**54, x))
        e = self.where(tiny, e - 54.0, e)
        good = (x > 0.0) & (x < float("inf"))
        return self.where(good, m, float("nan")), self.where(good, e, float("nan"))

    def _split_normal(self, x: Lane) -> tuple[Lane, Lane]:
        b, code = self.builder, self.bits(x)
        kind = code.type
        # Less the bits of sqrt(1/2), the exponent field counts from there; twice its bias keeps it above 0.
        places, bias = self.integer(52, kind), 2 * (1023 << 52)
        exponent = b.lshr(b.add(code, self.integer(bias - 0x3FE6A09E00000000, kind)), places)
        m = self.of_bits(b.sub(b.add(code, self.integer(bias, kind)), b.shl(exponent, places)))
        # An integer below 2^51 in size, added to the bits of the magic number, is that number plus the integer.
        magic = b.bitcast(self.constant(_MAGIC, self.like(m.code)), kind)
        return m, self.of_bits(b.add(exponent, magic)) - (_MAGIC + 2046.0)

    def rarely(self, mask: Lane, then: Callable[[], Lanes], usual: Callable[[], Lanes]) -> Lanes:
        """Return what `then` gives if a mask holds somewhere, else what `usual` gives: the same where that is right."""
        b = self.builder
        with b.if_else(self.any(mask), likely=False) as (rare, often):
            with rare:
                barrier(b)
                first, here = then(), b.block
            with often:
                second, there = usual(), b.block
        joined = []
        for one, other in zip(first, second, strict=True):
            phi = b.phi(one.code.type)
            phi.add_incoming(one.code, here)
            phi.add_incoming(other.code, there)
            joined.append(Lane(self, phi))
        return tuple(joined)

    def extract(self, x: Lane, i: int) -> Lane:
        """Return one element of a vector."""
        return Lane(self, self.builder.extract_element(x.code, ir.Constant(I32, i)))

    def halves(self, x: Lane) -> tuple[Lane, Lane]:
        """Return the lower and the upper half of a vector."""
        n = x.code.type.count
        nothing = ir.Constant(x.code.type, ir.Undefined)
        parts = []
        for start in (0, n // 2):
            order = ir.Constant(ir.VectorType(I32, n // 2), list(range(start, start + n // 2)))
            parts.append(Lane(self, self.builder.shuffle_vector(x.code, nothing, order)))
        return parts[0], parts[1]

    def joined_bits(self, code: Any) -> Any:
        """Return what bits are set in one of the integers of a vector."""
        b, count = self.builder, code.type.count
        while count > 1:
            count //= 2
            nothing = ir.Constant(code.type, ir.Undefined)
            halves = [ir.Constant(ir.VectorType(I32, count), list(range(k, k + count))) for k in (0, count)]
            code = b.or_(*(b.shuffle_vector(code, nothing, half) for half in halves))
        return b.extract_element(code, ir.Constant(I32, 0))

    def any(self, mask: Lane) -> Any:
        """Return, as one bit, whether a truth value, or one of a vector, holds."""
        if not isinstance(mask.code.type, ir.VectorType):
            return mask.code
        n = mask.code.type.count
        bits = self.builder.bitcast(mask.code, ir.IntType(n))
        return self.builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(n), 0))
