"""Limits and exact cases of the forms with a class axis; `limits` says what they are for.

Proof, with n classes at the largest logit and S = sum of exp(-gap_k) over the others, none of them near: each
quantity is a rational function of S near 0, with the value below at 0 and the sign of its first coefficient that does
not vanish; S is below 2^-5900 K, so that higher terms cannot turn the sign.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flint import fmpq

from lossbench.reference.form import GRAD, HESS, VALUE, hvp_direction
from lossbench.reference.limits import FAR, NAN, ZERO, Limit, bce, negated, sign
from lossbench.reference.options import Options
from lossbench.reference.rationals import Labels, Weight, rational
from lossbench.reference.signs import leading_sign, side_of_quotient

_ONE = fmpq(1)
_Found = list[Limit | None]


@dataclass(frozen=True, slots=True)
class _Row:
    """Classes by their distance to the largest: `count` at it, near, far, and gone (at -inf, or below a +inf)."""

    gaps: list[float]
    count: int
    near: bool
    far: bool

    def gone(self, k: int) -> bool:
        return math.isinf(self.gaps[k])


def _row(z: Sequence[float]) -> _Row | None:
    """None where there is no limit: two +inf, or no class left."""
    top = max(z)
    if top == -math.inf or (top == math.inf and sum(x == math.inf for x in z) > 1):
        return None
    # the difference of finite floats may overflow: far, but not gone
    gaps = [0.0 if x == top else (math.inf if math.isinf(x) or math.isinf(top) else min(top - x, 1e308)) for x in z]
    return _Row(gaps, gaps.count(0.0), any(0 < g <= FAR for g in gaps), any(FAR < g < math.inf for g in gaps))


def _xent_value(z: Sequence[float], row: _Row, a: Sequence[Weight]) -> Limit | None:
    asked = [k for k, w in enumerate(a) if w != 0]
    if any(row.gone(k) for k in asked):
        return Limit(math.inf)
    if not asked:
        return Limit(ZERO)
    if row.near or row.count > 1:
        return None
    top = max(z)
    gaps = (rational(a[k]) * (rational(top) - rational(z[k])) for k in asked if row.gaps[k] != 0)
    return Limit(sum(gaps, ZERO), int(row.far))


def _power(quantity: str, n: int) -> tuple[fmpq, int]:
    """q(p) for p = 1/n and the sign of its change when p shrinks a little: p, p (1 - p), p (1 - p)(1 - 2p)."""
    p = fmpq(1, n)
    if quantity == VALUE:
        return p, -1
    if quantity == GRAD:
        return p * (1 - p), 1 if n == 1 else -1
    return p * (1 - p) * (1 - 2 * p), -sign(1 - 6 * p + 6 * p * p)


def _mass(a: Sequence[Weight]) -> fmpq:
    return sum((rational(w) for w in a if w != 0), ZERO)


def _xent_parts(quantity: str, row: _Row, mass: fmpq, a: Sequence[Weight]) -> _Found:
    """T p_k - a_k and T p_k (1 - p_k)."""
    turned = int(row.far and mass > 0)
    found: _Found = []
    for k, gap in enumerate(row.gaps):
        label = rational(a[k]) if quantity == GRAD and a[k] != 0 else ZERO
        if row.gone(k) or mass == 0:
            found.append(Limit(-label))
        elif gap > FAR:
            found.append(Limit(-label, turned))
        elif row.near:
            found.append(None)
        else:
            value, change = _power(VALUE if quantity == GRAD else GRAD, row.count)
            found.append(Limit(mass * value - label, change * turned))
    return found


def _hvp(z: Sequence[float], row: _Row, mass: fmpq) -> _Found:
    """T p_k sum_j p_j (v_k - v_j): exactly zero when the differences cancel among each set of equal logits."""
    groups: dict[float, list[int]] = {}
    for k, x in enumerate(z):
        if not row.gone(k):
            groups.setdefault(x, []).append(k)
    v = [rational(x) for x in hvp_direction(len(z))]
    ordered = sorted(groups, reverse=True)
    moments = [sum((v[j] for j in groups[x]), ZERO) for x in ordered]
    sizes = [len(groups[x]) for x in ordered]
    places = [] if math.isinf(ordered[0]) or not row.far else [rational(x) for x in ordered]
    found: _Found = []
    for k, gap in enumerate(row.gaps):
        sums = [size * v[k] - moment for size, moment in zip(sizes, moments, strict=True)]
        if row.gone(k) or mass == 0 or not any(sums):
            found.append(Limit(ZERO))
        elif gap > FAR:
            found.append(Limit(ZERO, leading_sign(list(zip(places, sums, strict=True)))))
        elif row.near:
            found.append(None)
        else:
            n, first = row.count, sums[0]
            gaps = [x - places[0] for x in places[1:]]
            found.append(Limit(mass * first / (n * n), side_of_quotient(n, first, sums[1:], sizes[1:], gaps)))
    return found


def _majority(z: Sequence[float], row: _Row) -> int:
    """Sign of 2 p - 1 for the only class at the largest logit: that of 1 - sum exp(-gap) over the others."""
    near = Counter(x for x, gap in zip(z, row.gaps, strict=True) if 0 < gap <= FAR)
    terms = [(rational(max(z)), _ONE), *((rational(x), fmpq(-near[x])) for x in sorted(near, reverse=True))]
    return leading_sign(terms, fmpq(len(z)))


def _softmax_parts(quantity: str, z: Sequence[float], row: _Row) -> _Found:
    """Derivatives of p_0: p_0 (1 - p_0), -p_0 p_k; and p_0 (1 - p_0)(1 - 2 p_0), p_0 p_k (2 p_k - 1)."""
    n, far = row.count, int(row.far)
    found: _Found = []
    for k, gap in enumerate(row.gaps):
        if row.gone(0) or row.gone(k):
            found.append(Limit(ZERO))
        elif k == 0 and gap > FAR:
            found.append(Limit(ZERO, 1))
        elif gap > FAR or (row.gaps[0] > FAR and (quantity == GRAD or gap > 0 or n > 1)):
            found.append(Limit(ZERO, -1))
        elif row.gaps[0] > FAR:  # the second derivative in the only largest class: p_0 p_k (2 p_k - 1)
            found.append(Limit(ZERO, _majority(z, row)))
        elif row.near:
            found.append(None)
        elif k == 0:
            value, change = _power(quantity, n)
            found.append(Limit(value, change * far))
        else:
            p = fmpq(1, n)
            if quantity == GRAD:
                found.append(Limit(-p * p, far))
            else:
                found.append(Limit(p * p * (2 * p - 1), far * (1 if n == 3 else -sign(3 * p - 1))))
    return found


def _class_block(name: str, quantity: str, z: Sequence[float], row: _Row) -> _Found:
    first = [1.0] + [0.0] * (len(z) - 1)
    if name == "logsumexp":
        if quantity == VALUE:
            decided = row.count == 1 and not row.near
            return [Limit(_finite(max(z)), int(row.far)) if decided else None]
        return _logsumexp_parts(quantity, z, row)
    if name == "log_softmax":
        if quantity == VALUE:
            return [_log_probability(z, row, k) for k in range(len(z))]
        return [negated(limit) for limit in _xent_parts(quantity, row, _ONE, first)]
    if quantity != VALUE:
        return _softmax_parts(quantity, z, row)
    return _logsumexp_parts(GRAD, z, row)


def _logsumexp_parts(quantity: str, z: Sequence[float], row: _Row) -> _Found:
    """p_k, p_k (1 - p_k), and the Hessian times v."""
    if quantity not in (GRAD, HESS):
        return _hvp(z, row, _ONE)
    return _xent_parts(quantity, row, _ONE, [ZERO] * len(z))


def _finite(x: float) -> Any:
    return x if math.isinf(x) else rational(x)


def _log_probability(z: Sequence[float], row: _Row, k: int) -> Limit | None:
    if row.gone(k):
        return Limit(-math.inf)
    if row.near or row.count > 1:
        return None
    value = ZERO if row.gaps[k] == 0 else rational(z[k]) - rational(max(z))
    return Limit(value, -int(row.far))


def _classes(name: str, quantity: str, z: Sequence[float], labels: Labels) -> _Found:
    row = _row(z)
    if row is None:
        if name == "logsumexp" and quantity == VALUE:
            return [Limit(max(z))]
        alone = quantity == VALUE and name in ("softmax_xent", "logsumexp")
        return [NAN] * (1 if alone else len(z))
    if name != "softmax_xent":
        return _class_block(name, quantity, z, row)
    if quantity == VALUE:
        return [_xent_value(z, row, labels.classes)]
    mass = _mass(labels.classes)
    if quantity in (GRAD, HESS):
        return _xent_parts(quantity, row, mass, labels.classes)
    return _hvp(z, row, mass)


def _sum_of_outputs(parts: _Found) -> Limit | None:
    """The sum of terms that are never negative; an infinite one has the say."""
    if any(part is not None and part.value == math.inf for part in parts):
        return Limit(math.inf)
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    return Limit(sum((part.value for part in known), ZERO), max((part.sign for part in known), default=0))


def _outputs(name: str, quantity: str, z: Sequence[float], labels: Labels, options: Options) -> _Found:
    parts: _Found = []
    for x, y, (a, b) in zip(z, labels.raw, labels.pairs, strict=True):
        parts.append(NAN if math.isnan(x) or math.isnan(y) else bce(quantity, x, a, b))
    if quantity == VALUE:
        parts = [NAN] if NAN in parts else [_sum_of_outputs(parts)]
    if name == "bernoulli_log_likelihood":
        return [negated(part) for part in parts]
    if options.over == "mean":
        return [None if part is None else Limit(part.value / len(z), part.sign) for part in parts]
    return parts


def _likelihood(quantity: str, z: Sequence[float], y: Sequence[float]) -> _Found:
    """prod c_i with c_i = g(+-z_i), c_i (y_i - g_i) ..., and L (1 - c_i)(1 - 2 c_i)."""
    margins = [x if label == 1 else -x for x, label in zip(z, y, strict=True)]
    zeros = sum(m == 0 for m in margins)
    lost = min(margins) < -FAR
    near = any(0 < abs(m) <= FAR for m in margins)
    if min(margins) == -math.inf:
        return [Limit(ZERO)] * (1 if quantity == VALUE else len(z))
    shrinks = any(FAR < m < math.inf for m in margins)
    product = fmpq(1, 2**zeros)
    if quantity == VALUE:
        return [Limit(ZERO, 1) if lost else None if near else Limit(product, -int(shrinks))]
    found: _Found = []
    for m, label in zip(margins, y, strict=True):
        side = (1 if label == 1 else -1) if quantity == GRAD else (1 if m < 0 else -1)
        if m == math.inf or (quantity == HESS and m == 0):
            found.append(Limit(ZERO))
        elif lost or m > FAR:
            found.append(Limit(ZERO, side))
        else:
            found.append(None if near else Limit(side * product / 2, -side * int(shrinks)))
    return found


def rows(name: str, quantity: str, z: Sequence[float], labels: Labels, options: Options) -> _Found:
    """The limits or exact cases of a form with a class axis, None for each component that balls decide."""
    if name in ("multilabel_bce", "bernoulli_log_likelihood"):
        return _outputs(name, quantity, z, labels, options)
    if labels.undefined or any(map(math.isnan, z)):
        vector = quantity != VALUE or name in ("softmax", "log_softmax")
        return [NAN] * (len(z) if vector else 1)
    if name == "bernoulli_likelihood":
        return _likelihood(quantity, z, labels.raw)
    return _classes(name, quantity, z, labels)
