"""Formulas of one logit: sigmoid, binary cross-entropy, margin loss and squared error, in float64.

Everything is built from u = exp(-|z|) in [0, 1], which never overflows, and from 1 + u in [1, 2]: no
difference of near-equal numbers is formed for hard labels, so the tails keep their relative accuracy.
All functions take and return float64 arrays of one shape. Labels are selected where they are 0 or 1,
never multiplied with an infinity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .rounding import F64
from .total import over_classes


class Odds(NamedTuple):
    """A logit and what every formula needs of it: u = exp(-|z|), the odds against the likelier label."""

    z: F64
    u: F64


def odds(z: F64) -> Odds:
    """Return the state shared by value, gradient and second derivative."""
    return Odds(z, np.exp(-np.abs(z)))


def sigmoid(s: Odds) -> F64:
    """g(z) = 1 / (1 + exp(-z))."""
    return np.where(s.z >= 0, 1.0, s.u) / (1.0 + s.u)


def complement(s: Odds) -> F64:
    """1 - g(z) = g(-z), without the subtraction."""
    return np.where(s.z >= 0, s.u, 1.0) / (1.0 + s.u)


def _mended(s: Odds, x: F64, power: float) -> F64:
    """Return x corrected for the rounding of 1 + u, by which it was divided `power` times.

    u - ((1+u) - 1) is that rounding, exactly, because u <= 1. Powers of it would add up: at the cube,
    1.5 ulp of the float64 result.
    """
    w = 1.0 + s.u
    lost = s.u - (w - 1.0)
    return x - x * (power * (lost / w))


def slope(s: Odds) -> F64:
    """g'(z) = g (1 - g) = u / (1 + u)^2."""
    return _mended(s, s.u / (1.0 + s.u) / (1.0 + s.u), 2.0)


def skew(s: Odds) -> F64:
    """1 - 2 g(z) = -tanh(z / 2); expm1 keeps it accurate around its zero at z = 0."""
    short = np.expm1(-np.abs(s.z))
    return np.where(s.z >= 0, short, -short) / (1.0 + s.u)


def bend(s: Odds) -> F64:
    """g''(z) = g' (1 - 2 g)."""
    return _mended(s, s.u / (1.0 + s.u) / (1.0 + s.u) * skew(s), 3.0)


def softplus(s: Odds) -> F64:
    """log(1 + exp(z)) = log1p(u) + max(z, 0)."""
    return np.log1p(s.u) + np.maximum(s.z, 0.0)


def log_sigmoid(s: Odds) -> F64:
    """log g(z) = min(z, 0) - log1p(u)."""
    return np.minimum(s.z, 0.0) - np.log1p(s.u)


def log_sigmoid_hess(s: Odds) -> F64:
    """(log g)''(z) = -g'."""
    return -slope(s)


def bce(s: Odds, y: F64) -> F64:
    """-(y log g(z) + (1-y) log(1-g(z))) = log1p(u) + (z > 0 ? (1-y) z : -y z); both terms >= 0."""
    weight = np.where(s.z > 0, 1.0 - y, y)
    # Selected, not multiplied: a weight of 0 silences an infinite logit. A NaN logit comes back with u.
    linear = np.where(weight == 0, 0.0, weight * np.abs(s.z))
    return np.log1p(s.u) + linear


def bce_grad(s: Odds, y: F64) -> F64:
    """g(z) - y = (z >= 0 ? (1-y) - y u : (1-y) u - y) / (1+u).

    One of the two terms is an exact zero for y in {0, 1}.
    """
    other = 1.0 - y
    return np.where(s.z >= 0, other - y * s.u, other * s.u - y) / (1.0 + s.u)


def bce_hess(s: Odds, y: F64) -> F64:
    """g'(z) whatever the label; the product with 0 only lets a NaN label through."""
    return slope(s) + 0.0 * y


def neurons_bce(s: Odds, y: F64, *, over: str) -> F64:
    """Sum or mean over the last axis of `bce`; all terms >= 0."""
    return over_classes(bce(s, y)) / _divisor(s.z, over)


def neurons_bce_grad(s: Odds, y: F64, *, over: str) -> F64:
    """`bce_grad` per neuron, divided by K when over="mean"."""
    return bce_grad(s, y) / _divisor(s.z, over)


def neurons_bce_hess(s: Odds, y: F64, *, over: str) -> F64:
    """`bce_hess` per neuron, divided by K when over="mean"."""
    return bce_hess(s, y) / _divisor(s.z, over)


def _divisor(z: F64, over: str) -> float:
    return float(z.shape[-1]) if over == "mean" else 1.0


def margin(s: Odds, y: F64) -> F64:
    """log(1 + exp(-y z)) = log1p(u) + max(-y z, 0), y in {-1, +1}."""
    return np.log1p(s.u) + np.maximum(-y * s.z, 0.0)


def margin_grad(s: Odds, y: F64) -> F64:
    """-y g(-y z) = -y (y z >= 0 ? u : 1) / (1+u)."""
    return -y * np.where(y * s.z >= 0, s.u, 1.0) / (1.0 + s.u)


def margin_hess(s: Odds, y: F64) -> F64:
    """g'(z): y^2 = 1; the product with 0 only lets a NaN label through."""
    return slope(s) + 0.0 * y


def mse(s: Odds, y: F64) -> F64:
    """(g(z) - y)^2 / 2. Halved before squaring: a subnormal square would be rounded twice."""
    residual = bce_grad(s, y)
    return _mended(s, 0.5 * residual * residual, 2.0)


def mse_grad(s: Odds, y: F64) -> F64:
    """(g - y) g'."""
    return _mended(s, bce_grad(s, y) * (s.u / (1.0 + s.u) / (1.0 + s.u)), 3.0)


def mse_hess(s: Odds, y: F64) -> F64:
    """g' (g' + (g - y) (1 - 2g)). Its sign changes: it cancels around g = 2/3 (y=0) and 1/3 (y=1)."""
    first = slope(s)
    return first * (first + bce_grad(s, y) * skew(s))
