"""Scores of claimed results against exact ones: errors in ulps, relative errors, and categories.

err_ulp = |got - r| / ulp(r), a real number with r the exact value: 0.5 is perfect. A category that is a
defect by itself (a zero where a non-zero belongs, a spurious infinity, ...) is counted and never folded
into the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.harness.rows import BAD, CATEGORIES
from lossbench.reference import Exact
from lossbench.reference.formats import Format

Array = npt.NDArray[Any]
_CODE = {name: code for code, name in enumerate(CATEGORIES)}


@dataclass(frozen=True)
class Scores:
    """Category code and error in ulps of every result; the error is NaN where the category has none."""

    codes: npt.NDArray[np.int8]
    ulps: npt.NDArray[np.float64]

    def counts(self) -> dict[str, int]:
        """Number of results per category, absent categories left out."""
        return {name: int(n) for name, code in _CODE.items() if (n := np.sum(self.codes == code))}

    def bad(self) -> npt.NDArray[np.bool_]:
        """Which results fall into a category that is a defect by itself."""
        return self.codes < len(BAD)

    def worst(self, mildness: Array) -> int | None:
        """Index of the result to show: of the defects the one with the mildest input, else the largest error."""
        if self.codes.size == 0:
            return None
        if self.bad().any():
            first = np.flatnonzero(self.codes == self.codes.min())
            return int(first[np.argmin(np.nan_to_num(mildness[first], nan=np.inf, posinf=np.inf))])
        return int(np.nanargmax(np.where(np.isnan(self.ulps), -1.0, self.ulps)))


def errors_in_ulps(got: Array, exact: Exact) -> npt.NDArray[np.float64]:
    """|got - r| / ulp(r) for finite results; values beyond float64 come out infinite."""
    with np.errstate(all="ignore"):
        big = np.maximum(np.abs(got), np.abs(exact.value)) > 2.0**1000
        difference = np.where(big, got / 4 - exact.value / 4, got - exact.value)
        in_ulps = np.ldexp(difference, np.where(big, 2, 0) - exact.ulp_exponent)
        result: npt.NDArray[np.float64] = np.abs(in_ulps - exact.tail)
    return result


def score(got: Array, exact: Exact, nonnegative: bool) -> Scores:
    """Score results, float64 arrays of equal shapes. `nonnegative`: the exact result cannot be below zero."""
    want = exact.value
    ulps = errors_in_ulps(got, exact)
    codes = np.full(got.shape, _CODE["FINITE"], np.int8)
    # assigned from the last category to the first, so that the first that matches wins
    codes[ulps < 1] = _CODE["FAITHFUL"]
    codes[got == want] = _CODE["CR"]
    with np.errstate(invalid="ignore"):
        codes[np.sign(got) * np.sign(want) < 0] = _CODE["SIGN"]
    if nonnegative:
        codes[got < 0] = _CODE["NEG_LOSS"]
    codes[(got == 0) & (want != 0)] = _CODE["LOST"]
    codes[np.isinf(want) & (got != want)] = _CODE["MISSED_INF"]
    codes[np.isinf(got) & np.isfinite(want)] = _CODE["SPURIOUS_INF"]
    codes[np.isnan(want)] = _CODE["MISSED_NAN"]
    codes[np.isnan(got)] = _CODE["SPURIOUS_NAN"]
    codes[np.isnan(got) & np.isnan(want)] = _CODE["CR"]
    finite = np.isfinite(got) & np.isfinite(want)
    return Scores(codes, np.where(finite, ulps, np.nan))


def flush_tolerant(scores: Scores, got: Array, exact: Exact, fmt: Format, subnormal_input: Array) -> Scores:
    """The same scores where flushing subnormals to zero is allowed.

    A zero for a subnormal result counts as right, and cases with a subnormal input are left out.
    """
    flushed = (got == 0) & (np.abs(exact.value) < fmt.tiny)
    codes = np.where(flushed, _CODE["CR"], scores.codes).astype(np.int8)
    ulps = np.where(flushed, 0.0, scores.ulps)
    keep = ~subnormal_input
    return Scores(codes[keep], ulps[keep])


def relative_errors(scores: Scores, exact: Exact) -> npt.NDArray[np.float64]:
    """|got - r| / |r| where the result is finite and r is not zero, else NaN."""
    with np.errstate(all="ignore"):
        size = np.abs(np.ldexp(exact.value, -exact.ulp_exponent) + exact.tail)
        relative = scores.ulps / size
    return np.where(size > 0, relative, np.nan)


def hopeless(fmt: Format) -> float:
    """Error in ulps above which fewer than half of the format's digits are right: 2^(p/2)."""
    return float(2.0 ** (fmt.precision / 2))
