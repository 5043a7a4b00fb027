"""The fast tier of the reference: correctly rounded results in bulk, by double-word arithmetic with proved bounds.

Every result is either decided, with the guarantees of `filter_rounding.Filtered`, or left to the slow oracles.
Left undecided by design: non-finite inputs and results, coefficients outside 2^-100 .. 2^100, results so close
to a midpoint or a binade's edge, or of terms that cancel so far, that the bound of about 2^-100 does not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference import filter_logit, filter_probability, filter_rows
from lossbench.reference.filter_rounding import Filtered, results, round_into
from lossbench.reference.form import GRAD, HESS, VALUE
from lossbench.reference.formats import Format, format_of
from lossbench.reference.forms import form_of

Array = npt.NDArray[Any]
#: An array of coefficients, or two whose sum is meant: (rounded, rest) with |rest| <= ulp(rounded) / 2.
Coefficients = Array | tuple[Array, Array] | None

#: Numbers of a block: its work arrays stay in the second-level cache.
_BLOCK = 4096

#: Kernels of the general binary loss by the order of the derivative.
_BINARY = (filter_logit.value, filter_logit.gradient, filter_logit.curvature)
#: form -> (kernels of value, grad and hess_diag, sign, coefficients (a, b) or None for the caller's).
_LOGIT: dict[str, tuple[tuple[Callable[..., None], ...], float, tuple[float, float] | None]] = {
    "sigmoid_bce": (_BINARY, 1.0, None),
    "margin_logistic": (_BINARY, 1.0, None),
    "softplus": (_BINARY, 1.0, (0.0, 1.0)),
    "log_sigmoid": (_BINARY, -1.0, (1.0, 0.0)),
    "sigmoid": ((filter_logit.gradient, filter_logit.curvature, filter_logit.bend), 1.0, (0.0, 1.0)),
    "sigmoid_mse": ((filter_logit.square, filter_logit.square_slope, filter_logit.square_curvature), 1.0, None),
}
_ORDERS = {VALUE: 0, GRAD: 1, HESS: 2}


def _words(coefficients: Coefficients, shape: tuple[int, ...], name: str) -> tuple[Array, Array]:
    """Both words of coefficients, flat."""
    if coefficients is None:
        raise ValueError(f"{name}: got None, this form wants coefficients")
    pair = coefficients if isinstance(coefficients, tuple) else (coefficients, np.zeros(shape))
    words = [np.ascontiguousarray(np.broadcast_to(np.asarray(w, np.float64), shape)).reshape(-1) for w in pair]
    return words[0], words[1]


def _fixed(values: tuple[float, float], count: int) -> tuple[Array, ...]:
    a, b = values
    zero = np.zeros(count)
    return np.full(count, a), zero, np.full(count, b), zero


def _by_blocks(
    count: int, fmt: Format, sign: float, fill: Callable[[slice, tuple[Array, ...]], None], out: Filtered
) -> None:
    """Fill and round block by block: fill(where, (hi, lo, k, error)) writes the numbers of a slice."""
    work = tuple(np.empty(min(count, _BLOCK)) for _ in range(4))
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        numbers = tuple(w[: stop - start] for w in work)
        fill(slice(start, stop), numbers)
        if sign < 0.0:
            np.negative(numbers[0], out=numbers[0])
            np.negative(numbers[1], out=numbers[1])
        round_into(fmt, *numbers, out, start)


def _logits(
    kernel: Callable[..., None], z: Array, labels: tuple[Array, ...], fmt: Format, sign: float, out: Filtered
) -> None:
    """A kernel of one logit over a flat array."""
    u = tuple(np.empty(min(len(z), _BLOCK)) for _ in range(5))

    def fill(here: slice, numbers: tuple[Array, ...]) -> None:
        size = here.stop - here.start
        exps = tuple(w[:size] for w in u)
        filter_logit.exponentials(z[here], exps)
        kernel(z[here], tuple(w[here] for w in labels), exps, numbers)

    _by_blocks(len(z), fmt, sign, fill, out)


def filtered(
    form_name: str, x: npt.ArrayLike, positive: Coefficients, negative: Coefficients, dtype: str, quantity: str
) -> Filtered:
    """Round a quantity of a form to `dtype` at N cases where double-word arithmetic decides it.

    x: float64 numbers, (N,) logits or probabilities, or (N, K) for a form with a class axis.
    positive, negative: coefficients a and b of the shape of x. Binary forms: L = a (-log g) + b (-log(1 - g)),
        so a = y and b = 1 - y; squared error: d = b g(z) - a g(-z). Forms of K classes: a is the effective
        label row, b is not asked. Building blocks ask neither. Coefficients are exact: what one float64 does
        not hold (1 - y for a soft y, a weight times a smoothed label) comes as a pair.
    quantity: "value", "grad:..." or "hess_diag:...". Results have the oracle's shape.
    """
    fmt, form = format_of(dtype), form_of(form_name)
    if quantity not in form.quantities:
        raise ValueError(f"quantity: got {quantity!r}, {form.name} has {', '.join(form.quantities)}")
    order = _ORDERS[quantity.split(":")[0]]
    wide = np.ascontiguousarray(x, np.float64)
    if wide.ndim != (2 if form.class_axis else 1):
        raise ValueError(f"x: got {wide.ndim} axes, {form.name} has {2 if form.class_axis else 1}")
    if form_name in _LOGIT:
        kernels, sign, fixed = _LOGIT[form_name]
        labels = _fixed(fixed, len(wide)) if fixed else (
            *_words(positive, wide.shape, "positive"), *_words(negative, wide.shape, "negative")
        )  # fmt: skip
        out = results(len(wide))
        _logits(kernels[order], wide, labels, fmt, sign, out)
        return out
    raise NotImplementedError
