"""Where the memory of an array begins, for kernels, which take addresses."""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from .rounding import Array


def address(array: Array) -> int:
    """Return where an array's memory begins; takes a few microseconds."""
    place: int = array.__array_interface__["data"][0]
    return place


def _offset() -> int:
    """Return how far into an array object the address of its memory stands, or 0 where that is not known.

    By NumPy's C interface, which compiled extensions rely on, it comes right after what every object begins with.
    """
    offset = object.__basicsize__
    if sys.implementation.name != "cpython":
        return 0  # id() need not be an address
    samples = (np.zeros(3), np.zeros((2, 3), np.float32)[1:], np.zeros((), np.int64))
    read = [ctypes.c_size_t.from_address(id(array) + offset).value for array in samples]
    return offset if read == [address(array) for array in samples] else 0


OFFSET = _offset()
