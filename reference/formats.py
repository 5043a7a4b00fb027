"""The floating-point formats, and exact passage between their bits and float64 values.

float64 holds every value of the narrower formats exactly, so arrays of values travel as float64 inside
the reference, and as bits of the format between processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Format:
    """A binary IEEE-style format: `precision` bits of significand, exponents emin..emax of normal numbers.

    finite_only: the format has no infinities. Its topmost code is NaN, which is also what overflow gives.
    """

    name: str
    precision: int
    emin: int
    emax: int
    bits: int
    finite_only: bool = False

    @property
    def maxfinite(self) -> float:
        """Largest finite value."""
        missing = 2 if self.finite_only else 1
        return float(np.ldexp(2.0 - missing * 2.0 ** (1 - self.precision), self.emax))

    @property
    def overflow(self) -> float:
        """What a result beyond the finite range becomes: +inf, or NaN where the format has no infinity."""
        return float("nan") if self.finite_only else float("inf")

    @property
    def tiny(self) -> float:
        """Smallest positive normal value."""
        return float(np.ldexp(1.0, self.emin))

    @property
    def subnormal(self) -> float:
        """Smallest positive value, which is also ulp(0)."""
        return float(np.ldexp(1.0, self.emin - self.precision + 1))

    @property
    def storage(self) -> np.dtype[Any]:
        """NumPy dtype of arrays handed to libraries: the native one, bits for what NumPy has no dtype for."""
        if self.bits == 8:
            return np.dtype("uint8")
        return np.dtype("uint16" if self.name == "bfloat16" else self.name)


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("float8_e4m3fn", 4, -6, 8, 8, finite_only=True),
        Format("float8_e5m2", 3, -14, 15, 8),
        Format("float16", 11, -14, 15, 16),
        Format("bfloat16", 8, -126, 127, 16),
        Format("float32", 24, -126, 127, 32),
        Format("float64", 53, -1022, 1023, 64),
    )
}

#: Formats that libraries compute losses in, which suites draw and runs measure. The 8-bit ones only store.
MEASURED = ("float16", "bfloat16", "float32", "float64")


@cache
def _byte_values(dtype: str) -> npt.NDArray[np.float64]:
    """Values of the 256 codes of an 8-bit format."""
    fmt = FORMATS[dtype]
    codes = np.arange(256)
    fraction = codes & ((1 << (fmt.precision - 1)) - 1)
    exponent = (codes & 127) >> (fmt.precision - 1)
    normal = exponent > 0
    significand = np.where(normal, fraction + (1 << (fmt.precision - 1)), fraction)
    value = np.ldexp(significand.astype(np.float64), np.maximum(exponent, 1) + fmt.emin - fmt.precision)
    if fmt.finite_only:
        value[(codes & 127) == 127] = np.nan
    else:
        top = exponent == fmt.emax - fmt.emin + 2
        value[top] = np.where(fraction[top] == 0, np.inf, np.nan)
    signed: npt.NDArray[np.float64] = np.where(codes & 128, -value, value)
    return signed


def _bytes_of(wide: npt.NDArray[np.float64], dtype: str) -> Array:
    """Codes of the values of an 8-bit format; an arbitrary code where there is none."""
    magnitudes = _byte_values(dtype)[:128]
    finite = magnitudes[np.isfinite(magnitudes)]
    codes = np.minimum(np.searchsorted(finite, np.abs(wide)), len(finite) - 1)
    codes = np.where(np.isinf(wide), len(finite), np.where(np.isnan(wide), 127, codes))
    return (codes | np.where(np.signbit(wide), 128, 0)).astype(np.uint8)


def format_of(dtype: str) -> Format:
    """Return the format called `dtype`; ValueError names the known ones."""
    if dtype not in FORMATS:
        raise ValueError(f"dtype: got {dtype!r}, wants one of {', '.join(FORMATS)}")
    return FORMATS[dtype]


def encode(values: npt.ArrayLike, dtype: str) -> Array:
    """Return `values` (float64, each representable in `dtype`) in the storage dtype of the format.

    Raises ValueError when a value is not representable: an input is never rounded in silence.
    """
    fmt = format_of(dtype)
    wide = np.asarray(values, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        stored: Array
        if fmt.bits == 8:
            stored = _bytes_of(wide, dtype)
        elif dtype == "bfloat16":
            stored = (wide.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        else:
            stored = wide.astype(fmt.storage)
    back = decode(stored, dtype)
    if not np.array_equal(back, wide, equal_nan=True):
        bad = wide[~((back == wide) | np.isnan(wide))].flat[0]
        raise ValueError(f"values: {float(bad)!r} is not a {dtype} number")
    return stored


def decode(stored: Array, dtype: str) -> npt.NDArray[np.float64]:
    """Return the float64 values of an array in the storage dtype of `dtype`. Exact."""
    if format_of(dtype).bits == 8:
        return _byte_values(dtype)[stored]
    with np.errstate(invalid="ignore"):  # signalling NaN
        if dtype == "bfloat16":
            return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        return stored.astype(np.float64)


def to_nearest(values: npt.ArrayLike, dtype: str) -> npt.NDArray[np.float64]:
    """Round float64 `values` to the format, ties to even, overflow as the format has it; returned as float64.

    One rounding, from the integer significand: `astype` through float32 would round bfloat16 twice.
    """
    fmt = format_of(dtype)
    wide = np.asarray(values, np.float64)
    if dtype == "float64":
        return wide.copy()
    with np.errstate(all="ignore"):
        _, exponent = np.frexp(wide)
        quantum = np.maximum(exponent - 1, fmt.emin) - fmt.precision + 1
        rounded = np.ldexp(np.rint(np.ldexp(wide, -quantum)), quantum)
        rounded = np.where(np.abs(rounded) > fmt.maxfinite, np.copysign(fmt.overflow, wide), rounded)
    rounded = np.where(np.isinf(wide), np.copysign(fmt.overflow, wide), rounded)
    return np.where(np.isnan(wide), wide, np.copysign(rounded, wide))


def neighbours(value: float, dtype: str, steps: int) -> float:
    """Return the number of the format `steps` units of the last place above `value`, or below when negative."""
    fmt = format_of(dtype)
    whole = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}[fmt.bits]
    bits = int(encode(np.array([value]), dtype).view(whole)[0])
    line = bits if bits >= 0 else -(bits & ((1 << (fmt.bits - 1)) - 1))  # order-preserving integer
    limit = (fmt.emax - fmt.emin + 2) << (fmt.precision - 1)
    limit -= 2 if fmt.finite_only else 1  # the integer of maxfinite
    line = max(-limit, min(limit, line + steps))
    magnitude = np.array([abs(line)]).astype(whole).view(fmt.storage)
    return float(np.copysign(decode(magnitude, dtype)[0], -1.0 if line < 0 else 1.0))
