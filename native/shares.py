"""Formulas of forms with a value a class: the softmax and its logarithm, of `categorical`'s reduced row."""

from __future__ import annotations

from . import lanes, pair
from .categorical import Softmax, plain, spread, xent_grad
from .element import Element, Row
from .elementary import Small
from .lanes import Lane
from .pair import Number, Pair

#: a number that is not smaller beside another keeps 76 bits in the pair that is their sum
_BESIDE = 2.0**-30


class Shares:
    """A row with the sum of all e_k, for values that need no complement."""

    def __init__(self, row: Row) -> None:
        """Reduce the row."""
        self.row, self.m = row, row.maximum()
        total, _ = row.small_total(lambda e: row.exp(e.z, self.m), keep=True)
        self.inverse: Number = 1.0 / total.value


def softmax(s: Softmax | Shares, e: Element) -> Number:
    """p_k = e_k / S."""
    return s.row.kept(e).times(e.weighted(s.inverse))


class LogShares:
    """A row with the logarithm of the sum of all e_k; both: that logarithm and the largest logit in one number."""

    def __init__(self, row: Row) -> None:
        """Reduce the row."""
        s = plain(row)
        self.row, self.m, self.log = row, s.m, s.log_total()
        self.both: Number = self.log + self.m


def log_softmax(s: LogShares, e: Element) -> Number:
    """log p_k = (z_k - m) - log S; both terms <= 0. Where log S is not small beside m, it is z_k - (m + log S)."""
    log, both = s.log, s.both
    if not isinstance(log, Pair):
        return s.row.gap(e.z, s.m) - log

    small = ~(log.high >= lanes.size(s.m) * _BESIDE)

    def together() -> tuple[Lane, Lane]:
        x = pair.gap(e.z, both.high)
        return x.high, x.low - both.low

    def apart() -> tuple[Lane, Lane]:
        # Of rows side by side each gets what it would get alone.
        x = pair.where(small, s.row.gap(e.z, s.m) - log, Pair(*together()))
        return x.high, x.low

    return Pair(*lanes.rarely(small, apart, together))


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
