"""Forms of K logits: the softmax, its logarithm, and cross-entropy on it.

Everything is written in e_k = exp(z_k - z_top) <= 1 with exact differences, and the sum over the classes
other than the largest stands apart, so that 1 - p_top and log p_top keep their tails.
"""

from __future__ import annotations

from dataclasses import dataclass

from lossbench.reference.form import LOGIT, Form
from lossbench.reference.real import (
    NAN,
    ONE,
    ZERO,
    Context,
    Mpf,
    Real,
    about,
    add,
    exactly,
    negate,
    split,
    sub,
    times,
)
from lossbench.reference.targets import distribution


@dataclass(frozen=True, slots=True)
class Row:
    """One row of logits: index of the largest, exact gaps z_top - z_k, e_k, and the sum of e_k over k != top."""

    top: int
    gaps: list[Mpf]
    exps: list[Mpf]
    rest: Mpf

    @property
    def scale(self) -> Mpf:
        """Sum of all e_k, at least 1."""
        return 1 + self.rest

    def probability(self, k: int) -> Real:
        """p_k, with the largest as 1 - rest/(1 + rest)."""
        if k == self.top:
            return split(ONE, -self.rest / self.scale)
        return about(self.exps[k] / self.scale)

    def complement(self, k: int) -> Mpf:
        """1 - p_k to working precision, as a sum of positive terms."""
        if k == self.top:
            return self.rest / self.scale
        return (1 + (self.rest - self.exps[k])) / self.scale


def row_of(mp: Context, z: list[Mpf]) -> Row | None:
    """The row, or None where softmax has no limit: a NaN, two +inf, or no class left."""
    if any(mp.isnan(x) for x in z):
        return None
    top = max(range(len(z)), key=lambda k: z[k])
    if z[top] == mp.ninf or (z[top] == mp.inf and sum(x == mp.inf for x in z) > 1):
        return None
    gaps = [ZERO if k == top else sub(mp, z[top], x) for k, x in enumerate(z)]
    exps = [mp.exp(mp.fneg(gap, exact=True)) for gap in gaps]
    return Row(top, gaps, exps, mp.fsum(e for k, e in enumerate(exps) if k != top))


def _nan(mp: Context, y: list[Mpf]) -> bool:
    return any(mp.isnan(x) for x in y)


def _xent_value(mp: Context, z: list[Mpf], y: list[Mpf]) -> Real:
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return NAN
    linear = add(mp, (times(mp, weight, gap) for weight, gap in zip(y, row.gaps, strict=True)))
    return split(linear, add(mp, y) * mp.log1p(row.rest))


def _xent_grad(mp: Context, z: list[Mpf], y: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return [NAN] * len(z)
    mass = add(mp, y)
    parts = []
    for k, label in enumerate(y):
        if k == row.top:
            parts.append(split(sub(mp, mass, label), -mass * row.complement(k)))
        else:
            parts.append(split(mp.fneg(label, exact=True), mass * row.exps[k] / row.scale))
    return parts


def _xent_hess(mp: Context, z: list[Mpf], y: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return [NAN] * len(z)
    mass = add(mp, y)
    return [about(mass * (row.exps[k] / row.scale) * row.complement(k)) for k in range(len(z))]


def _xent_hvp(mp: Context, z: list[Mpf], y: list[Mpf], v: list[Mpf]) -> list[Real]:
    """T p_k sum_j p_j (v_k - v_j): the differences are exact, and those of equal logits are added exactly."""
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return [NAN] * len(z)
    mass = add(mp, y)
    groups: dict[Mpf, list[int]] = {}
    for k, gap in enumerate(row.gaps):
        groups.setdefault(gap, []).append(k)
    parts = []
    for k, mine in enumerate(v):
        terms = [row.exps[js[0]] * add(mp, (sub(mp, mine, v[j]) for j in js)) for js in groups.values()]
        factor = mass * row.exps[k] / row.scale**2
        parts.append(about(factor * mp.fsum(terms), factor * mp.fsum(abs(term) for term in terms)))
    return parts


def _lse_value(mp: Context, z: list[Mpf]) -> Real:
    if any(mp.isnan(x) for x in z):
        return NAN
    row = row_of(mp, z)
    largest = max(z)
    return exactly(largest) if row is None else split(largest, mp.log1p(row.rest))


def _probabilities(mp: Context, z: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    return [NAN] * len(z) if row is None else [row.probability(k) for k in range(len(z))]


def _lse_hess(mp: Context, z: list[Mpf]) -> list[Real]:
    return _xent_hess(mp, z, [ONE] + [ZERO] * (len(z) - 1))


def _log_softmax_value(mp: Context, z: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None:
        return [NAN] * len(z)
    log = mp.log1p(row.rest)
    return [split(mp.fneg(gap, exact=True), -log) for gap in row.gaps]


def _log_softmax_grad(mp: Context, z: list[Mpf]) -> list[Real]:
    return [negate(part) for part in _xent_grad(mp, z, [ONE] + [ZERO] * (len(z) - 1))]


def _log_softmax_hess(mp: Context, z: list[Mpf]) -> list[Real]:
    return [negate(part) for part in _lse_hess(mp, z)]


def _softmax_grad(mp: Context, z: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None:
        return [NAN] * len(z)
    first = row.exps[0] / row.scale
    others = [about(-first * row.exps[k] / row.scale) for k in range(1, len(z))]
    return [about(first * row.complement(0)), *others]


def _softmax_hess(mp: Context, z: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None:
        return [NAN] * len(z)
    p = [e / row.scale for e in row.exps]
    q = row.complement(0)
    others = [about(p[0] * x * (2 * x - 1), p[0] * x) for x in p[1:]]
    return [about(p[0] * q * (q - p[0]), p[0] * q), *others]


SOFTMAX_XENT = Form(
    "softmax_xent", "z", LOGIT, ("index", "onehot", "soft"), _xent_value, _xent_grad, _xent_hess,
    """L = -sum_k y_k log softmax(z)_k; for one-hot labels -log softmax(z)_t.

    Domain: z real of length K; y an index, a one-hot row or a distribution. A distribution that does not
    sum to 1 is taken as it is, with T = sum_k y_k standing before the log-sum.
    Limits: a -inf class is dropped (gradient +0), as the target it gives +inf; one +inf class is certain;
    two +inf, or all -inf, give NaN; NaN anywhere gives NaN. y_k = 0 against an infinite term counts as 0.
    Condition: sum_k |z_k g_k| / L, large in the confident and right tail.
    Gradient: T softmax(z)_k - y_k, at the target of a one-hot label -sum_{j != t} p_j, never p_t - 1.
    Drops: nothing (the entropy of a soft label is not subtracted).
    See: `prob_xent` when the class probabilities are given; `sigmoid_bce` for two classes.

    >>> from lossbench.reference import exact
    >>> float(exact("softmax_xent", [1e8, 1e8], 0, dtype="float32").value)
    0.6931471824645996
    """,
    class_axis=True, coefficients=distribution, hvp=_xent_hvp,
    accepts=("weight", "label_smoothing", "smoothing", "ignore_index"),
)  # fmt: skip

LOGSUMEXP = Form(
    "logsumexp", "z", LOGIT, ("-",), _lse_value, _probabilities, _lse_hess,
    """logsumexp(z) = log sum_k exp(z_k).

    Domain: z real of length K. Limits: +inf if any class is +inf, -inf if all are -inf, NaN with a NaN.
    Condition: sum_k |z_k p_k| / |logsumexp(z)|, unbounded where the value passes through 0.
    Gradient: softmax(z). Drops: nothing. See: `log_softmax`.

    >>> from lossbench.reference import exact
    >>> float(exact("logsumexp", [1000.0, 1000.0], dtype="float64").value)
    1000.6931471805599
    """,
    class_axis=True, hvp=lambda mp, z, v: _xent_hvp(mp, z, [ONE] + [ZERO] * (len(z) - 1), v),
)  # fmt: skip

SOFTMAX = Form(
    "softmax", "z", LOGIT, ("-",), _probabilities, _softmax_grad, _softmax_hess,
    """p_k = exp(z_k) / sum_j exp(z_j).

    Domain: z real of length K. Limits: as in `softmax_xent`: -inf classes get 0, one +inf class 1.
    Condition: |z_k| (1 - p_k) and less. Gradient: of component 0, p_0 (1 - p_0) and -p_0 p_k.
    Drops: nothing. See: `log_softmax`, which does not underflow.

    >>> from lossbench.reference import exact
    >>> exact("softmax", [0.0, 1000.0], dtype="float64").value.tolist()
    [0.0, 1.0]
    """,
    class_axis=True, vector_value=True,
)  # fmt: skip

LOG_SOFTMAX = Form(
    "log_softmax", "z", LOGIT, ("-",), _log_softmax_value, _log_softmax_grad, _log_softmax_hess,
    """log p_k = z_k - log sum_j exp(z_j).

    Domain: z real of length K. Limits: as in `softmax_xent`; a -inf class gives -inf.
    Condition: sum_j |z_j (delta_jk - p_j)| / |log p_k|. Gradient: of component 0, delta_k0 - p_k.
    Drops: nothing. See: `softmax_xent`, which picks minus one component.

    >>> from lossbench.reference import exact
    >>> exact("log_softmax", [0.0, 1000.0], dtype="float64").value.tolist()
    [-1000.0, -0.0]
    """,
    class_axis=True, vector_value=True,
)  # fmt: skip
