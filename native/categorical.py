"""Formulas of a row of logits: softmax and its logarithm, logsumexp and softmax cross-entropy, in float64.

Rows have shape (n, K), the classes last. With m the largest logit and a its class, e_k = exp(z_k - m),
A = sum_{k != a} e_k and S = 1 + A, everything is written with A and with C_k = S - e_k (C_a = A): log S is
log1p(A), 1 - p_k is C_k / S, and neither subtracts near-equal numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .rounding import F64
from .total import over_classes

#: rows whose second logit lies this far below the first get their A from scaled exps. exp(-690) = 1e-300, so
#: in all other rows what single exps lose among the subnormals (5e-324) is below the last digit of A
_TAIL = -690.0
#: below this exp is zero, for any number of classes
_ZERO = -1500.0


class Rows(NamedTuple):
    """Rows of logits and what every formula needs of them; shapes (n, K), or (n, 1) for m and A."""

    z: F64
    m: F64  #: largest logit
    gap: F64  #: z_k - m, exactly 0 at the largest logit, be it infinite
    e: F64  #: exp(z_k - m)
    A: F64  #: sum of e over all classes but the first largest
    C: F64  #: S - e_k without cancellation
    S: F64  #: 1 + A


def rows(z: F64) -> Rows:
    """Return the state shared by value, gradient and second derivative.

    One +inf leads its row alone; -inf classes drop out (e = 0). Rows with NaN, with two +inf or with -inf
    only have no limit: everything but z and m is NaN there.
    """
    top = np.argmax(z, axis=-1, keepdims=True)
    m = np.take_along_axis(z, top, axis=-1)
    gap = np.where(z == m, 0.0, z - m)
    # z - m = gap + slip exactly (Knuth's two-sum): a rounding of gap at -700 is 200 ulps of its exp.
    back = gap - z
    slip = (z - (gap - back)) - (m + back)
    slip = np.where(np.isfinite(slip), slip, 0.0)
    undefined = np.isnan(m) | np.isneginf(m) | (np.isposinf(m) & ((z == m).sum(axis=-1, keepdims=True) > 1))
    gap = np.where(undefined, np.nan, gap)
    e = np.exp(gap)
    e = e + e * slip
    others = e.copy()
    np.put_along_axis(others, top, 0.0, axis=-1)
    A = over_classes(others, keep=True)
    _mend_tails(A, gap, slip, top)
    S = 1.0 + A
    C = S - e  # at least S/2 away from the largest class, since S >= 1 + e_k >= 2 e_k
    np.put_along_axis(C, top, A, axis=-1)
    return Rows(z, m, gap, e, A, C, S)


def _mend_tails(A: F64, gap: F64, slip: F64, top: npt.NDArray[np.intp]) -> None:
    """Recompute A in place from exps scaled by 2^1024 where single exps underflow but their sum need not."""
    behind = gap.copy()
    np.put_along_axis(behind, top, -np.inf, axis=-1)
    second = behind.max(axis=-1)
    tail = (second < _TAIL) & (second > _ZERO)
    if tail.any():
        # exp(gap) 2^1024 = (exp(gap/2) 2^512)^2: halving and the powers of two are exact.
        root = np.exp(0.5 * behind[tail]) * 2.0**512
        scaled = over_classes(root * root * (1.0 + slip[tail]), keep=True)
        A[tail] = np.ldexp(scaled, -1024)


def xent(r: Rows, y: F64) -> F64:
    """-sum_k y_k log softmax(z)_k = sum_k y_k (m - z_k) + T log1p(A), T = sum_k y_k; all terms >= 0."""
    terms = y * -r.gap
    far = np.isinf(r.gap) & np.isfinite(r.z) & np.isfinite(r.m)
    if far.any():  # m - z_k overflows where y_k (m - z_k) need not
        terms = np.where(far, 2.0 * y * (0.5 * r.m - 0.5 * r.z), terms)
    # Selected, not multiplied: y_k = 0 silences an infinite gap. NaN comes back with A and T.
    terms = np.where(y == 0, 0.0, terms)
    return over_classes(terms) + over_classes(y) * np.log1p(r.A[..., 0])


def xent_grad(r: Rows, y: F64) -> F64:
    """T p_k - y_k = ((T - y_k) e_k - y_k C_k) / S; one product is an exact zero for one-hot y."""
    return ((over_classes(y, keep=True) - y) * r.e - y * r.C) / r.S


def xent_hess(r: Rows, y: F64) -> F64:
    """T p_k (1 - p_k)."""
    return over_classes(y, keep=True) * (r.e / r.S) * (r.C / r.S)


def logsumexp(r: Rows) -> F64:
    """log sum_k exp(z_k) = m + log1p(A); an infinite m is the limit whatever the other classes are."""
    return np.where(np.isinf(r.m), r.m, r.m + np.log1p(r.A))[..., 0]


def softmax(r: Rows) -> F64:
    """p_k = e_k / S."""
    return r.e / r.S


def variance(r: Rows) -> F64:
    """p_k (1 - p_k), the second derivative of logsumexp."""
    return (r.e / r.S) * (r.C / r.S)


def softmax_grad(r: Rows) -> F64:
    """dp_0/dz_k = p_0 (1 - p_0) for k = 0, else -p_0 p_k; a dropped class gets +0."""
    lead = r.e[..., :1] / r.S
    g = 0.0 - lead * (r.e / r.S)
    g[..., :1] = lead * (r.C[..., :1] / r.S)
    return g


def softmax_hess(r: Rows) -> F64:
    """d2p_0/dz_k2 = p_0 (1-p_0) (1-2p_0) for k = 0, else -p_0 p_k (1-2p_k)."""
    lead = r.e[..., :1] / r.S
    skew = (r.C - r.e) / r.S
    h = 0.0 - lead * (r.e / r.S) * skew
    h[..., :1] = lead * (r.C[..., :1] / r.S) * skew[..., :1]
    return h


def softmax_vjp(r: Rows, v: F64) -> F64:
    """sum_j v_j dp_j/dz_k = p_k (w_k - sum_j w_j p_j) with w = v - v_a: shifting v changes nothing,
    and with a zero at the largest class the sum holds tail terms only."""
    p = r.e / r.S
    top = np.argmax(r.gap, axis=-1, keepdims=True)
    w = v - np.take_along_axis(v, top, axis=-1)
    return p * (w - over_classes(w * p, keep=True))


def log_softmax(r: Rows) -> F64:
    """log p_k = (z_k - m) - log1p(A); both terms <= 0."""
    return r.gap - np.log1p(r.A)


def log_softmax_grad(r: Rows) -> F64:
    """d(log p_0)/dz_k = 1 - p_0 for k = 0, else -p_k; a dropped class gets +0."""
    g = 0.0 - r.e / r.S
    g[..., :1] = r.C[..., :1] / r.S
    return g


def log_softmax_hess(r: Rows) -> F64:
    """d2(log p_0)/dz_k2 = -p_k (1 - p_k)."""
    return 0.0 - variance(r)


def log_softmax_vjp(r: Rows, v: F64) -> F64:
    """sum_j v_j d(log p_j)/dz_k = v_k - p_k sum_j v_j: minus the gradient of `xent` with labels v."""
    return 0.0 - xent_grad(r, v)
