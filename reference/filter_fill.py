"""Who computes what in the filter: for each form a function that writes the numbers of a slice of its cases.

A `Fill` is called as fill(where, (hi, lo, k, error)). `where` counts points for element-wise forms and rows for
the others; there, the numbers are one a row or K a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference import filter_logit, filter_probability, filter_rows

Array = npt.NDArray[Any]
Numbers = tuple[Array, ...]
Fill = Callable[[slice, Numbers], None]

#: Kernels of the general binary loss by the order of the derivative.
_BINARY = (filter_logit.value, filter_logit.gradient, filter_logit.curvature)
_SIGMOID = (filter_logit.gradient, filter_logit.curvature, filter_logit.bend)
_SQUARE = (filter_logit.square, filter_logit.square_slope, filter_logit.square_curvature)
_PROBABILITY = (filter_probability.value, filter_probability.gradient, filter_probability.curvature)


@dataclass(frozen=True)
class Plan:
    """How a form is filtered: kernels by the order of the derivative, and what surrounds them.

    sign: of all three. fixed: coefficients (a, b) of building blocks. single: one set of coefficients, b = 0.
    """

    kernels: tuple[Callable[..., None], ...]
    probability: bool = False
    sign: float = 1.0
    fixed: tuple[float, float] | None = None
    single: bool = False


#: Forms whose derivatives are element by element, and whose value is too, or sums it over a row.
ELEMENTWISE = {
    "sigmoid_bce": Plan(_BINARY),
    "margin_logistic": Plan(_BINARY),
    "multilabel_bce": Plan(_BINARY),
    "bernoulli_log_likelihood": Plan(_BINARY, sign=-1.0),
    "softplus": Plan(_BINARY, fixed=(0.0, 1.0)),
    "log_sigmoid": Plan(_BINARY, sign=-1.0, fixed=(1.0, 0.0)),
    "sigmoid": Plan(_SIGMOID, fixed=(0.0, 1.0)),
    "sigmoid_mse": Plan(_SQUARE),
    "prob_bce": Plan(_PROBABILITY, probability=True),
    "prob_xent": Plan(_PROBABILITY, probability=True, single=True),
}
#: Forms over rows of logits, with the sign of (value, first, second derivative).
ROWS = {
    "softmax_xent": (1.0, 1.0, 1.0),
    "logsumexp": (1.0, 1.0, 1.0),
    "softmax": (1.0, 1.0, 1.0),
    "log_softmax": (1.0, -1.0, -1.0),
}


def room(count: int, arrays: int) -> Numbers:
    """Uninitialised work arrays."""
    return tuple(np.empty(count) for _ in range(arrays))


def elementwise(plan: Plan, order: int, x: Array, labels: Numbers, block: int) -> Fill:
    """A kernel over a flat array, `block` points at a time at most. labels: both words of a, both of b."""
    kernel = plan.kernels[order]
    size = min(len(x), block)
    absolute, zero, *exps = (np.zeros(size) for _ in range(7))

    def probabilities(here: slice, numbers: Numbers) -> None:
        kernel(x[here], tuple(w[here] for w in labels), numbers)

    def logits(here: slice, numbers: Numbers) -> None:
        count = here.stop - here.start
        u = tuple(w[:count] for w in exps)
        np.abs(x[here], out=absolute[:count])
        filter_logit.exponentials(absolute[:count], zero[:count], u)
        kernel(x[here], tuple(w[here] for w in labels), u, numbers)

    return probabilities if plan.probability else logits


def output_sums(z: Array, labels: Numbers, size: int) -> Fill:
    """Values of rows of `size` binary outputs."""

    def fill(here: slice, numbers: Numbers) -> None:
        flat = slice(here.start * size, here.stop * size)
        a, u = tuple(w[flat] for w in labels), room(flat.stop - flat.start, 5)
        filter_logit.exponentials(np.abs(z[flat]), np.zeros(flat.stop - flat.start), u)
        filter_logit.tails(a, u)
        filter_logit.value_rows(z[flat], a, u, size, numbers)

    return fill


def class_sums(q: Array, labels: Numbers, size: int) -> Fill:
    """Values of rows of `size` class probabilities; only classes with a weight have a logarithm taken."""

    def fill(here: slice, numbers: Numbers) -> None:
        flat = slice(here.start * size, here.stop * size)
        p, a = q[flat], tuple(w[flat] for w in labels)
        weighted = np.flatnonzero((a[0] != 0.0) | (a[1] != 0.0))
        terms = tuple(np.zeros(len(p)) for _ in range(4))
        terms[3][~((p >= 0.0) & (p <= 1.0))] = np.inf
        some = room(len(weighted), 4)
        filter_probability.value(p[weighted], tuple(w[weighted] for w in a), some)
        for whole, part in zip(terms, some, strict=True):
            whole[weighted] = part
        filter_probability.sum_rows(terms, size, numbers)

    return fill


def rows(name: str, order: int, z: Array, labels: Numbers | None, size: int) -> Fill:
    """A form of ROWS over flat rows of `size` logits; labels: both words, or None for a unit label on class 0."""

    def fill(here: slice, numbers: Numbers) -> None:
        count = here.stop - here.start
        flat = slice(here.start * size, here.stop * size)
        gh, gl = room(count * size, 2)
        exps = room(count * size, 5)
        reduced = room(count, 9)
        filter_rows.gaps(z[flat], size, reduced[0], gh, gl)
        filter_logit.exponentials(gh, gl, exps)
        filter_rows.reduce(exps, size, reduced)
        if labels is None:
            a = (np.zeros(count * size), np.zeros(count * size))
            a[0][::size] = 1.0
        else:
            a = (labels[0][flat], labels[1][flat])
        if name == "softmax" and order:
            filter_rows.products(exps, a, order, size, reduced, numbers)
        elif order == 2:
            filter_rows.products(exps, a, 0, size, reduced, numbers)
        elif name == "softmax" or (name == "logsumexp" and order):
            filter_rows.probabilities(exps, size, reduced, numbers)
        elif order:
            filter_rows.xent_gradient(exps, a, size, reduced, numbers)
        elif name == "softmax_xent":
            filter_rows.xent_value(gh, gl, a, size, reduced, numbers)
        else:
            filter_rows.logarithms(z[flat], gh, gl, name == "log_softmax", size, reduced, numbers)

    return fill
