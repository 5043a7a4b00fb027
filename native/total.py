"""Sums in float64: over the class axis, and over cases, fed block by block."""

from __future__ import annotations

import numpy as np

from .rounding import F64

#: values at or above this are summed apart, scaled down by 2^64: a mean cannot overflow on its way
_HUGE = 2.0**960


def over_classes(x: F64, *, keep: bool = False) -> F64:
    """Return the sum over the last axis (NumPy's pairwise sum), that axis kept with length 1 if `keep`."""
    return np.asarray(x.sum(axis=-1, keepdims=keep), dtype=np.float64)


class Total:
    """Sum over cases in float64. It overflows only if the exact sum does; its mean then still does not."""

    def __init__(self) -> None:
        self._sums: list[F64] = []
        self._huge: list[F64] = []

    def add(self, values: F64) -> None:
        """Add the cases of one block, along axis 0."""
        part = values.sum(axis=0)
        if not (np.abs(part) < _HUGE).all():
            huge = np.abs(values) >= _HUGE
            self._huge.append(np.where(huge, values * 2.0**-64, 0.0).sum(axis=0))
            part = np.where(huge, 0.0, values).sum(axis=0)
        self._sums.append(part)

    def result(self, shape: tuple[int, ...], count: int | None) -> F64:
        """Return the sum, or with a count the mean, as float64 of this shape."""
        sums = np.sum(self._sums, axis=0) if self._sums else np.zeros(shape)
        huge = np.sum(self._huge, axis=0) if self._huge else np.zeros(shape)
        if count is not None:
            sums, huge = np.divide(sums, count), np.divide(huge, count)
        return np.asarray(sums + huge * 2.0**64, dtype=np.float64)
