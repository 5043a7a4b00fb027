"""The bulk tier: what double-word arithmetic decides of many cases at once, as certified results.

`filter` rounds with a proved bound or leaves undecided; this module says what it is asked. Options that make
coefficients which two float64 numbers do not hold are not asked of it at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference.certificate import BULK, CERTIFICATE, FILTER, KINDS, ORACLES
from lossbench.reference.form import Form
from lossbench.reference.options import Options

Array = npt.NDArray[Any]
#: Numbers of a batch from which loading the compiled kernels pays.
WORTHWHILE = 512


def _labels(form: Form, y: Array | None, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The coefficients of -log p_k, or of -log g and -log(1 - g), as exact numbers or pairs of them."""
    if y is None:
        return None, None
    if form.by_class:
        if y.ndim == 1:
            rows = np.zeros(shape)
            rows[np.arange(len(y)), y] = 1.0
            return rows, None
        return y, None
    if "signed" in form.encodings:
        return np.where(np.isnan(y), np.nan, y > 0), np.where(np.isnan(y), np.nan, y < 0)
    rest = 1.0 - y
    return y, (rest, (1.0 - rest) - y)  # exact: |y| <= 1


def attempt(
    form: Form, x: Array, y: Array | None, dtype: str, quantity: str, options: Options
) -> tuple[dict[str, Array], Array] | None:
    """Arrays of the fields of `Exact`, and which results are decided; None where the filter is not asked.

    x, y: checked inputs and labels. The shapes are those of `evaluate`.
    """
    if x.size < WORTHWHILE or set(options.named()) - {"over"}:
        return None
    from lossbench.reference.filter import filtered  # brings Numba

    divisor = float(x.shape[1]) if options.over == "mean" else 1.0
    found = filtered(form.name, x, *_labels(form, y, x.shape), dtype, quantity, divisor)
    certificates = np.zeros(found.value.shape, CERTIFICATE)
    certificates["kind"], certificates["oracles"] = KINDS.index(FILTER), ORACLES.index(BULK)
    certificates["radius"] = found.bound
    fields = {"value": found.value, "ulp_exponent": found.ulp_exponent, "tail": found.tail}
    return fields | {"certificates": certificates}, found.decided
