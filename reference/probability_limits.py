"""Exact cases of the forms of probabilities: their derivatives are fractions, their values logarithms.

Logarithms of fractions other than 1 are transcendental, and terms of one sign do not cancel, so that balls decide
every value but those at 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from flint import fmpq

from lossbench.reference.form import GRAD, VALUE
from lossbench.reference.limits import NAN, ZERO, Limit
from lossbench.reference.rationals import Labels, Weight, rational


def scalar(quantity: str, p: float, labels: Labels) -> Limit | None:
    """The exact case of a (-log p) + b (-log(1 - p)) or of its derivatives, or None where balls decide."""
    if p != p or labels.undefined:
        return NAN
    a, b = labels.pairs[0]
    if quantity == VALUE:
        if (p == 0 and a != 0) or (p == 1 and b != 0):
            return Limit(math.inf)
        return Limit(ZERO) if p in (0, 1) or (a == 0 and b == 0) else None
    x, a, b = rational(p), rational(a), rational(b)
    if (a != 0 and x == 0) or (b != 0 and x == 1):
        return Limit(-math.inf if quantity == GRAD and x == 0 else math.inf)
    power = 1 if quantity == GRAD else 2
    left = a / x**power if a != 0 else ZERO
    right = b / (1 - x) ** power if b != 0 else ZERO
    return Limit(right - left if quantity == GRAD else right + left)


def rows(quantity: str, q: Sequence[float], labels: Labels, normalized: bool) -> list[Limit | None]:
    """The exact cases of sum_k a_k (-log q_k), of q / sum(q) when `normalized`; None where balls decide."""
    a = labels.classes
    if not normalized and quantity != VALUE:
        return [_free_partial(quantity, x, w) for x, w in zip(q, labels.classes, strict=True)]
    if labels.undefined or any(map(math.isnan, q)):
        return [NAN] * (1 if quantity == VALUE else len(q))
    mass = sum((rational(x) for x in q), ZERO) if normalized else fmpq(1)
    if mass == 0:
        return [NAN] * (1 if quantity == VALUE else len(q))
    if quantity == VALUE:
        asked = [x for x, w in zip(q, a, strict=True) if w != 0]
        if 0 in asked:
            return [Limit(math.inf)]
        return [Limit(ZERO) if all(rational(x) == mass for x in asked) else None]
    total, side = sum((rational(w) for w in a if w != 0), ZERO), (1 if quantity == GRAD else -1)
    shared = side * total / (mass if quantity == GRAD else mass * mass)
    found: list[Limit | None] = []
    for x, w in zip(q, a, strict=True):
        own = _free_partial(quantity, x, w)
        found.append(own if isinstance(own.value, float) else Limit(own.value + shared))
    return found


def _free_partial(quantity: str, q: float, w: Weight) -> Limit:
    """-w/q or w/q^2, 0 where w = 0 = q."""
    if math.isnan(q) or (isinstance(w, float) and math.isnan(w)):
        return NAN
    if w == 0:
        return Limit(ZERO)
    if q == 0:
        return Limit(-math.inf if quantity == GRAD else math.inf)
    x = rational(q)
    return Limit(-rational(w) / x if quantity == GRAD else rational(w) / (x * x))
