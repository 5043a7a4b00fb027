"""The fast tier of the reference: correctly rounded results in bulk, by double-word arithmetic with proved bounds.

Every result is either decided, with the guarantees of `filter_rounding.Filtered`, or left to the slow oracles.
Left undecided by design: non-finite inputs and results, coefficients outside 2^-100 .. 2^100 (zero is inside),
logits of rows above 2^1022, one class, results so close to a midpoint or a binade's edge, or of terms that
cancel so far, that a bound of about 2^-100 does not tell, and forms and quantities without a kernel. A result
that is an exact head and a tail far below it is decided: the sign of the tail is proved, and suffices.

Importing this module imports Numba; the first call of a form compiles its kernels, which stay on disk.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference.filter_fill import (
    ELEMENTWISE,
    ROWS,
    Fill,
    Numbers,
    Plan,
    class_sums,
    elementwise,
    output_sums,
    room,
    rows,
)
from lossbench.reference.filter_probability import divide
from lossbench.reference.filter_rounding import Filtered, results, round_into
from lossbench.reference.form import GRAD, HESS, VALUE
from lossbench.reference.formats import Format, format_of
from lossbench.reference.forms import form_of

Array = npt.NDArray[Any]
#: An array of coefficients, or two whose sum is meant: (rounded, rest) with |rest| <= ulp(rounded) / 2.
Coefficients = Array | tuple[Array, Array] | None

#: Numbers computed at once: the work arrays stay in the second-level cache.
_BLOCK = 4096
#: Classes beyond which nothing is tried.
_CLASSES = 1 << 22
_ORDERS = {VALUE: 0, GRAD: 1, HESS: 2}


def _words(coefficients: Coefficients, shape: tuple[int, ...], name: str) -> tuple[Array, Array]:
    """Both words of coefficients, flat."""
    if coefficients is None:
        raise ValueError(f"{name}: got None, this form wants coefficients")
    pair = coefficients if isinstance(coefficients, tuple) else (coefficients, np.zeros(shape))
    words = [np.asarray(word, np.float64) for word in pair]
    if any(word.shape != shape for word in words):
        raise ValueError(f"{name}: got shape {words[0].shape}, wants that of x, {shape}")
    high, low = (np.ascontiguousarray(word).reshape(-1) for word in words)
    return high, low


def _binary_labels(plan: Plan, positive: Coefficients, negative: Coefficients, shape: tuple[int, ...]) -> Numbers:
    """The four words of a and b."""
    zero = np.zeros(math.prod(shape))
    if plan.fixed is not None:
        return np.full_like(zero, plan.fixed[0]), zero, np.full_like(zero, plan.fixed[1]), zero
    a = _words(positive, shape, "positive")
    return (*a, zero, zero) if plan.single else (*a, *_words(negative, shape, "negative"))


def _run(fill: Fill, count: int, width: int, step: int, sign: float, divisor: float, fmt: Format) -> Filtered:
    """Fill and round `count` cases of `width` results, `step` cases at a time."""
    out = results(count * width)
    work = room(min(count, step) * width, 4)
    for start in range(0, count, step):
        stop = min(start + step, count)
        numbers = tuple(w[: (stop - start) * width] for w in work)
        fill(slice(start, stop), numbers)
        if divisor != 1.0:
            divide(numbers, float(divisor))
        if sign < 0.0:
            for word in numbers[:2]:
                np.negative(word, out=word)
        round_into(fmt, numbers, out, start * width)
    return out


def _shaped(out: Filtered, shape: tuple[int, ...]) -> Filtered:
    parts = (out.value, out.ulp_exponent, out.tail, out.decided, out.bound)
    return Filtered(*(part.reshape(shape) for part in parts))


def filtered(
    form_name: str,
    x: npt.ArrayLike,
    positive: Coefficients,
    negative: Coefficients,
    dtype: str,
    quantity: str,
    divisor: float = 1.0,
) -> Filtered:
    """Round a quantity of a form to `dtype` at N cases where double-word arithmetic decides it.

    x: float64 numbers, (N,) logits or probabilities, or (N, K) for a form with a class axis.
    positive, negative: coefficients a and b of the shape of x. Binary forms: L = a (-log g) + b (-log(1 - g)),
        so a = y and b = 1 - y; squared error: d = b g(z) - a g(-z). Forms of K classes: a is the effective
        label row, b is not asked. Building blocks ask neither. Coefficients are exact: what one float64 does
        not hold (1 - y for a soft y, a weight times a smoothed label) comes as a pair.
    quantity: one of the form's. divisor: a number in 1 .. 2^53 that results are divided by, K for a mean over
        outputs or for labels that were multiplied by it (`reference.targets`).
    Results have the oracle's shape. Raises ValueError for names, shapes and divisors that do not fit.
    """
    fmt, form = format_of(dtype), form_of(form_name)
    if quantity not in form.quantities:
        raise ValueError(f"quantity: got {quantity!r}, {form.name} has {', '.join(form.quantities)}")
    if not 1.0 <= divisor <= 2.0**53:
        raise ValueError(f"divisor: got {divisor!r}, wants a number in 1 .. 2^53")
    order = _ORDERS.get(quantity.split(":")[0])
    wide = np.ascontiguousarray(x, np.float64)
    axes = 2 if form.class_axis else 1
    if wide.ndim != axes:
        raise ValueError(f"x: got {wide.ndim} axes, {form.name} has {axes}")
    size = wide.shape[1] if form.class_axis else 1
    shape = wide.shape if form.vector_value or quantity != VALUE else wide.shape[:1]
    if order is None or wide.size == 0 or size > _CLASSES or form_name not in (*ELEMENTWISE, *ROWS):
        return _shaped(results(math.prod(shape)), shape)
    flat = wide.reshape(-1)
    step = max(1, _BLOCK // size)
    if form_name in ELEMENTWISE:
        plan = ELEMENTWISE[form_name]
        labels = _binary_labels(plan, positive, negative, wide.shape)
        summed = form.class_axis and order == 0
        sums = class_sums if plan.probability else output_sums
        fill = sums(flat, labels, size) if summed else elementwise(plan, order, flat, labels, _BLOCK)
        count, width, step, sign = (len(wide), 1, step, plan.sign) if summed else (flat.size, 1, _BLOCK, plan.sign)
    else:
        asked = form_name == "softmax_xent"
        fill = rows(form_name, order, flat, _words(positive, wide.shape, "positive") if asked else None, size)
        count, width, sign = len(wide), math.prod(shape) // len(wide), ROWS[form_name][order]
    return _shaped(_run(fill, count, width, step, sign, divisor, fmt), shape)
