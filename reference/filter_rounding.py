"""The filter's rounding: (hi + lo) 2^k within a bound to the nearest number of a format, or undecided.

What is decided: the nearest value (ties to even), the exponent of ulp(r), the sign of a zero and the tail
(r - value) / ulp(r). The enclosure is open, |r - (hi + lo) 2^k| < error 2^k (or r exact, error 0): a result
that lies just as far from a midpoint or from the edge of a binade as the bound is still decided. That is how a
head that is exact and a tail of which only the sign is known are rounded (`reference.filter_terms.join`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference.doubleword import compiled, exponent, inlined, is_power, pow2, rint
from lossbench.reference.formats import Format

Array = npt.NDArray[Any]

#: Largest error bound, in ulps, of a result that is handed out.
TAIL_ERROR = 2.0**-40
#: What rounding the tail to float64 adds: |tail| <= 1/2.
_TAIL_ROUNDING = 2.0**-53
#: hi must lie in 2^-_RANGE .. 2^_RANGE, or be zero and exact.
_RANGE = 600.0
#: and |k| be below this.
_EXPONENTS = 6000.0
#: Results this many binades below the smallest subnormal are rounded by their sign alone.
_DEEP = 320.0


@dataclass(frozen=True)
class Filtered:
    """Results of one shape: value float64, ulp_exponent int32, tail float64 (ulps), decided, bound (ulps).

    Where decided: value and ulp_exponent are right, the tail is within `bound`. Elsewhere nothing is meant.
    """

    value: Array
    ulp_exponent: Array
    tail: Array
    decided: Array
    bound: Array


@inlined
def round_one(
    hi: float, lo: float, k: float, error: float, p: float, emin: float, emax: float, maxfinite: float, overflow: float
) -> tuple[float, float, float, bool, float]:
    """(value, ulp exponent, tail, decided, bound in ulps) of (hi + lo) 2^k.

    hi + lo normalised, `error` in the units of hi. All steps but the last sum of `tail` and that of `near` are
    exact: scaling by powers of two, hi - rint(hi), and the subtraction of an edge that is close (Sterbenz).
    """
    lowest = emin - p + 1.0
    size, side = abs(hi), math.copysign(1.0, hi) * lo  # |r| = (size + side) 2^k
    e = exponent(size)
    usable = (e >= -_RANGE) & (e <= _RANGE) & (abs(k) < _EXPONENTS) & ((size - error) + side >= 0.0)
    log2 = e + k - (1.0 if is_power(size) & (side < 0.0) else 0.0)
    deep = log2 < lowest - _DEEP
    q = max(log2, emin) - p + 1.0
    shift = pow2(max(-1000.0, min(1000.0, k - q)))  # the limits are reached only where deep or unusable
    v = 2.0**-_DEEP if deep else size * shift
    w = 0.0 if deep else side * shift
    radius = 2.0**-_DEEP if deep else error * shift
    m = rint(v)
    f = v - m
    toward = math.copysign(1.0, w if f == 0.0 else f)
    near = (0.5 - abs(f)) - toward * w  # distance to the midpoint on that side
    beyond = near < 0.0
    m = m + (toward if beyond else 0.0)
    f = f - (toward if beyond else 0.0)
    clear = abs(near) >= radius
    above = (log2 <= emin) | ((v - pow2(p - 1.0)) + w >= radius)
    below = (log2 < emin) | ((pow2(p) - v) - w >= radius)
    bound = radius + _TAIL_ROUNDING
    decided = usable & clear & above & below & (bound <= TAIL_ERROR)
    first = max(-1000.0, min(1000.0, q))
    value = m * pow2(first) * pow2(max(-1000.0, min(1000.0, q - first)))
    tail = f + w
    over = value > maxfinite
    value = overflow if over else value
    tail = 0.0 if over else tail
    zero = (hi == 0.0) & (lo == 0.0) & (error == 0.0)
    q = lowest if zero else q
    tail = 0.0 if zero else tail * math.copysign(1.0, hi)
    value = 0.0 if zero else math.copysign(value, hi)
    return value, q, tail, decided | zero, 0.0 if zero else bound


@compiled
def _round_all(
    hi: Array, lo: Array, k: Array, error: Array, p: float, emin: float, emax: float, maxfinite: float,
    overflow: float, value: Array, exponents: Array, tail: Array, decided: Array, bound: Array,
) -> None:  # fmt: skip
    for i in range(len(hi)):
        value[i], q, tail[i], decided[i], bound[i] = round_one(
            hi[i], lo[i], k[i], error[i], p, emin, emax, maxfinite, overflow
        )
        exponents[i] = np.int32(q)


def results(count: int) -> Filtered:
    """Room for `count` results, none decided."""
    return Filtered(
        np.zeros(count), np.zeros(count, np.int32), np.zeros(count), np.zeros(count, np.bool_), np.full(count, np.inf)
    )


def round_into(fmt: Format, numbers: tuple[Array, ...], out: Filtered, start: int = 0) -> None:
    """Round numbers (hi, lo, k, error), each (hi + lo) 2^k within error 2^k, into `out` from `start` on."""
    hi, lo, k, error = numbers
    here = slice(start, start + len(hi))
    p, emin, emax = float(fmt.precision), float(fmt.emin), float(fmt.emax)
    written = (out.value[here], out.ulp_exponent[here], out.tail[here], out.decided[here], out.bound[here])
    _round_all(hi, lo, k, error, p, emin, emax, fmt.maxfinite, fmt.overflow, *written)
