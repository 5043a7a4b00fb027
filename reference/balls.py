"""The second oracle: every form in Arb's ball arithmetic, by the formulas of a textbook.

Deliberately naive (log-sum-exp minus z_t, p - y, -log sigmoid), and nothing shared with the first oracle: where
terms cancel the ball grows wide and says so, and the referee asks again with more bits. A ball is never wrong,
only too wide. Where no precision is enough, `limits` answers instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from flint import arb

from lossbench.reference.form import GRAD, HESS, VALUE, hvp_direction
from lossbench.reference.limits import FAR, FAR_EXPONENT
from lossbench.reference.options import Options
from lossbench.reference.rationals import Labels, Weight, rational

#: A python-flint ball. python-flint's stubs are not complete.
Ball = Any
#: A gap above which the exponential of a class is enclosed and no longer evaluated: exp(-2^20) < 2^-1512000. Classes
#: that are far but not that far are evaluated, because beside a near one their squares can tell a result.
_VANISHING = 2.0**20
_VANISHING_EXPONENT = -1_512_000
#: Above this magnitude logits are shifted by the largest before exp, which Arb could not represent.
_HUGE = 2.0**24


def _tiny(exponent: int = FAR_EXPONENT) -> Ball:
    """An enclosure of exp(-gap) for any gap > FAR, or that is below 2^exponent, with a positive middle."""
    width = arb(2) ** (exponent - 1)
    return arb(width.mid(), width.mid())


def _sigmoid(z: Ball) -> Ball:
    return 1 / (1 + (-z).exp())


def _weighted(weight: Weight, log: Callable[[], Ball]) -> Ball:
    """weight * log, where a zero weight selects."""
    return arb(weight) * log() if weight != 0 else arb(0)


def _bce(quantity: str, z: Ball, a: Any, b: Any) -> Ball:
    g = _sigmoid(z)
    if quantity == VALUE:
        return -(_weighted(a, g.log) + _weighted(b, (1 - g).log))
    if quantity == GRAD:
        return arb(b) * g - arb(a) * (1 - g)
    return (arb(a) + arb(b)) * g * (1 - g)


def _margin(quantity: str, z: Ball, y: float) -> Ball:
    power = (z if y < 0 else -z).exp()
    if quantity == VALUE:
        return (1 + power).log()
    if quantity == GRAD:
        return (1 if y < 0 else -1) * power / (1 + power)
    return power / (1 + power) ** 2


def _squared(quantity: str, z: Ball, y: Any) -> Ball:
    g = _sigmoid(z)
    residual = g - arb(y)
    if quantity == VALUE:
        return residual * residual / 2
    slope = g * (1 - g)
    if quantity == GRAD:
        return residual * slope
    return slope * (slope + residual * (1 - 2 * g))


def _block(name: str, quantity: str, z: Ball) -> Ball:
    g = _sigmoid(z)
    if name == "sigmoid":
        return {VALUE: lambda: g, GRAD: lambda: g * (1 - g), HESS: lambda: g * (1 - g) * (1 - 2 * g)}[quantity]()
    if name == "log_sigmoid":
        return {VALUE: g.log, GRAD: lambda: 1 - g, HESS: lambda: -g * (1 - g)}[quantity]()
    return {VALUE: lambda: (1 + z.exp()).log(), GRAD: lambda: g, HESS: lambda: g * (1 - g)}[quantity]()


def scalar(name: str, quantity: str, z: float, labels: Labels) -> Ball:
    """A quantity of a form of one number; z is finite, not zero and not far."""
    x = arb(z)
    if name == "sigmoid_bce":
        return _bce(quantity, x, *labels.pairs[0])
    if name in ("sigmoid", "log_sigmoid", "softplus"):
        return _block(name, quantity, x)
    if name == "margin_logistic":
        return _margin(quantity, x, float(labels.plain))
    if name == "sigmoid_mse":
        return _squared(quantity, x, labels.plain)
    a, b = labels.pairs[0]
    return -(_weighted(a, x.log) + _weighted(b, (1 - x).log))


def _exponentials(z: Sequence[float]) -> tuple[list[Ball], Ball, Ball]:
    """exp(z_k - shift), their sum, and the shift: 0 unless a logit is huge. exp(-inf) is 0."""
    top = max(z)
    shift = arb(top) if max(abs(x) for x in z if x != -math.inf) > _HUGE else arb(0)
    peak = (arb(top) - shift).exp()
    low = top - _VANISHING
    shifted = (arb(x) - shift for x in z) if shift != 0 else map(arb, z)
    exps = [
        ball.exp() if x >= low else peak * _tiny(_VANISHING_EXPONENT) if x != -math.inf else arb(0)
        for x, ball in zip(z, shifted, strict=True)
    ]
    return exps, sum(exps, arb(0)), shift


def _xent(quantity: str, z: Sequence[float], a: Sequence[Any]) -> list[Ball]:
    exps, total, shift = _exponentials(z)
    if quantity == VALUE:
        log = total.log() + shift
        return [sum((arb(w) * (log - arb(x)) for w, x in zip(a, z, strict=True) if w != 0), arb(0))]
    mass = sum((arb(w) for w in a if w != 0), arb(0))
    p = [e / total for e in exps]
    if quantity == GRAD:
        return [mass * q - arb(w) if w != 0 else mass * q for q, w in zip(p, a, strict=True)]
    if quantity == HESS:
        return [mass * q * (1 - q) for q in p]
    v = [arb(x) for x in hvp_direction(len(z))]
    mean = sum((q * x for q, x in zip(p, v, strict=True)), arb(0))
    return [mass * q * (x - mean) for q, x in zip(p, v, strict=True)]


def _class_block(name: str, quantity: str, z: Sequence[float]) -> list[Ball]:
    exps, total, shift = _exponentials(z)
    if name == "logsumexp":
        if quantity == VALUE:
            return [total.log() + shift]
        return [e / total for e in exps] if quantity == GRAD else _xent(quantity, z, _first(len(z)))
    p = [e / total for e in exps]
    if name == "log_softmax":
        if quantity == VALUE:
            log = total.log() + shift
            return [arb(x) - log if x != -math.inf else arb(0) for x in z]
        if quantity == GRAD:
            return [1 - p[0], *(-q for q in p[1:])]
        return [-q * (1 - q) for q in p]
    if quantity == VALUE:
        return p
    first = p[0]
    if quantity == GRAD:
        return [first * (1 - first), *(-first * q for q in p[1:])]
    return [first * (1 - first) * (1 - 2 * first), *(first * q * (2 * q - 1) for q in p[1:])]


def _first(size: int) -> list[float]:
    return [1.0] + [0.0] * (size - 1)


def _output(quantity: str, z: float, a: Any, b: Any) -> Ball:
    """One of several outputs: as `_bce`, with the far ones enclosed around their limit."""
    if abs(z) <= FAR:
        return _bce(quantity, arb(z), a, b)
    mass = (arb(a) + arb(b)) * _tiny()
    if quantity == VALUE:  # an infinite one that counts is the whole value, by its limit
        return arb(0) if math.isinf(z) else arb(rational(b if z > 0 else a) * abs(rational(z))) + mass
    return (arb(b) if z > 0 else -arb(a)) + mass if quantity == GRAD else mass


def _likelihood(quantity: str, z: Sequence[float], y: Sequence[float]) -> list[Ball]:
    g = [_sigmoid(arb(x)) if abs(x) <= FAR else (1 - _tiny() if x > 0 else _tiny()) for x in z]
    product = arb(1)
    for q, label in zip(g, y, strict=True):
        product *= q if label == 1 else 1 - q
    if quantity == VALUE:
        return [product]
    if quantity == GRAD:
        return [product * (arb(label) - q) for q, label in zip(g, y, strict=True)]
    return [product * ((arb(label) - q) ** 2 - q * (1 - q)) for q, label in zip(g, y, strict=True)]


def rows(name: str, quantity: str, z: Sequence[float], labels: Labels, options: Options) -> list[Ball]:
    """A quantity of a form with a class axis; components that `limits` decides may be anything."""
    if name == "softmax_xent":
        return _xent(quantity, z, labels.classes)
    if name in ("softmax", "log_softmax", "logsumexp"):
        return _class_block(name, quantity, z)
    if name == "prob_xent":
        mass = sum((arb(x) for x in z), arb(0)) if options.normalized else arb(1)
        terms = zip(labels.classes, z, strict=True)
        return [-sum((arb(w) * (arb(x) / mass).log() for w, x in terms if w != 0), arb(0))]
    if name == "bernoulli_likelihood":
        return _likelihood(quantity, z, labels.raw)
    outputs = [_output(quantity, x, a, b) for x, (a, b) in zip(z, labels.pairs, strict=True)]
    if name == "bernoulli_log_likelihood":
        outputs = [-ball for ball in outputs]
    elif options.over == "mean":
        outputs = [ball / len(z) for ball in outputs]
    return [sum(outputs, arb(0))] if quantity == VALUE else outputs
