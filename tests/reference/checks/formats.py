"""The formats, their codes and roundings, against NumPy, ml_dtypes and fractions."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np

from tests.reference.copies import Copy
from tests.reference.fractions_of import FORMATS, two

_TYPES = {
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}
_SOME = [0, 1, 2, 0x3F800000, 0x3F800001, 0x3F7FFFFF, 0x7F7FFFFF, 0x7F800000, 0x00800000, 0x007FFFFF, 0x80000001]


def _codes(dtype: str) -> np.ndarray:
    """Every code of the formats of 8 and 16 bits, some of float32 and float64."""
    bits = np.dtype(_TYPES[dtype]).itemsize * 8
    if bits <= 16:
        return np.arange(1 << bits).astype(f"u{bits // 8}")
    return np.array(_SOME, np.uint32) if bits == 32 else np.array([c << 29 for c in _SOME], np.uint64)


def _same(a, b) -> bool:
    return np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a), np.signbit(b))


def _passages(formats, dtype: str) -> str | None:
    """Codes to values and back, and what is refused."""
    codes, fmt = _codes(dtype), formats.FORMATS[dtype]
    with np.errstate(invalid="ignore"):
        wide = codes.view(_TYPES[dtype]).astype(np.float64)
    decoded = formats.decode(codes.view(fmt.storage), dtype)
    number = ~np.isnan(wide)
    if not _same(decoded[number], wide[number]) or not np.isnan(decoded[~number]).all():
        return f"{dtype}: codes are other values"
    if not np.array_equal(formats.encode(wide[number], dtype).view(codes.dtype), codes[number]):
        return f"{dtype}: values are other codes"
    for outside in (1 + 2.0**-fmt.precision, -(2.0 ** (fmt.emin - fmt.precision))):
        if dtype == "float64":
            continue
        try:
            formats.encode([outside], dtype)
        except ValueError:
            continue
        return f"{dtype}: {outside} is taken for a number of the format"
    return None


def _roundings(formats, dtype: str) -> str | None:
    """Midpoints of neighbouring numbers and a little to both sides; overflow; every step from one to the next."""
    precision, emin, largest = FORMATS[dtype]
    fmt = formats.FORMATS[dtype]
    ends = (fmt.maxfinite, fmt.tiny, fmt.subnormal)
    if ends != tuple(map(float, (largest, two(emin), two(emin - precision + 1)))):
        return f"{dtype}: ends at {ends}"
    if dtype == "float64":
        return None
    whole = {8: np.uint8, 16: np.uint16, 32: np.uint32}[fmt.bits]
    sample = np.arange(0, 0x7F80, 1 if fmt.bits == 8 else 97) if fmt.bits == 16 else np.arange(0x7C)
    codes = np.array(_SOME[:6], np.uint32) if fmt.bits == 32 else sample[sample < 0x7BFE].astype(whole)
    low, high = (formats.decode((codes + whole(step)).view(fmt.storage), dtype) for step in (0, 1))
    finite = np.isfinite(low) & np.isfinite(high)
    codes, low, high = codes[finite], low[finite], high[finite]
    middle = (low + high) / 2  # float64 holds it
    even = np.where(codes % 2 == 0, low, high)
    sliver = np.maximum(np.abs(middle) * 2.0**-50, 2.0**-1074)
    for sign in (1.0, -1.0):
        if not _same(formats.to_nearest(sign * middle, dtype), sign * even):
            return f"{dtype}: a tie is not rounded to even"
        beside = (
            formats.to_nearest(sign * (middle - sliver), dtype),
            formats.to_nearest(sign * (middle + sliver), dtype),
        )
        if not (_same(beside[0], sign * low) and _same(beside[1], sign * high)):
            return f"{dtype}: beside a tie is rounded to the other side"
    steps = [formats.neighbours(float(v), dtype, 1) for v in low[::17]]
    back = [formats.neighbours(-float(v), dtype, -1) for v in low[::17]]
    if steps != high[::17].tolist() or back != (-high[::17]).tolist():
        return f"{dtype}: neighbours are not the next numbers"
    return None


def _overflow(formats, dtype: str) -> str | None:
    if dtype == "float64":
        return None
    precision, _, largest = FORMATS[dtype]
    unit = two((largest.numerator.bit_length() - 1) - precision + 1)
    below, limit = float(largest + unit / 2 - unit / Fraction(2**20)), float(largest + unit / 2)
    got = formats.to_nearest([below, limit, -limit, float("inf"), float("nan")], dtype)
    gone = float("nan") if dtype == "float8_e4m3fn" else float("inf")
    # 464 is a tie of 448, which is even, and 480, whose code is that of NaN
    want = [float(largest), gone, -gone, gone, float("nan")]
    if dtype == "float8_e4m3fn":
        want[1:3] = [float(largest), -float(largest)]
    if not np.array_equal(got, want, equal_nan=True):
        return f"{dtype}: {[below, limit, -limit, 'inf', 'nan']} become {got}"
    top, subnormal = float(largest), 2.0 ** (FORMATS[dtype][1] - precision + 1)
    walks = (
        formats.neighbours(top, dtype, 5),
        formats.neighbours(subnormal, dtype, -2),
        formats.neighbours(0.0, dtype, 1),
    )
    return None if walks == (top, -subnormal, subnormal) else f"{dtype}: neighbours walk to {walks}"


def check_formats(copy: Copy) -> str | None:
    """Every code, the ends, ties, overflow and neighbours of every format."""
    formats = copy.reference.formats
    for dtype in FORMATS:
        said = _passages(formats, dtype) or _roundings(formats, dtype) or _overflow(formats, dtype)
        if said:
            return said
    return None
