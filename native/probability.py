"""Formulas that take probabilities as given: cross-entropy of distributions, or of one probability.

Adding +0 turns -0 into +0, the probability that is meant: without it -y/q would change its sign at a true zero.
What is outside of the domain is NaN: a logarithm has no limit there.
"""

from __future__ import annotations

import numpy as np

from . import lanes, pair
from .element import Element, Row
from .elementary import log, log1p, log_beside
from .lanes import Lane, Mask, where
from .pair import Number, exact_sum, is_zero

#: 1/p^2 of a p above it is finite, also times a factor below the other
_LEAST, _MOST = 2.0**-400, 2.0**100


def probability(e: Element) -> Lane:
    """The element as q >= 0, else NaN."""
    return e.once("q", lambda: where(e.z < 0.0, np.nan, e.z + 0.0))


def unit_probability(e: Element) -> Lane:
    """The element as p in [0, 1], else NaN."""
    return e.once("p", lambda: where((e.z < 0.0) | (e.z > 1.0), np.nan, e.z + 0.0))


def select(weight: Number, q: Lane, term: Number) -> Number:
    """0 where the weight is 0 and q is a number, even if the term is infinite there; else the term."""
    return pair.where(is_zero(weight) & (q == q), 0.0, term)


def _other(e: Element) -> Number:
    """1 - p."""
    p = unit_probability(e)
    return exact_sum(1.0, -p) if e.wide else 1.0 - p


def bce(e: Element) -> Number:
    """-(a log p + b log(1-p)), 0 log 0 = 0; both terms >= 0."""
    p = unit_probability(e)
    a, b = e.weights
    hit = select(a, p, log(p, -a, wide=e.wide))
    miss = select(b, p, log1p(e.number(-p), -b))
    return hit + miss + 0.0


def bce_grad(e: Element) -> Number:
    """b/(1-p) - a/p; one term is an exact zero for y in {0, 1}, and the other the limit at p = y."""
    p = unit_probability(e)
    a, b = e.weights
    return select(b, p, e.weighted(b) / _other(e)) - select(a, p, e.weighted(a) / e.number(p))


def bce_hess(e: Element) -> Number:
    """a/p^2 + b/(1-p)^2; both terms >= 0. Divided twice: p^2 may be subnormal where 1/p^2 is finite."""
    p, other = e.number(unit_probability(e)), _other(e)
    a, b = e.weights
    hit = select(a, pair.high(p), e.weighted(a) / p / p)
    return hit + select(b, pair.high(p), e.weighted(b) / other / other)


class Hard:
    """One probability with a label 0 or 1: all is of c, what the label has, which is p or 1 - p."""

    def __init__(self, e: Element) -> None:
        """Select it."""
        p = unit_probability(e)
        self.hit = e.label > 0.5
        #: where that is right, and no result is infinite
        self.good: Mask = (e.label * e.label == e.label) & (p > _LEAST) & (p < 1.0)
        if e.factor is not None:
            size = lanes.size(pair.high(e.factor))
            self.good = self.good & (size > _LEAST) & (size < _MOST)
        self.one = e.weighted(1.0)
        self.chance: Number = pair.where(self.hit, e.number(p), _other(e))
        self.less: Number = e.number(where(self.hit, p - 1.0, -p))

    def quantity(self, q: str) -> Number:
        """Return -log c, or 1/c with its sign, or 1/c^2."""
        if q == "value":
            return -log_beside(self.chance, self.less, normal=True) + 0.0
        inverse = self.one / self.chance
        return pair.where(self.hit, -inverse, inverse) if q == "grad" else inverse / self.chance


def xent(row: Row) -> Number:
    """-sum_k y_k log q_k."""

    def term(e: Element) -> Number:
        y = row.label(e)
        return select(y, probability(e), log(probability(e), y, wide=row.wide))

    return 0.0 - row.totals(term)[0]


def xent_grad(row: Row, e: Element) -> Number:
    """-y_k / q_k, free partials."""
    y, q = row.label(e), probability(e)
    return 0.0 - select(y, q, e.weighted(y) / e.number(q))


def xent_hess(row: Row, e: Element) -> Number:
    """y_k / q_k^2."""
    y, q = row.label(e), e.number(probability(e))
    return select(y, pair.high(q), e.weighted(y) / q / q)


def nothing(e: Element) -> Number:
    """0, which only lets NaN and what is no probability through."""
    return e.number(where(e.z >= 0.0, 0.0, np.nan))


class Picked:
    """A row of probabilities with a class index t: q_t."""

    def __init__(self, row: Row) -> None:
        """Pick it."""
        self.row, self.target = row, row.index
        self.q = picked(row, row.index)


def picked(row: Row, index: Lane) -> Lane:
    """The probability at an index."""
    return probability(Element(row.pick(index), wide=row.wide))


def xent_index(s: Picked) -> Number:
    """-log q_t; the row is only looked through for what is not a probability."""
    return (s.row.positive() - log(s.q, wide=s.row.wide)) + 0.0


def xent_index_grad(s: Picked, e: Element) -> Number:
    """-1 / q_t at the target."""
    return pair.where(e.at(s.target), 0.0 - e.weighted(1.0) / e.number(s.q), nothing(e))


def xent_index_hess(s: Picked, e: Element) -> Number:
    """1 / q_t^2 at the target."""
    return pair.where(e.at(s.target), e.weighted(1.0) / e.number(s.q) / e.number(s.q), nothing(e))


def mass(rest: Number, q: Lane) -> Number:
    """The sum of a mass and the rest of its row; masses that are all 0 have no distribution."""
    total = rest + q
    return pair.where(pair.high(total) == 0.0, np.nan, total)


def share_loss(total: Number, q: Lane, ratio: Number, y: Number | None = None, *, wide: bool) -> Number:
    """y log(total / q) = y log(1 + ratio), ratio = (total - q) / q.

    q among the subnormals: the ratio overflows, its logarithm does not.
    """
    far = log(pair.rounded(total), y, wide=wide) - log(q, y, wide=wide)
    return pair.where(pair.high(ratio) < 2.0**900, log1p(ratio, y), far)


class Normalized:
    """A row of masses q: Q = sum_k q_k, T = sum_k y_k, and Q - q_k without cancellation."""

    def __init__(self, row: Row) -> None:
        """Reduce the row: the rest of the largest q is summed, the others are at least Q/2."""
        self.row = row
        self.top = row.first(row.maximum())
        self.beside, self.mass = row.totals(lambda e: row.number(probability(e)), row.label, skip=self.top)
        self.total = mass(self.beside, picked(row, self.top))

    def rest(self, e: Element) -> Number:
        """Q - q_k."""
        return pair.where(e.at(self.top), self.beside, self.total - probability(e))


def normalized(s: Normalized) -> Number:
    """sum_k y_k log(Q / q_k), all terms >= 0."""

    def term(e: Element) -> Number:
        y, q = s.row.label(e), probability(e)
        loss = share_loss(s.total, q, s.rest(e) / e.number(q), y, wide=s.row.wide)
        return select(y, pair.high(s.total), loss)

    return s.row.totals(term)[0]


def normalized_grad(s: Normalized, e: Element) -> Number:
    """T/Q - y_k/q_k = ((T - y_k) - y_k rest_k/q_k) / Q."""
    y, q = s.row.label(e), e.number(probability(e))
    away = select(y, pair.high(s.total), y * (s.rest(e) / q))
    return e.weighted((s.mass - y) - away) / s.total


def normalized_hess(s: Normalized, e: Element) -> Number:
    """y_k/q_k^2 - T/Q^2 = (y_k r (2 + r) - (T - y_k)) / Q^2 with r = rest_k/q_k."""
    y, q = s.row.label(e), e.number(probability(e))
    ratio = s.rest(e) / q
    away = select(y, pair.high(s.total), y * (ratio * (ratio + 2.0)))
    return e.weighted(away - (s.mass - y)) / s.total / s.total


class Hit:
    """A row of masses with a class index t: A, the sum of all but q_t, and Q = A + q_t."""

    def __init__(self, row: Row) -> None:
        """Reduce the row."""
        self.row, self.target = row, row.index
        (rest,) = row.totals(lambda e: row.number(probability(e)), skip=row.index)
        self.q = picked(row, row.index)
        self.total = mass(rest, self.q)
        self.ratio: Number = rest / row.number(self.q)


def hit(s: Hit) -> Number:
    """log(Q / q_t)."""
    return share_loss(s.total, s.q, s.ratio, wide=s.row.wide)


def hit_grad(s: Hit, e: Element) -> Number:
    """1/Q, and -(A / q_t) / Q at the target."""
    own, other = (e.weighted(x) / s.total for x in (-s.ratio, 1.0))
    return pair.where(e.at(s.target), own, other)


def hit_hess(s: Hit, e: Element) -> Number:
    """-1/Q^2, and r (2 + r) / Q^2 with r = A / q_t at the target."""
    own, other = (e.weighted(x) / s.total / s.total for x in (s.ratio * (s.ratio + 2.0), -1.0))
    return pair.where(e.at(s.target), own, other)
