"""Formulas of a row of logits: softmax and its logarithm, logsumexp and softmax cross-entropy.

With m the largest logit and e_k = exp(z_k - m), everything is written with a sum A that leaves one class out, so
that no near-equal numbers are subtracted and the tail of a confident row is kept. For a class index that class is
the target t: L = log1p(A) where t leads, else log(A + e_t) + (m - z_t), and the gradient at t is -A/(A + e_t).
Otherwise it is the first of the largest: S = 1 + A, log S = log1p(A), and 1 - p_k is C_k / S with C_k = S - e_k.
"""

from __future__ import annotations

from . import lanes, pair
from .element import Element, Row
from .elementary import Small, exp, log1p, log1p_full
from .lanes import Lane, Mask
from .near import LARGEST, Near, Sums
from .pair import Number, Pair, as_pair, is_zero


class Softmax:
    """One row after its passes.

    m: largest logit. out: the class that `rest`, the sum A, leaves out. total: S, the sum of all e_k.
    beyond: S - 1. mass, linear: sum of y_k and of y_k (m - z_k)/2, where they were asked for.
    """

    m: Lane
    out: Lane
    rest: Small
    total: Number
    beyond: Number
    inverse: Number
    mass: Number
    linear: Number

    def __init__(self, row: Row, *, target: bool = False, mass: bool = False, linear: bool = False) -> None:
        """Reduce the row; target: leave out its class index, which must not be None then."""
        self.row, self.target = row, target
        self.m = row.maximum()
        self.out = row.index if target else row.first(self.m)
        others = []
        if mass:
            others.append(row.label)
        if linear:
            others.append(self._linear)
        self.rest, sums = row.small_total(self._exp, *others, skip=self.out, keep=True)
        self.mass = sums[0] if mass else 1.0
        self.linear = sums[-1] if linear else 0.0
        self.beyond = self.rest.value
        self.total = self.beyond + 1.0
        if target:
            z = row.pick(self.out)
            away = exp(row.gap(z, self.m), full=row.cancels).coarse
            # Where the target leads, e_t is 1, and NaN in a row without a limit.
            self.total = self.beyond + away
            self.beyond = pair.where(z == self.m, self.beyond, (self.beyond - 1.0) + away)
        self.inverse = 1.0 / self.total

    def _exp(self, e: Element) -> Small:
        return exp(self.row.gap(e.z, self.m), full=self.row.cancels)

    def _linear(self, e: Element) -> Number:
        # Half of the gap: m - z_k may overflow where y_k (m - z_k) does not.
        y = self.row.label(e)
        return pair.where(is_zero(y), 0.0, y * -self.row.gap(0.5 * e.z, 0.5 * self.m))

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
    return Softmax(row, mass=True, linear=True)


def plain(row: Row) -> Softmax:
    """Reduce a row without labels, once for all that is made of it."""
    s: Softmax = row.once("softmax", lambda: Softmax(row))
    return s


class Shares:
    """A row with the sum of all e_k, for values that need no complement."""

    def __init__(self, row: Row) -> None:
        """Reduce the row."""
        self.row, self.m = row, row.maximum()
        total, _ = row.small_total(lambda e: exp(row.gap(e.z, self.m), full=row.cancels), keep=True)
        self.inverse: Number = 1.0 / total.value


def share(s: Shares, e: Element) -> Number:
    """p_k = e_k / S."""
    return s.row.kept(e).times(e.weighted(s.inverse))


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
    return s.linear * 2.0 + log


def xent_near(s: Sums) -> Near:
    """T log sum_k exp(z_k) - sum_k y_k z_k."""
    product = s.mass * s.log
    return Near(product - s.linear, s.mass, lanes.size(product) + s.mass * LARGEST)


def xent_grad(s: Softmax, e: Element) -> Number:
    """T p_k - y_k = ((T - y_k) e_k - y_k C_k) / S; one product is an exact zero for one-hot y."""
    y = s.row.label(e)
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


def softmax(s: Softmax, e: Element) -> Number:
    """p_k = e_k / S."""
    return s.row.kept(e).times(e.weighted(s.inverse))


def variance(s: Softmax, e: Element) -> Number:
    """p_k (1 - p_k), the second derivative of logsumexp."""
    return spread(s, e, e.factor)


def log_softmax(s: Softmax, e: Element) -> Number:
    """log p_k = (z_k - m) - log S; both terms <= 0."""
    return s.row.gap(e.z, s.m) - s.log_total()


class Lead:
    """Component 0 of a softmax, which derivatives of vector-valued forms are taken of: p_0 and 1 - p_0."""

    def __init__(self, row: Row) -> None:
        """Reduce the row, then look at its first element."""
        self.s = plain(row)
        first = row.element(0)
        self.p: Small = Small(row.kept(first).digits * self.s.inverse, row.kept(first).exponent)
        c = self.s.complement(first)
        self.rest: Small = Small(c.digits * self.s.inverse, c.exponent)


def _times(a: Small, b: Small, factor: Number | None) -> Number:
    digits = a.digits * b.digits
    if factor is not None:
        digits = digits * factor
    return digits if a.exponent is None else Small(digits, a.exponent + b.exponent).value


def _p(lead: Lead, e: Element) -> Small:
    kept = lead.s.row.kept(e)
    return Small(kept.digits * lead.s.inverse, kept.exponent)


def softmax_grad(lead: Lead, e: Element) -> Number:
    """dp_0/dz_k = p_0 (1 - p_0) for k = 0, else -p_0 p_k; a dropped class gets +0."""
    own = _times(lead.p, lead.rest, e.factor)
    return pair.where(e.at(0.0), own, 0.0 - _times(lead.p, _p(lead, e), e.factor))


def softmax_hess(lead: Lead, e: Element) -> Number:
    """d2p_0/dz_k2 = p_0 (1-p_0) (1-2p_0) for k = 0, else -p_0 p_k (1-2p_k)."""
    skew = (lead.s.complement(e).value - lead.s.row.kept(e).value) * lead.s.inverse
    skew = e.weighted(skew)
    return pair.where(e.at(0.0), _times(lead.p, lead.rest, skew), 0.0 - _times(lead.p, _p(lead, e), skew))


def log_softmax_grad(lead: Lead, e: Element) -> Number:
    """d(log p_0)/dz_k = 1 - p_0 for k = 0, else -p_k; a dropped class gets +0."""
    one = e.weighted(1.0)
    return pair.where(e.at(0.0), lead.rest.times(one), 0.0 - _p(lead, e).times(one))


def log_softmax_hess(lead: Lead, e: Element) -> Number:
    """d2(log p_0)/dz_k2 = -p_k (1 - p_k)."""
    return 0.0 - spread(lead.s, e, e.factor)


class Cotangent:
    """A row with a cotangent v a component, for products with the Jacobian of the softmax."""

    def __init__(self, row: Row) -> None:
        """Reduce the row, and sum w_j e_j with w = v - v_a: with a zero at the largest class a, the sum holds
        tail terms only, and shifting v changes nothing."""
        self.s = Softmax(row)
        self.origin = row.label_at(self.s.out)
        (self.sum,) = row.totals(lambda e: row.kept(e).value * self.weight(e))

    def weight(self, e: Element) -> Number:
        """w_k."""
        return self.s.row.label(e) - self.origin


def softmax_vjp(v: Cotangent, e: Element) -> Number:
    """sum_j v_j dp_j/dz_k = p_k (w_k - sum_j w_j p_j)."""
    return v.s.probability(e, e.weighted(v.weight(e) - v.sum * v.s.inverse))


def log_softmax_vjp(s: Softmax, e: Element) -> Number:
    """sum_j v_j d(log p_j)/dz_k = v_k - p_k sum_j v_j: minus the gradient of `xent` with labels v."""
    return 0.0 - xent_grad(s, e)
