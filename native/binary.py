"""Formulas of one logit: sigmoid, binary cross-entropy, margin loss and squared error.

An `Element` brings its logit z (a lane), its labels and its factor. Everything is built from u = exp(-|z|) in
[0, 1], which never overflows, and from 1 + u in [1, 2]: no difference of near-equal numbers is formed for hard
labels, so the tails keep their relative accuracy. Labels are weights: a of log g(z) and b of log(1 - g(z)), which
are y and 1 - y unless options change them. Weights are selected where they are 0, never multiplied with an infinity.
Gradients and second derivatives are multiplied with the element's factor before a tail is scaled down.
"""

from __future__ import annotations

from . import pair
from .element import Element, Row
from .elementary import Exp, Small, exp, log1p_of, log1p_small
from .lanes import Lane, fused, negative, traced, where
from .pair import Number, is_zero


class Odds:
    """What every formula needs of a logit: u = exp(-|z|), the odds against the likelier label, and 1/(1+u)."""

    def __init__(self, e: Element, full: bool) -> None:
        """Compute them; full: as exp's."""
        self.negative = negative(e.z)
        self.u: Exp = exp(-e.number(_size(e.z)), full=full)
        self.inverse: Number = 1.0 / (self.u.coarse + 1.0)


def odds(e: Element) -> Odds:
    """Return the odds of an element, computed once. Forms that cancel ask for `full` digits."""
    s: Odds = e.once("odds", lambda: Odds(e, e.cancels))
    return s


def _size(z: Lane) -> Lane:
    return pair.size(z)


def sigmoid(e: Element) -> Number:
    """g(z) = 1 / (1 + exp(-z))."""
    s = odds(e)
    inverse = e.weighted(s.inverse)
    return pair.where(s.negative, s.u.times(inverse), inverse)


def complement(e: Element) -> Number:
    """1 - g(z) = g(-z), without the subtraction."""
    s = odds(e)
    inverse = e.weighted(s.inverse)
    return pair.where(s.negative, inverse, s.u.times(inverse))


def slope(e: Element) -> Number:
    """g'(z) = g (1 - g) = u / (1 + u)^2."""
    s = odds(e)
    return s.u.times(e.weighted(s.inverse * s.inverse))


def skew(e: Element) -> Number:
    """1 - 2 g(z) = -tanh(z / 2); expm1 keeps it accurate around its zero at z = 0.

    For tiny z it is z/2 less something that no float64 holds, and z/2 may lie half-way between two numbers of a
    16-bit format: lanes are made smaller by 2^-52, so that the rounding goes where the something says.
    """
    s = odds(e)
    short = s.u.minus_one * s.inverse
    if not e.wide:
        short = short - short * 2.0**-52
    return pair.where(s.negative, -short, short)


def bend(e: Element) -> Number:
    """g''(z) = g' (1 - 2 g)."""
    s = odds(e)
    return s.u.times(e.weighted(s.inverse * s.inverse) * skew(e))


def softplus(e: Element) -> Number:
    """log(1 + exp(z)) = log1p(u) + max(z, 0)."""
    return log1p_of(odds(e).u) + e.larger(e.z, 0.0)


def log_sigmoid(e: Element) -> Number:
    """log g(z) = min(z, 0) - log1p(u)."""
    return -log1p_of(odds(e).u) - e.larger(-e.z, 0.0)


def log_sigmoid_hess(e: Element) -> Number:
    """(log g)''(z) = -g'."""
    return -slope(e)


def bce(e: Element) -> Number:
    """-(a log g(z) + b log(1-g(z))) = (a+b) log1p(u) + (z > 0 ? b z : -a z); both terms >= 0."""
    return bce_tail(e).value + bce_linear(e)


def bce_tail(e: Element) -> Small:
    """(a+b) log1p(u)."""
    return log1p_small(odds(e).u, e.mass)


def bce_linear(e: Element) -> Number:
    """z > 0 ? b z : -a z. Selected, not multiplied: a weight of 0 silences an infinite logit; NaN comes with u.

    A kernel leaves infinities to NumPy, so that it may multiply: max(z, 0) - y z, rounded once.
    """
    if traced(e.z) and e.mass is None and not e.wide:
        return fused(-e.label, e.z, e.larger(e.z, 0.0))
    a, b = e.weights
    weight = pair.where(e.z > 0.0, b, a)
    return pair.where(is_zero(weight), 0.0, weight * _size(e.z))


def neurons_bce(row: Row) -> Number:
    """The sum of `bce` over the row; all terms >= 0."""
    tail, (linear,) = row.small_total(bce_tail, bce_linear)
    return tail.value + linear


def residual(e: Element, inverse: Number) -> Number:
    """b g(z) - a g(-z), times (1+u) inverse; it is g(z) - y for plain labels.

    For y in {0, 1} one of the two terms is an exact zero: the tail keeps its digits.
    """
    s = odds(e)
    a, b = e.weights
    if not e.wide:
        return where(s.negative, fused(b, s.u.digits, -a), fused(-a, s.u.digits, b)) * inverse
    lead = pair.where(s.negative, -a, b)
    tail = pair.where(s.negative, b, -a)
    return lead * inverse + s.u.times(tail * inverse)


def bce_grad(e: Element) -> Number:
    """b g(z) - a (1 - g(z))."""
    return residual(e, e.weighted(odds(e).inverse))


def bce_hess(e: Element) -> Number:
    """(a + b) g'(z); the product with 0 only lets a NaN label through."""
    if e.mass is not None:
        s = odds(e)
        return s.u.times(e.weighted(s.inverse * s.inverse) * e.mass)
    return slope(e) + 0.0 * e.label


def margin(e: Element) -> Number:
    """log(1 + exp(-y z)) = log1p(u) + max(-y z, 0), y in {-1, +1}."""
    m = e.label * e.z
    return log1p_of(odds(e).u) + pair.where(m > 0.0, 0.0, -m)


def margin_grad(e: Element) -> Number:
    """-y g(-y z) = -y (y z >= 0 ? u : 1) / (1+u)."""
    s = odds(e)
    inverse = e.weighted(s.inverse) * -e.label
    return pair.where(e.label * e.z >= 0.0, s.u.times(inverse), inverse)


def margin_hess(e: Element) -> Number:
    """g'(z): y^2 = 1; the product with 0 only lets a NaN label through."""
    return slope(e) + 0.0 * e.label


def mse(e: Element) -> Number:
    """(g(z) - y)^2 / 2. Halved before squaring: a subnormal square would be rounded twice."""
    r = residual(e, odds(e).inverse)
    return (r * 0.5) * r


def mse_grad(e: Element) -> Number:
    """(g - y) g'."""
    s = odds(e)
    return s.u.times(e.weighted(s.inverse * s.inverse) * residual(e, s.inverse))


def mse_hess(e: Element) -> Number:
    """g' (g' + (g - y) (1 - 2g)). Its sign changes: it cancels around g = 2/3 (y=0) and 1/3 (y=1)."""
    s = odds(e)
    square = s.inverse * s.inverse
    inner = s.u.times(square) + residual(e, s.inverse) * skew(e)
    return s.u.times(e.weighted(square) * inner)
