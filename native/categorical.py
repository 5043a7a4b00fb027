"""Formulas of a row of logits: softmax and its logarithm, logsumexp and softmax cross-entropy.

With m the largest logit and e_k = exp(z_k - m), everything is written with a sum A that leaves one class out, so
that no near-equal numbers are subtracted and the tail of a confident row is kept. For a class index that class is
the target t: L = log1p(A) where t leads, else log(A + e_t) + (m - z_t), and the gradient at t is -A/(A + e_t).
Otherwise it is the first of the largest: S = 1 + A, log S = log1p(A), and 1 - p_k is C_k / S with C_k = S - e_k.
"""

from __future__ import annotations

from . import lanes, pair
from .element import Element, Row
from .elementary import Small, log1p, log1p_full
from .lanes import Lane, Mask
from .near import LARGEST, Near, Sums
from .pair import Number, Pair, as_pair, is_zero


class Softmax:
    """One row after its passes.

    m: largest logit. out: the class that `rest`, the sum A, leaves out. total: S, the sum of all e_k.
    beyond: S - 1. mass, linear: sum of y_k and of y_k (m - z_k) times `row.shrink`, where they were asked for.
    """

    m: Lane
    out: Lane
    rest: Small
    total: Number
    beyond: Number
    inverse: Number
    mass: Number
    linear: Number

    def __init__(self, row: Row, *, target: bool = False, mass: bool = False) -> None:
        """Reduce the row; target: leave out its class index, which must not be None then; mass: and `linear`."""
        self.row, self.target = row, target
        self.m = row.maximum()
        self.out = row.index if target else row.first(self.m)
        others = []
        if mass:
            others = [self._away] if row.uniform else [row.label, self._linear]
        self.rest, sums = row.small_total(self._exp, *others, skip=self.out, keep=True)
        self.mass, self.linear = 1.0, 0.0
        if mass and row.uniform:
            u = row.uniform
            self.mass = u.mass
            self.linear = sums[0] * u.off + self._gap(row.pick(u.target)) * (u.on - u.off)
        elif mass:
            self.mass, self.linear = sums
        self.beyond = self.rest.value
        self.total = self.beyond + 1.0
        if target:
            z = row.pick(self.out)
            away = row.exp(z, self.m).coarse
            # Where the target leads, e_t is 1, and NaN in a row without a limit.
            self.total = self.beyond + away
            self.beyond = pair.where(z == self.m, self.beyond, (self.beyond - 1.0) + away)
        self.inverse = 1.0 / self.total

    def _exp(self, e: Element) -> Small:
        return self.row.exp(e.z, self.m)

    def _gap(self, z: Lane) -> Number:
        # m - z_k may overflow where y_k (m - z_k) does not, but not half of it.
        shrink = self.row.shrink
        return -self.row.gap(shrink * z, shrink * self.m)

    def _away(self, e: Element) -> Number:
        return self._gap(e.z)

    def _linear(self, e: Element) -> Number:
        y = self.row.label(e)
        return pair.where(is_zero(y), 0.0, y * self._gap(e.z))

    def log_total(self) -> Number:
        """log S. A sum A among the subnormal numbers is its own logarithm, scaled down last."""
        log = log1p(self.beyond)
        if self.rest.exponent is None:
            return log
        return pair.where(self.rest.exponent < 0.0, self.rest.value, log)

    def complement(self, e: Element) -> Small:
        """C_k = S - e_k, at least S/2 away from the class that is left out."""
        other = self.total - self.row.kept(e).coarse
        if self.rest.exponent is None:
            return Small(pair.where(e.at(self.out), self.rest.digits, other))
        here = e.at(self.out)
        return Small(pair.where(here, self.rest.digits, other), pair.where(here, self.rest.exponent, 0.0))

    def probability(self, e: Element, factor: Number | None = None) -> Number:
        """p_k times a factor."""
        return self.row.kept(e).times(self.inverse if factor is None else self.inverse * factor)


def spread(s: Softmax, e: Element, factor: Number | None) -> Number:
    """p_k (1 - p_k) times a factor; e_k C_k, one of which may be among the subnormal numbers but not both."""
    kept, other = s.row.kept(e), s.complement(e)
    digits = kept.digits * ((other.digits * s.inverse) * (s.inverse if factor is None else s.inverse * factor))
    if kept.exponent is None:
        return digits
    return Small(digits, kept.exponent + other.exponent).value


def indexed(row: Row) -> Softmax:
    """Reduce a row whose label is a class index, for value and gradient."""
    return Softmax(row, target=True)


def labelled(row: Row) -> Softmax:
    """Reduce a row with a label an element."""
    return Softmax(row, mass=True)


def plain(row: Row) -> Softmax:
    """Reduce a row without labels, once for all that is made of it."""
    s: Softmax = row.once("softmax", lambda: Softmax(row))
    return s


def xent_index(s: Softmax) -> Number:
    """-log softmax(z)_t = log S + (m - z_t)."""
    return s.log_total() - s.row.gap(s.row.pick(s.row.index), s.m)


def xent_index_near(s: Sums) -> Near:
    """log sum_k exp(z_k) - z_t."""
    return Near(s.log - s.target, 1.0, lanes.size(s.log) + lanes.size(s.target))


def xent_index_grad(s: Softmax, e: Element) -> Number:
    """p_k, and -A/S at the target."""
    inverse = e.weighted(s.inverse)
    return pair.where(e.at(s.out), s.rest.times(-inverse), s.row.kept(e).times(inverse))


def xent(s: Softmax) -> Number:
    """-sum_k y_k log softmax(z)_k = sum_k y_k (m - z_k) + T log S, T = sum_k y_k; all terms >= 0."""
    log = s.mass * log1p(s.beyond)
    if s.rest.exponent is not None:  # the mass multiplies the digits of a tail before they are scaled
        log = pair.where(s.rest.exponent < 0.0, s.rest.times(s.mass), log)
    # The last term is 0, and NaN where one class is all there is and has no limit.
    return s.linear * (1.0 / s.row.shrink) + log + s.row.gap(s.m, s.m)


def xent_near(s: Sums) -> Near:
    """T log sum_k exp(z_k) - sum_k y_k z_k."""
    product = s.mass * s.log
    return Near(product - s.linear, s.mass, lanes.size(product) + s.mass * LARGEST)


def xent_grad(s: Softmax, e: Element) -> Number:
    """T p_k - y_k = ((T - y_k) e_k - y_k C_k) / S; one product is an exact zero for one-hot y."""
    y = s.row.label(e)
    if s.row.uniform:  # no label is all of T
        return s.row.kept(e).times(e.weighted(s.mass * s.inverse)) - e.weighted(y)
    inverse = e.weighted(s.inverse)
    towards = s.row.kept(e).times((s.mass - y) * inverse)
    return towards - s.complement(e).times(y * inverse)


def xent_hess(s: Softmax, e: Element) -> Number:
    """T p_k (1 - p_k)."""
    return spread(s, e, e.weighted(s.mass))


def logsumexp(s: Softmax) -> Number:
    """log sum_k exp(z_k) = m + log1p(A); it cancels near 0."""
    if isinstance(s.beyond, Pair):
        small = s.rest.exponent
        log = log1p_full(s.beyond)
        tail = log if small is None else pair.where(small < 0.0, s.rest.value, log)
        return as_pair(s.m) + tail
    return s.row.limit(s.m, s.m + log1p(s.beyond))


def logsumexp_clear(s: Softmax, log: Number) -> Mask:
    """Whether at most half of the larger term has been lost."""
    return ~(lanes.size(pair.high(log)) < 0.5 * lanes.size(s.m))


def logsumexp_near(s: Sums) -> Near:
    """log sum_k exp(z_k), whose two terms may cancel in `logsumexp`."""
    return Near(s.log, 1.0, 2.0 * LARGEST)


def variance(s: Softmax, e: Element) -> Number:
    """p_k (1 - p_k), the second derivative of logsumexp."""
    return spread(s, e, e.factor)
