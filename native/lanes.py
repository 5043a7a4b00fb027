"""Operations on lanes of float64: NumPy arrays, or values of a kernel that is being compiled, also of float32.

The formulas of this package are written once, with operators and the functions below. Run on NumPy arrays they
compute; run on `traced` lanes (see `trace`) they write the instructions of a kernel. A lane is an array that
broadcasts, a traced value, or a Python float. Where a fused multiply-add is named, NumPy uses two roundings:
nothing here needs the fusion for its accuracy but `two_prod`, which NumPy splits by Dekker's method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Lane = Any
Mask = Any

#: Veltkamp's factor for 53 bits, 2^27 + 1
_SPLIT = 134217729.0


def traced(*values: Any) -> Any:
    """Return the trace that one of the values belongs to, or None when all are NumPy's."""
    for value in values:
        trace = getattr(value, "trace", None)
        if callable(getattr(trace, "where", None)):
            return trace
    return None


def where(mask: Mask, a: Lane, b: Lane) -> Lane:
    """Return a where the mask holds, b elsewhere."""
    trace = traced(mask, a, b)
    return trace.where(mask, a, b) if trace else np.where(mask, a, b)


def rarely(mask: Mask, then: Callable[[], tuple[Lane, ...]], usual: Callable[[], tuple[Lane, ...]]) -> tuple[Lane, ...]:
    """Return what `usual` gives where the mask holds nowhere; else what `then` gives, which is right everywhere.

    NumPy takes the latter always.
    """
    trace = traced(mask)
    return trace.rarely(mask, then, usual) if trace else then()


def fused(a: Lane, b: Lane, c: Lane) -> Lane:
    """Return a b + c: one rounding in a kernel, two on NumPy."""
    trace = traced(a, b, c)
    return trace.fused(a, b, c) if trace else a * b + c


def negative(x: Lane) -> Mask:
    """Return where x < 0; a kernel looks at the sign alone, which -0 and NaN may have too."""
    trace = traced(x)
    return trace.negative(x) if trace else x < 0.0


def size(x: Lane) -> Lane:
    """Return |x|."""
    trace = traced(x)
    return trace.size(x) if trace else np.abs(x)


def two_sum(a: Lane, b: Lane) -> tuple[Lane, Lane]:
    """Return (s, e) with s = fl(a + b) and s + e = a + b exactly (Knuth)."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def quick_sum(a: Lane, b: Lane) -> tuple[Lane, Lane]:
    """Return `two_sum(a, b)` for |a| >= |b| or a = 0 (Dekker)."""
    s = a + b
    return s, b - (s - a)


def two_prod(a: Lane, b: Lane) -> tuple[Lane, Lane]:
    """Return (p, e) with p = fl(a b) and p + e = a b exactly, as long as nothing underflows.

    On NumPy factors above 2^996 overflow in the splitting; their e is 0, half an ulp of p.
    """
    p = a * b
    trace = traced(a, b)
    if trace:
        return p, trace.fused(a, b, -p)
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    e = ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low
    return p, np.where(np.isfinite(e), e, 0.0)


def _split(a: Lane) -> tuple[Lane, Lane]:
    c = _SPLIT * a
    high = c - (c - a)
    return high, a - high


def nearest(x: Lane, factor: float) -> Lane:
    """Return the integer nearest to x times a factor, which is below 2^51 in size."""
    trace = traced(x)
    return trace.nearest(x, factor) if trace else np.rint(x * factor)


def scaled(x: Lane, k: Lane) -> Lane:
    """Return x 2^k, rounded once; |x| in [2^-20, 2^20] or 0, k an integer in [-2200, 1000]."""
    trace = traced(x, k)
    if trace:
        return trace.scaled(x, k)
    return np.ldexp(x, np.nan_to_num(k, nan=0.0, posinf=1000.0, neginf=-2200.0).astype(np.intc))


def coarse(x: Lane, k: Lane) -> Lane:
    """Return x 2^k for k of at most 1000, or something as small where that is below 2^-1020; cheaper than `scaled`."""
    trace = traced(x, k)
    return trace.coarse(x, k) if trace else scaled(x, k)


def split_exponent(x: Lane, *, normal: bool = False) -> tuple[Lane, Lane]:
    """Return (m, e) with x = m 2^e and m in [sqrt(1/2), sqrt(2)), for finite x > 0; else both are NaN.

    normal: x is known to be a normal number above 0.
    """
    trace = traced(x)
    if trace:
        return trace.split_exponent(x, normal=normal)  # type: ignore[no-any-return]
    good = (x > 0) & (x < np.inf)
    m, e = np.frexp(np.where(good, x, np.nan))
    low = m < 2.0**-0.5
    return np.where(low, 2.0 * m, m), np.where(good, e - 1.0 * low, np.nan)


def polynomial(coefficients: tuple[float, ...], x: Lane) -> Lane:
    """Return the sum of c_k x^k: Horner's rule in x^2 on pairs c_k + c_(k+1) x (Estrin 1960, one level).

    The pairs wait for nobody, so the chain of operations that wait for each other is half as long.
    """
    if len(coefficients) < 4:
        return horner(coefficients, x)
    pairs = [fused(x, b, a) for a, b in zip(coefficients[::2], coefficients[1::2], strict=False)]
    return horner((*pairs, *coefficients[2 * len(pairs) :]), x * x)


def horner(coefficients: tuple[Lane, ...], x: Lane) -> Lane:
    """Return the sum of c_k x^k in one chain."""
    total: Lane = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = fused(total, x, c)
    return total
