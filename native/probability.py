"""Formulas that take probabilities as given: cross-entropy of distributions or of one, in float64.

`q` and `y` have shape (n, K), the classes last; `p` has the shape of its labels. Adding +0 to the inputs
turns -0 into +0, the probability that is meant: without it -y/q would change its sign at a true zero.
"""

from __future__ import annotations

import numpy as np

from .rounding import F64
from .total import over_classes


def probabilities(p: F64) -> F64:
    """Return p without negative zeros, and NaN for what is below 0: a logarithm has no limit there."""
    return np.where(p < 0, np.nan, p + 0.0)


def unit_probabilities(p: F64) -> F64:
    """Return p without negative zeros, and NaN for what is outside [0, 1]."""
    return np.where((p < 0) | (p > 1), np.nan, p + 0.0)


def _select(y: F64, q: F64, term: F64) -> F64:
    """0 where y is 0 and q is a number, even if the term is infinite there; else the term."""
    return np.where((y == 0) & ~np.isnan(q), 0.0, term)


def xent(q: F64, y: F64, *, normalized: bool) -> F64:
    """-sum_k y_k log q_k; normalized: sum_k y_k log(Q / q_k), Q = sum_k q_k, all terms >= 0."""
    if not normalized:
        return 0.0 - over_classes(_select(y, q, y * np.log(q)))
    rest, total = _rest(q)
    ratio = rest / q
    # q_k among the subnormals: the ratio overflows, its logarithm does not.
    loss = np.where(np.isinf(ratio), np.log(total) - np.log(q), np.log1p(ratio))
    return over_classes(_select(y, loss, y * loss))


def xent_grad(q: F64, y: F64, *, normalized: bool) -> F64:
    """-y_k / q_k, free partials; normalized: T/Q - y_k/q_k = ((T - y_k) - y_k rest_k/q_k) / Q, T = sum y."""
    if not normalized:
        return 0.0 - _select(y, q, y / q)
    rest, total = _rest(q)
    mass = over_classes(y, keep=True)
    return ((mass - y) - _select(y, total, y * (rest / q))) / total


def xent_hess(q: F64, y: F64, *, normalized: bool) -> F64:
    """y_k / q_k^2; normalized: y_k/q_k^2 - T/Q^2 = (y_k r (2 + r) - (T - y_k)) / Q^2 with r = rest_k/q_k."""
    if not normalized:
        return _select(y, q, y / q / q)
    rest, total = _rest(q)
    mass = over_classes(y, keep=True)
    ratio = rest / q
    return (_select(y, total, y * (ratio * (2.0 + ratio))) - (mass - y)) / total / total


def _rest(q: F64) -> tuple[F64, F64]:
    """Return (Q - q_k, Q), shapes (n, K) and (n, 1).

    The rest of the largest q_k is summed; the others are at least Q/2, so the difference keeps its digits.
    """
    top = np.argmax(q, axis=-1, keepdims=True)
    others = q.copy()
    np.put_along_axis(others, top, 0.0, axis=-1)
    beside = over_classes(others, keep=True)
    total = beside + np.take_along_axis(q, top, axis=-1)
    rest = total - q
    np.put_along_axis(rest, top, beside, axis=-1)
    return rest, total


def bce(p: F64, y: F64) -> F64:
    """-(y log p + (1-y) log(1-p)), 0 log 0 = 0; both terms >= 0."""
    hit = _select(y, p, y * -np.log(p))
    miss = _select(1.0 - y, p, (1.0 - y) * -np.log1p(-p))
    return hit + miss + 0.0


def bce_grad(p: F64, y: F64) -> F64:
    """(p-y) / (p(1-p)), with its limits 1/(1-p) at y = 0 and -1/p at y = 1."""
    inner = (p - y) / (p * (1.0 - p))
    return np.where(y == 0, 1.0 / (1.0 - p), np.where(y == 1, -1.0 / p, inner))


def bce_hess(p: F64, y: F64) -> F64:
    """y/p^2 + (1-y)/(1-p)^2; both terms >= 0. Divided twice: p^2 may be subnormal where 1/p^2 is finite."""
    other = 1.0 - p
    return _select(y, p, y / p / p) + _select(1.0 - y, p, (1.0 - y) / other / other)
