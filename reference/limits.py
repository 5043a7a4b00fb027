"""Where no precision decides: exact cases in rationals, and enclosures that are known to lie on one side.

A number that is exactly a midpoint or a power of two, or differs from one by exp(-5000), is not found by
evaluating with more bits. There a result is `value` itself (sign 0), or value + e with 0 < |e| < 2^-5000 and the
sign of e proved (sign +1 or -1). Every infinite input is such a case, because a limit is what is asked for.

Proof, with u = exp(-|z|): each quantity is an analytic function of u near 0, with the value below at 0 and the
sign of its first coefficient that does not vanish; u is below 2^-5900, so that higher terms cannot turn the sign.
That all other arguments give transcendental numbers, which precision does decide, is Lindemann's theorem. Forms
of probabilities follow in `probability_limits`, those with a class axis in `row_limits`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from flint import fmpq

from lossbench.reference.form import GRAD, HESS, VALUE
from lossbench.reference.rationals import Labels, Weight, rational

#: A gap, or |z|, above which exp(-gap) is only a sign: exp(-4096) < 2^-5909.
FAR = 4096.0
FAR_EXPONENT = -5900
ZERO = fmpq(0)


@dataclass(frozen=True, slots=True)
class Limit:
    """The number `value`, or one beside it on the side of `sign`. value is a fraction, or an infinity or NaN."""

    value: Any
    sign: int = 0

    @property
    def undefined(self) -> bool:
        """Whether there is no limit: NaN."""
        return isinstance(self.value, float) and math.isnan(self.value)


NAN = Limit(math.nan)


def times(weight: Weight, amount: float) -> Any:
    """weight * amount, exact; 0 * inf is 0."""
    if weight == 0:
        return ZERO
    return math.copysign(math.inf, amount) if math.isinf(amount) else rational(weight) * rational(amount)


def sign(number: Any) -> int:
    """-1, 0 or +1."""
    return int(number > 0) - int(number < 0)


def bce(quantity: str, z: float, a: Weight, b: Weight) -> Limit | None:
    """a softplus(-z) + b softplus(z) and its derivatives."""
    if 0 < abs(z) <= FAR and (a or b):
        return None
    mass = rational(a) + rational(b)
    if z == 0:
        if quantity == VALUE:
            return None if mass != 0 else Limit(ZERO)
        return Limit((rational(b) - rational(a)) / 2 if quantity == GRAD else mass / 4)
    if abs(z) <= FAR:
        return None if mass != 0 else Limit(ZERO)
    side = 0 if math.isinf(z) else sign(mass)
    if quantity == VALUE:
        return Limit(times(b, z) if z > 0 else times(a, -z), side)
    if quantity == GRAD:
        return Limit(rational(b), -side) if z > 0 else Limit(-rational(a), side)
    return Limit(ZERO, side)


def _mse(quantity: str, z: float, y: Weight) -> Limit | None:
    y = rational(y)
    if z == 0:
        d = fmpq(1, 2) - y
        return Limit({VALUE: d * d / 2, GRAD: d / 4, HESS: fmpq(1, 16)}[quantity])
    if abs(z) <= FAR:
        return None
    d = 1 - y if z > 0 else -y  # g - y without u
    finite = 0 if math.isinf(z) else 1
    if quantity == VALUE:
        return Limit(d * d / 2, finite * (1 if d == 0 else -1))
    if quantity == GRAD:
        return Limit(ZERO, finite * (sign(d) if d != 0 else (-1 if z > 0 else 1)))
    return Limit(ZERO, finite * (1 if d == 0 else -1))


def _block(name: str, quantity: str, z: float) -> Limit | None:
    if name == "sigmoid":
        if quantity == VALUE:
            found = bce(GRAD, z, 0.0, 1.0)
        elif quantity == GRAD:
            found = bce(HESS, z, 0.0, 1.0)
        elif z == 0:
            found = Limit(ZERO)
        else:
            found = None if abs(z) <= FAR else Limit(ZERO, 0 if math.isinf(z) else (-1 if z > 0 else 1))
        return found
    if name == "softplus":
        return bce(quantity, z, 0.0, 1.0)
    return negated(bce(quantity, z, 1.0, 0.0))


def negated(found: Limit | None) -> Limit | None:
    """Minus a limit."""
    return None if found is None else Limit(-found.value, -found.sign)


def scalar(name: str, quantity: str, z: float, labels: Labels) -> Limit | None:
    """The limit or exact case of a form of one number, or None where balls decide."""
    if z != z or (labels.raw and labels.raw[0] != labels.raw[0]):
        return NAN
    if name in ("sigmoid", "log_sigmoid", "softplus"):
        return _block(name, quantity, z)
    if name == "margin_logistic":
        positive = labels.plain > 0
        return bce(quantity, z, float(positive), float(not positive))
    if name == "sigmoid_mse":
        return _mse(quantity, z, labels.plain)
    return bce(quantity, z, *labels.pairs[0])
