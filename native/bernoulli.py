"""Formulas of K Bernoulli samples reduced to one (log-)likelihood, in float64.

z and y have shape (n, K), y in {0,1}; values have shape (n,), derivatives (n, K). With the margins
m = (2y-1) z the likelihood is prod_i g(m_i): each factor keeps its tail, and the product carries its
exponent apart from its digits, so it underflows only where the true value does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import binary
from .rounding import F64
from .total import over_classes

#: factors multiplied before the exponent is taken out again: 512 mantissas in [1/2, 1) stay above 2^-512
_RUN = 512
#: a product this small is zero in every dtype; clipping keeps the sum of exponents inside ldexp's 32 bits
_EXPONENT_LIMIT = 1_000_000


class Product(NamedTuple):
    """digits * 2^exponent with digits in [1/2, 1), or 0, or NaN; both of shape (n, 1)."""

    digits: F64
    exponent: npt.NDArray[np.intc]


def _product(factors: F64) -> Product:
    """Multiply over the last axis without underflow."""
    digits, exponents = np.frexp(factors)
    total = exponents.sum(axis=-1, keepdims=True, dtype=np.int64)
    while digits.shape[-1] > 1:
        starts = np.arange(0, digits.shape[-1], _RUN)
        digits, exponents = np.frexp(np.multiply.reduceat(digits, starts, axis=-1))
        total += exponents.sum(axis=-1, keepdims=True, dtype=np.int64)
    return Product(digits, np.clip(total, -_EXPONENT_LIMIT, _EXPONENT_LIMIT).astype(np.intc))


def _margins(s: binary.Odds, y: F64) -> binary.Odds:
    """The odds of m = (2y-1) z; exp(-|m|) = exp(-|z|). A NaN label makes its margin NaN."""
    m = (2.0 * y - 1.0) * s.z
    return binary.Odds(m, np.where(np.isnan(m), np.nan, s.u))


def likelihood(s: binary.Odds, y: F64) -> F64:
    """prod_i g(m_i)."""
    digits, exponent = _product(binary.sigmoid(_margins(s, y)))
    return np.ldexp(digits, exponent)[..., 0]


def likelihood_grad(s: binary.Odds, y: F64) -> F64:
    """dL/dz_i = L (y_i - g(z_i)) = (2y_i-1) L g(-m_i)."""
    m = _margins(s, y)
    digits, exponent = _product(binary.sigmoid(m))
    return (2.0 * y - 1.0) * np.ldexp(digits * binary.complement(m), exponent)


def likelihood_hess(s: binary.Odds, y: F64) -> F64:
    """d2L/dz_i2 = L g(-m_i) (1 - 2 g(m_i))."""
    m = _margins(s, y)
    digits, exponent = _product(binary.sigmoid(m))
    return np.ldexp(digits * binary.complement(m) * binary.skew(m), exponent)


def log_likelihood(s: binary.Odds, y: F64) -> F64:
    """sum_i log g(m_i), all terms <= 0; subtracted from +0 so that certainty gives +0."""
    m = _margins(s, y)
    return 0.0 - over_classes(np.log1p(m.u) + np.maximum(-m.z, 0.0))


def log_likelihood_grad(s: binary.Odds, y: F64) -> F64:
    """y_i - g(z_i) = (2y_i-1) g(-m_i)."""
    return (2.0 * y - 1.0) * binary.complement(_margins(s, y))


def log_likelihood_hess(s: binary.Odds, y: F64) -> F64:
    """-g'(z_i)."""
    return -binary.slope(_margins(s, y))
