"""One correct rounding from float64 to the dtype of the caller.

The forms are computed in float64 and rounded once, to nearest, ties to even. NumPy does that for
float16 and float32. ml_dtypes does not for bfloat16: it goes through float32 and rounds twice
(1 + 2^-8 + 2^-40 becomes 1), so bfloat16 is rounded here on the bits.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
#: integers below it are float64
EXACT = 2**53

BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)

#: fraction bits of float64 that bfloat16 drops: 52 - 7
_DROPPED = np.uint64(45)
#: one less than half of the last bfloat16 digit kept, in units of the last float64 digit
_HALF_DOWN = np.uint64((1 << 44) - 1)
#: difference of the exponent biases, 1023 - 127, above the 7 fraction bits of bfloat16
_REBIAS = np.uint64((1023 - 127) << 7)
#: bits of +inf in bfloat16; everything that rounds to 2^128 or more becomes it
_INF = np.uint64(0x7F80)
_NAN = np.uint16(0x7FC0)
#: below it the digits of bfloat16 lie 2^-133 apart
_SMALLEST_NORMAL = 2.0**-126


def bfloat16_bits(x: F64) -> npt.NDArray[np.uint16]:
    """Return the bits of x correctly rounded to bfloat16 (to nearest, ties to even), same shape, as uint16.

    Subnormals and overflow are rounded as IEEE 754 asks; the sign of zero is kept; any NaN becomes 0x7FC0.
    """
    bits = np.ascontiguousarray(x, dtype=np.float64).view(np.uint64).reshape(x.shape)
    sign = (bits >> np.uint64(48)).astype(np.uint16) & np.uint16(0x8000)
    size = np.abs(x)
    magnitude = bits & np.uint64((1 << 63) - 1)
    # Adding half a digit less one unit, plus the last kept bit, carries exactly when nearest-even rounds up.
    odd = (magnitude >> _DROPPED) & np.uint64(1)
    normal = ((magnitude + _HALF_DOWN + odd) >> _DROPPED) - _REBIAS
    # Below 2^-126 the digits of bfloat16 lie 2^-133 apart: the count of them is the bit pattern itself.
    # The product is exact (a power of two, upwards) and rint rounds ties to even.
    small = size < _SMALLEST_NORMAL
    count = np.rint(np.where(small, size, 0.0) * 2.0**133).astype(np.uint64)
    rounded = np.where(small, count, np.minimum(normal, _INF)).astype(np.uint16)
    return np.where(np.isnan(x), _NAN, rounded | sign)


def one_rounded(x: float, dtype: np.dtype[Any]) -> Any:
    """Return something that is x rounded once to dtype when an array of it stores it; one number, in less time."""
    if dtype.itemsize >= 4:
        direct = abs(x) < 1e38  # NumPy rounds a number of the range as it is stored
    elif dtype == BFLOAT16:
        direct = _SMALLEST_NORMAL <= abs(x) < 1e38
        if direct:
            digits, exponent = math.frexp(x)
            return math.ldexp(round(digits * 256.0), exponent - 8)  # both exact but for Python's rounding, ties to even
    else:
        direct = abs(x) < 6e4
    return x if direct else round_to(np.array([x]), dtype)[0]


def round_to(x: F64, dtype: np.dtype[Any]) -> Array:
    """Return float64 x rounded once to dtype (float16, float32, float64 or bfloat16), same shape."""
    if dtype == BFLOAT16:
        return bfloat16_bits(x).view(dtype)
    with np.errstate(all="ignore"):  # overflow to inf and underflow to zero are the correct results here
        return x.astype(dtype)
