"""The oracle: the correctly rounded result of every form at given floating-point inputs.

Precision follows from the argument: it starts at what the target format and the number of classes need and
grows until Ziv's test decides (reference.rounding). There is no fixed number of digits anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from lossbench.reference.form import VALUE, Form
from lossbench.reference.formats import Format, format_of, to_nearest
from lossbench.reference.forms import form_of
from lossbench.reference.real import ONE, ZERO, Context, Real, total
from lossbench.reference.rounding import Rounded, nearest

#: Beyond the format and log2 K, so that the tail is good to 2^-46 ulp.
_GUARD_BITS = 64
#: Bits of the working precision that rounding errors of the formulas may have spoilt, beyond log2 K.
_ERROR_BITS = 16
REDUCTIONS = ("none", "sum", "mean")


class UndecidedError(ArithmeticError):
    """The oracle could not decide a rounding. It says so instead of guessing."""


@dataclass(frozen=True)
class Exact:
    """Exact results: correctly rounded values, exponents of ulp(r), and (r - value) in ulps, equal shapes."""

    value: npt.NDArray[np.float64]
    ulp_exponent: npt.NDArray[np.int32]
    tail: npt.NDArray[np.float64]


def _ladder(fmt: Format, size: int) -> list[int]:
    """Working precisions to try. At the last one an inexact tail cannot look exact: exp(d) with d a non-zero
    difference of inputs departs from 1 by at least 2^(emin - p), and no form is flatter than its square."""
    start = fmt.precision + _GUARD_BITS + size.bit_length()
    last = 2 * (fmt.precision - fmt.emin) + 4 * start
    return [start, 4 * start, last]


def _convert(mp: Context, values: npt.NDArray[np.float64]) -> Any:
    """Numbers of a case as exact mpmath numbers: a scalar, or a list along the class axis."""
    if values.ndim == 0:
        return mp.mpf(float(values))
    return [mp.mpf(x) for x in values.tolist()]


def _labels(form: Form, y: npt.NDArray[Any], size: int) -> npt.NDArray[np.float64]:
    """Labels as the numbers that they stand for: an index becomes its one-hot row."""
    if form.class_axis and y.ndim == 0:
        row = np.zeros(size)
        row[int(y)] = 1.0
        return row
    return np.asarray(y, np.float64)


def _decide(mp: Context, evaluate: Any, fmt: Format, size: int) -> list[Rounded]:
    """Evaluate at growing precision until every component of the result is decided."""
    decided: dict[int, Rounded] = {}
    count = 0
    ladder = _ladder(fmt, size)
    for precision in ladder:
        mp.prec = precision
        parts = evaluate()
        count = len(parts)
        error_bits = precision - _ERROR_BITS - size.bit_length()
        for i, part in enumerate(parts):
            if i not in decided:
                result = nearest(part, fmt, error_bits, trust_short=precision == ladder[-1])
                if result is not None:
                    decided[i] = result
        if len(decided) == count:
            return [decided[i] for i in range(count)]
    raise UndecidedError(f"{count - len(decided)} of {count} results undecided at {ladder[-1]} bits")


def _collect(results: list[list[Rounded]], squeeze: bool) -> Exact:
    def array(attribute: str, dtype: Any) -> npt.NDArray[Any]:
        rows = np.array([[getattr(r, attribute) for r in row] for row in results], dtype)
        return rows[:, 0] if squeeze else rows

    return Exact(array("value", np.float64), array("ulp_exponent", np.int32), array("tail", np.float64))


def evaluate(
    form: Form,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None,
    dtype: str,
    quantity: str = VALUE,
    options: str = "",
    reduction: str = "none",
) -> Exact:
    """Return a quantity of a form at N cases, correctly rounded to `dtype`.

    x: float64 array of numbers of the format, shape (N,), or (N, K) for a form with a class axis.
    y: labels, shape (N,), (N, K), or (N,) integers for an index; None for building blocks.
    quantity: "value", "grad:<wrt>" or "hess_diag:<wrt>".
    reduction: "none" gives one value a case; "sum" and "mean" give shape () values, and under "mean" the
        derivatives are those of the mean.
    """
    fmt = format_of(dtype)
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: got {reduction!r}, wants one of {', '.join(REDUCTIONS)}")
    if quantity not in form.quantities:
        raise ValueError(f"quantity: got {quantity!r}, {form.name} has {', '.join(form.quantities)}")
    form.keywords(options)
    wide = np.asarray(x, np.float64)
    labels = None if y is None else np.asarray(y)
    size = wide.shape[1] if form.class_axis else 1
    mp = mpmath.MPContext()
    cases = []
    for i in range(len(wide)):
        label = None if labels is None else _convert(mp, _labels(form, labels[i], size))
        cases.append((_convert(mp, wide[i]), label))

    def at(case: tuple[Any, Any]) -> list[Real]:
        return form.evaluate(quantity, mp, *case, options)

    if quantity == VALUE and reduction != "none":
        divisor = mp.mpf(len(cases)) if reduction == "mean" else ONE
        components = size if form.vector_value else 1

        def reduced() -> list[Real]:
            rows = [at(case) for case in cases]
            if not rows:
                return [Real(mp.nan if reduction == "mean" else ZERO, ZERO, ONE, ZERO)] * components
            return [total(mp, column).over(mp, divisor) for column in zip(*rows, strict=True)]

        results = _decide(mp, reduced, fmt, size * max(1, len(cases)))
        array = _collect([results], squeeze=not form.vector_value)
        return Exact(array.value[0], array.ulp_exponent[0], array.tail[0])
    divisor = mp.mpf(len(cases)) if reduction == "mean" else ONE
    results_by_case = [
        _decide(mp, lambda case=case: [p.over(mp, divisor) for p in at(case)], fmt, size) for case in cases
    ]
    flat = not form.class_axis or (quantity == VALUE and not form.vector_value)
    if not cases:
        shape = (0,) if flat else (0, size)
        return Exact(np.zeros(shape), np.zeros(shape, np.int32), np.zeros(shape))
    return _collect(results_by_case, squeeze=flat)


def exact(
    form: str | Form,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    dtype: str,
    quantity: str = VALUE,
    options: str = "",
) -> Exact:
    """Return a quantity of a form at one case, correctly rounded to `dtype`.

    x: a number, or K of them for a form with a class axis; y: its label, an integer for an index.
    Inputs are rounded to `dtype` first, because that is where a library would be asked.
    """
    form = form_of(form) if isinstance(form, str) else form
    labels = None
    if y is not None:
        labels = np.asarray(y)[None]
        if labels.dtype.kind == "f" or labels.ndim > 1 or not form.class_axis:
            labels = to_nearest(labels, dtype)
    result = evaluate(form, to_nearest(x, dtype)[None], labels, dtype, quantity, options)
    return Exact(result.value[0], result.ulp_exponent[0], result.tail[0])
