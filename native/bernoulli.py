"""Formulas of K Bernoulli samples reduced to one (log-)likelihood.

With the margins m = (2y-1) z the likelihood is prod_i g(m_i). Its factors below 1/2 are one exp of a sum, and the
product of the others carries its exponent apart from its digits, so it underflows only where the true value does.
"""

from __future__ import annotations

from . import pair
from .binary import Odds, odds
from .element import Element, Row
from .elementary import Small, exp_apart, log1p_small
from .lanes import Lane, where
from .pair import Number

#: an exponent so far below those of float64 that all is 0
_LOWEST = -2200.0


def _sign(e: Element) -> Lane:
    return 2.0 * pair.rounded(e.label) - 1.0


def _right(e: Element) -> tuple[Odds, Lane]:
    """The odds of |z| = |m|, and where m >= 0. A NaN label makes its margin NaN, which is not >= 0."""
    return odds(e), _sign(e) * e.z >= 0.0


def _miss(e: Element) -> Small:
    """g(-m): u/(1+u) for m >= 0, else 1/(1+u)."""
    s, right = _right(e)
    digits = pair.where(right, s.u.digits * s.inverse, s.inverse) + 0.0 * _sign(e)
    return Small(digits, None if s.u.exponent is None else where(right, s.u.exponent, 0.0))


def _line(e: Element) -> Number:
    """|m| where m < 0, else 0."""
    m = _sign(e) * e.z
    return where(m > 0.0, 0.0, -m)


class Likelihood:
    """The product of a row: with u = exp(-|m|) all g(m) are 1/(1 + u), times u where m < 0."""

    def __init__(self, row: Row) -> None:
        """Multiply over the row."""
        whole, (line,) = row.product(lambda e: odds(e).u.coarse + 1.0, _line)
        hits = exp_apart(-line)
        exponent = hits.exponent - whole.exponent  # type: ignore[operator]
        self.product = Small(hits.digits / whole.digits, where(exponent < _LOWEST, _LOWEST, exponent))


def likelihood(s: Likelihood) -> Number:
    """prod_i g(m_i)."""
    return s.product.value


def likelihood_grad(s: Likelihood, e: Element) -> Number:
    """dL/dz_i = L (y_i - g(z_i)) = (2y_i-1) L g(-m_i)."""
    miss = _miss(e)
    return _scaled(s.product, miss, e.weighted(_sign(e)))


def likelihood_hess(s: Likelihood, e: Element) -> Number:
    """d2L/dz_i2 = L g(-m_i) (1 - 2 g(m_i))."""
    o, right = _right(e)
    short = o.u.minus_one * o.inverse
    skew = pair.where(right, short, -short)
    return _scaled(s.product, _miss(e), e.weighted(skew))


def _scaled(product: Small, miss: Small, factor: Number) -> Number:
    digits = product.digits * (miss.digits * factor)
    exponent = product.exponent if miss.exponent is None else product.exponent + miss.exponent
    return Small(digits, exponent).value


def log_likelihood(row: Row) -> Number:
    """sum_i log g(m_i), all terms <= 0; subtracted from +0 so that certainty gives +0."""

    tail, (rest,) = row.small_total(lambda e: log1p_small(odds(e).u), _line)
    return 0.0 - (tail.value + rest)


def log_likelihood_grad(row: Row, e: Element) -> Number:
    """y_i - g(z_i) = (2y_i-1) g(-m_i)."""
    miss = _miss(e)
    return miss.times(e.weighted(_sign(e)))


def log_likelihood_hess(row: Row, e: Element) -> Number:
    """-g'(z_i)."""
    s = odds(e)
    return -s.u.times(e.weighted(s.inverse * s.inverse)) + 0.0 * _sign(e)
