"""Double-word arithmetic: a real number as hi + lo, two float64 with |lo| <= ulp(hi) / 2, and proved error bounds.

The operations and their bounds are those of Joldes, Muller and Popescu, "Tight and rigorous error bounds for
basic building blocks of double-word arithmetic", ACM TOMS 44(2), 2017, here JMP; u = 2^-53. They hold while
nothing overflows or falls below 2^-968, which is for the callers to see to: exponents travel apart
(`reference.filter`). Everything is straight-line code on scalars that LLVM inlines and vectorises; none of
these functions can be called outside compiled code.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import factorial
from typing import Any, TypeVar, cast

import mpmath
from llvmlite import ir
from numba import float64, int64, njit
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """Compile a piece of straight-line code into its callers."""
    return cast(F, njit(error_model="numpy", forceinline=True)(function))


def compiled(function: F) -> F:
    """Compile a loop and keep it on disk. No fast-math flag anywhere: error-free transforms would not survive.

    Numba looks at the loop's own module to see whether the kept code is still right, not at what it inlines from
    other modules: after an edit here, or in `filter_terms`, empty the `__pycache__` of the reference.
    """
    return cast(F, njit(error_model="numpy", cache=True)(function))


def _operation(argument: Any, result: Any, build: Callable[..., Any]) -> Any:
    """An LLVM instruction on one number as a function of compiled code."""

    def typed(_context: Any, _x: Any) -> Any:
        return result(argument), lambda _c, builder, _s, args: build(builder, *args)

    return intrinsic(typed)


def _fused(_context: Any, _x: Any, _y: Any, _z: Any) -> Any:
    return float64(float64, float64, float64), lambda _c, builder, _s, args: builder.fma(*args)


def _rint(builder: Any, x: Any) -> Any:
    return builder.call(builder.module.declare_intrinsic("llvm.rint", [ir.DoubleType()]), [x])


#: x * y + z, rounded once.
fma: Callable[[float, float, float], float] = cast(Any, intrinsic(_fused))
#: The nearest integer, ties to even.
rint: Callable[[float], float] = _operation(float64, float64, _rint)
#: The bits of a float64 as an integer, and back.
bits: Callable[[float], int] = _operation(float64, int64, lambda b, x: b.bitcast(x, ir.IntType(64)))
from_bits: Callable[[int], float] = _operation(int64, float64, lambda b, x: b.bitcast(x, ir.DoubleType()))

#: Adding it to |x| < 2^51 leaves the nearest integer to x in the low bits.
_MAGIC = 1.5 * 2.0**52


@inlined
def pow2(k: float) -> float:
    """2^k for an integer k in [-1022, 1023]."""
    return from_bits((bits(k + _MAGIC) + 1023) << 52)


@inlined
def exponent(x: float) -> float:
    """floor(log2 |x|) of a normal x; -1023 for zero and subnormals."""
    return from_bits(((bits(x) >> 52) & 0x7FF) | 0x4330000000000000) - (2.0**52 + 1023.0)


@inlined
def is_power(x: float) -> bool:
    """Whether |x| is a power of two, or zero: multiplication by it is exact."""
    return (bits(x) & 0xFFFFFFFFFFFFF) == 0


@inlined
def fast_two_sum(a: float, b: float) -> tuple[float, float]:
    """a + b exactly, for |a| >= |b| or a = 0 (JMP algorithm 1)."""
    s = a + b
    return s, b - (s - a)


@inlined
def two_sum(a: float, b: float) -> tuple[float, float]:
    """a + b exactly (JMP algorithm 2)."""
    s = a + b
    t = s - b
    return s, (a - t) + (b - (s - t))


@inlined
def two_prod(a: float, b: float) -> tuple[float, float]:
    """a * b exactly (JMP algorithm 3)."""
    p = a * b
    return p, fma(a, b, -p)


#: |error| of `add` <= ADD (|x| + |y|): the rounding of xl + yl costs u^2 (|x| + |y|), that of the sum of the
#: low parts u^2 (|x + y| + |x| + |y|), to first order; the third part of 1 % holds the higher orders.
ADD = 3.01 * 2.0**-106
#: |error| of `mul` and `mul1` <= MUL |x y| (JMP theorem 5.4: 5 u^2; theorem 4.3: 2 u^2).
MUL = 5.01 * 2.0**-106
#: |error| of `div` <= DIV |x / y| (JMP theorem 6.2: 15 u^2 + 56 u^3).
DIV = 15.01 * 2.0**-106


@inlined
def add(xh: float, xl: float, yh: float, yl: float) -> tuple[float, float]:
    """x + y (JMP algorithm 5); the error is relative to |x| + |y|, so it is small unless terms cancel."""
    sh, sl = two_sum(xh, yh)
    return fast_two_sum(sh, sl + (xl + yl))


@inlined
def mul(xh: float, xl: float, yh: float, yl: float) -> tuple[float, float]:
    """x * y (JMP algorithm 12)."""
    ch, cl = two_prod(xh, yh)
    return fast_two_sum(ch, cl + fma(xl, yh, fma(xh, yl, xl * yl)))


@inlined
def mul1(xh: float, xl: float, y: float) -> tuple[float, float]:
    """x * y for a float64 y (JMP algorithm 9)."""
    ch, cl = two_prod(xh, y)
    return fast_two_sum(ch, fma(xl, y, cl))


@inlined
def div(xh: float, xl: float, yh: float, yl: float) -> tuple[float, float]:
    """x / y (JMP algorithm 17)."""
    th = xh / yh
    rh, rl = mul1(yh, yl, th)
    return fast_two_sum(th, ((xh - rh) + (xl - rl)) / yh)


def _pair(x: Fraction) -> tuple[float, float]:
    hi = float(x)
    return hi, float(x - Fraction(hi))


def _exact(x: Any) -> Fraction:
    """An mpmath number as a fraction."""
    sign, man, exp, _ = x._mpf_
    return Fraction(-int(man) if sign else int(man)) * Fraction(2) ** int(exp)


_MP = mpmath.MPContext()
_MP.prec = 400
_LN2 = _exact(+_MP.ln2)
# ln 2 = _L1 + _L2 + _L3 with 41, 41 and 53 bits: integers below 2^12 times the first two are exact.
_L1 = float(Fraction(int(_LN2 * 2**41), 2**41))
_L2 = float(Fraction(int((_LN2 - Fraction(_L1)) * 2**82), 2**82))
_L3 = float(_LN2 - Fraction(_L1) - Fraction(_L2))
_INV_LN2 = float(1 / _LN2)
_E = tuple(_pair(Fraction(1, factorial(n))) for n in range(24))
_A = tuple(_pair(Fraction(1, 2 * k + 1)) for k in range(15))
_LOG = {c: _pair(_exact(_MP.log(_MP.mpf(c)))) for c in (0.75, 1.25, 1.5, 1.75, 2.0)}
_LOG075, _LOG125, _LOG150, _LOG175, _LOG200 = (_LOG[c] for c in (0.75, 1.25, 1.5, 1.75, 2.0))


@inlined
def _series(ph: float, pl: float, xh: float, xl: float, c: tuple[float, float]) -> tuple[float, float]:
    """c + p x, a step of Horner's rule for |c| > |p x|: the error of `add`, without its branch-free sum."""
    th, tl = mul(ph, pl, xh, xl)
    sh, sl = fast_two_sum(c[0], th)
    return fast_two_sum(sh, sl + (c[1] + tl))


#: Largest argument of `exp_minus`.
EXP_MAX = 2000.0
#: Relative error of u = exp(-a), and of exp(-a) - 1 where n = 0 (see `exp_minus`).
EXP = 16.0 * 2.0**-106


@inlined
def exp_minus(ah: float, al: float) -> tuple[float, float, float, float, float]:
    """(ph, pl, uh, ul, n): exp(-a) = u 2^n with u = 1 + p, for 0 <= a = ah + al <= EXP_MAX.

    r = -a - n ln 2, |r| <= ln 2 / 2 + 2^-40 < 0.3466. -ah - n L1 is exact: it is below 1/2 and a multiple of
    2^-54 where n is not 0. n L2 is exact, the sums with it and al are error-free; what is rounded is of size
    2^-53 |r| (twice: 0.7 u^2), and n (ln 2 - L1 - L2 - L3) with n L3 costs 2^-122: |error of r| <= 0.8 u^2,
    and none for n = 0.
    p = expm1(r) by Taylor: the rest after r^22 / 22! is below 0.25 u^2 |p|. Terms from r^14 / 14! on are summed
    in float64, with an error of 2 u |r^13| / 14! < 0.3 u^2 relative to r. A Horner step that adds x r to c,
    |x r| <= t |c|, turns a relative error e into t (e + 5 u^2) / (1 - t) + u^2 (1 + 2 (1 + t) / (1 - t)):
    4.5 u^2 with t = 0.1 for c = 1/6, 5.1 u^2 with t = 0.13 for c = 1/2, 6.6 u^2 with t = 0.2 for c = 1. Times
    r, 5 u^2 more: 12.2 u^2 for p. For u = 1 + p, with |p| / u <= 0.415 and (1 + |p|) / u <= 1.83:
    12.2 * 0.415 + 3.01 * 1.83 + 0.8 < 12 u^2.
    """
    n = fma(-ah, _INV_LN2, _MAGIC) - _MAGIC
    sh, sl = two_sum(fma(-n, _L1, -ah), -n * _L2)
    th, tl = two_sum(sh, -al)
    rh, rl = two_sum(th, fma(-n, _L3, sl + tl))
    q = _E[22][0]
    q = fma(q, rh, _E[21][0])
    q = fma(q, rh, _E[20][0])
    q = fma(q, rh, _E[19][0])
    q = fma(q, rh, _E[18][0])
    q = fma(q, rh, _E[17][0])
    q = fma(q, rh, _E[16][0])
    q = fma(q, rh, _E[15][0])
    q = fma(q, rh, _E[14][0])
    ph, pl = _series(q, 0.0, rh, rl, _E[13])
    ph, pl = _series(ph, pl, rh, rl, _E[12])
    ph, pl = _series(ph, pl, rh, rl, _E[11])
    ph, pl = _series(ph, pl, rh, rl, _E[10])
    ph, pl = _series(ph, pl, rh, rl, _E[9])
    ph, pl = _series(ph, pl, rh, rl, _E[8])
    ph, pl = _series(ph, pl, rh, rl, _E[7])
    ph, pl = _series(ph, pl, rh, rl, _E[6])
    ph, pl = _series(ph, pl, rh, rl, _E[5])
    ph, pl = _series(ph, pl, rh, rl, _E[4])
    ph, pl = _series(ph, pl, rh, rl, _E[3])
    ph, pl = _series(ph, pl, rh, rl, _E[2])
    ph, pl = _series(ph, pl, rh, rl, _E[1])
    ph, pl = mul(ph, pl, rh, rl)
    sh, sl = fast_two_sum(1.0, ph)
    uh, ul = fast_two_sum(sh, sl + pl)
    return ph, pl, uh, ul, n


#: Relative error of `log_parts`.
LOG = 48.0 * 2.0**-106


@inlined
def log_parts(fh: float, fl: float, k: float) -> tuple[float, float]:
    """log(1 + f) + k ln 2 for f = fh + fl in [-1/4, 1], |k| < 2^11; f >= 1/2 only with k = 0 or k > 0.

    With c the quarter nearest to 1 + f: log(1 + f) = log c + 2 atanh(s), s = (f - (c - 1)) / (f + (c + 1)).
    The numerator is exact (Sterbenz, then two_sum), the denominator within 1.3 u^2, so s within 16.4 u^2.
    |s| <= 1/13: atanh(s) = s (1 + S/3 + S^2/5 + ...), S = s^2 <= 2^-7.4, rest after S^13 below 0.2 u^2, terms
    from S^7 on in float64 (0.3 u^2), error of S and of the Horner steps below 3.3 u^2, of the last product
    5 u^2: 25.2 u^2 in all, which is the answer for c = 1, k = 0: |f| <= 1/8.
    Else |error| <= 25.2 u^2 |A| + 4 u^2 (|log c| + |A|), A = 2 atanh(s), |A| <= 0.155: the sum is at least
    0.117 (c = 1.25 at 1.125: A = -0.106; c = 0.75 at 0.875: A = 0.155, log c = -0.288, sum 0.133, 44 u^2).
    k ln 2 adds u^2 |k ln 2| and a sum: for k = -1, |sum| >= 0.287 where |A| <= 0.087: below 30 u^2.
    """
    c = 0.25 * rint(4.0 * fh)
    sh, sl = two_sum(fh - c, fl)
    dh, dl = fast_two_sum(2.0 + c, fh)
    dh, dl = fast_two_sum(dh, dl + fl)
    sh, sl = div(sh, sl, dh, dl)
    xh, xl = mul(sh, sl, sh, sl)
    q = _A[13][0]
    q = fma(q, xh, _A[12][0])
    q = fma(q, xh, _A[11][0])
    q = fma(q, xh, _A[10][0])
    q = fma(q, xh, _A[9][0])
    q = fma(q, xh, _A[8][0])
    q = fma(q, xh, _A[7][0])
    ph, pl = _series(q, 0.0, xh, xl, _A[6])
    ph, pl = _series(ph, pl, xh, xl, _A[5])
    ph, pl = _series(ph, pl, xh, xl, _A[4])
    ph, pl = _series(ph, pl, xh, xl, _A[3])
    ph, pl = _series(ph, pl, xh, xl, _A[2])
    ph, pl = _series(ph, pl, xh, xl, _A[1])
    ph, pl = _series(ph, pl, xh, xl, _A[0])
    ph, pl = mul(ph, pl, sh, sl)
    h = _LOG075[0] if c < 0.0 else 0.0
    h = _LOG125[0] if c == 0.25 else h
    h = _LOG150[0] if c == 0.5 else h
    h = _LOG175[0] if c == 0.75 else h
    h = _LOG200[0] if c == 1.0 else h
    low = _LOG075[1] if c < 0.0 else 0.0
    low = _LOG125[1] if c == 0.25 else low
    low = _LOG150[1] if c == 0.5 else low
    low = _LOG175[1] if c == 0.75 else low
    low = _LOG200[1] if c == 1.0 else low
    lh, ll = add(h, low, 2.0 * ph, 2.0 * pl)
    kh, kl = fast_two_sum(k * _L1, k * _L2)
    kh, kl = fast_two_sum(kh, kl + k * _L3)
    return add(kh, kl, lh, ll)
