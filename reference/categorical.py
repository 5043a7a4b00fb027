"""Forms of K logits: the softmax, its logarithm, and cross-entropy on it.

Everything is written in e_k = exp(z_k - z_top) <= 1 with exact differences. The n classes at the largest logit
give exact fractions, and the sum S over the others stands apart, so that no tail is lost beside them.
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
    """One row of logits against its largest: exact gaps z_top - z_k, e_k = exp(-gap_k), how many classes are at
    the largest, and the sum S of e_k over the others, so that sum e_k = n + S."""

    gaps: list[Mpf]
    exps: list[Mpf]
    count: int
    rest: Mpf

    def leads(self, k: int) -> bool:
        """Whether class k is at the largest."""
        return bool(self.gaps[k] == 0)

    @property
    def scale(self) -> Mpf:
        """Sum of all e_k, at least 1."""
        return self.count + self.rest

    @property
    def drop(self) -> Mpf:
        """1/n - p of a leading class, times n: S / (n + S)."""
        return self.rest / self.scale

    def log(self, mp: Context) -> Mpf:
        """log sum e_k."""
        return mp.log1p(self.rest) if self.count == 1 else mp.log(self.scale)


def row_of(mp: Context, z: list[Mpf]) -> Row | None:
    """The row, or None where softmax has no limit: a NaN, two +inf, or no class left."""
    if any(mp.isnan(x) for x in z):
        return None
    top = max(z)
    if top == mp.ninf or (top == mp.inf and sum(x == mp.inf for x in z) > 1):
        return None
    gaps = [ZERO if x == top else sub(mp, top, x) for x in z]
    exps = [ONE if gap == 0 else mp.exp(mp.fneg(gap, exact=True)) for gap in gaps]
    leading = sum(gap == 0 for gap in gaps)
    return Row(gaps, exps, leading, mp.fsum(e for e, gap in zip(exps, gaps, strict=True) if gap != 0))


def _nan(mp: Context, y: list[Mpf]) -> bool:
    return any(mp.isnan(x) for x in y)


def _over(mp: Context, head: Mpf, terms: list[Mpf], den: int) -> Real:
    """(head + sum of terms) / den, head exact."""
    return Real(head, mp.fsum(terms), mp.mpf(den), mp.fsum(abs(term) for term in terms))


def _xent_value(mp: Context, z: list[Mpf], y: list[Mpf]) -> Real:
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return NAN
    linear = add(mp, (times(mp, weight, gap) for weight, gap in zip(y, row.gaps, strict=True)))
    return split(linear, add(mp, y) * row.log(mp))


def _times_p(mp: Context, row: Row, mass: Mpf, labels: list[Mpf]) -> list[Real]:
    """T p_k - a_k: (T - n a_k - T S/(n + S)) / n for a leading class, else T e_k/(n + S) - a_k."""
    n, parts = row.count, []
    for k, label in enumerate(labels):
        if row.leads(k):
            head = sub(mp, mass, mp.fmul(n, label, exact=True))
            parts.append(_over(mp, head, [-mass * row.drop], n))
        else:
            parts.append(split(mp.fneg(label, exact=True), mass * row.exps[k] / row.scale))
    return parts


def _xent_grad(mp: Context, z: list[Mpf], y: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return [NAN] * len(z)
    return _times_p(mp, row, add(mp, y), y)


def _curve(mp: Context, row: Row, mass: Mpf, k: int) -> Real:
    """T p_k (1 - p_k); with d = n/n - n p of a leading class it is T (n - 1 - (n - 2) d - d^2) / n^2."""
    n = row.count
    if row.leads(k) and n > 1:
        head = mp.fmul(n - 1, mass, exact=True)
        return _over(mp, head, [-mass * (n - 2) * row.drop, -mass * row.drop**2], n * n)
    others = row.rest if row.leads(k) else n + (row.rest - row.exps[k])
    return about(mass * row.exps[k] * others / row.scale**2)


def _xent_hess(mp: Context, z: list[Mpf], y: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return [NAN] * len(z)
    mass = add(mp, y)
    return [_curve(mp, row, mass, k) for k in range(len(z))]


def _xent_hvp(mp: Context, z: list[Mpf], y: list[Mpf], v: list[Mpf]) -> list[Real]:
    """T p_k sum_j p_j (v_k - v_j): the differences are exact, and those of equal logits are added exactly.

    A + F with A over the leading classes: T (A + F)/(n + S)^2 = T (A + (n (n F - 2 A S) - A S^2)/(n + S)^2)/n^2. For
    each set of m equal logits n F - 2 A S holds n sum (v_k - v_j) - 2 A m, which may vanish and is taken exactly.
    """
    row = row_of(mp, z)
    if row is None or _nan(mp, y):
        return [NAN] * len(z)
    mass, n = add(mp, y), row.count
    groups: dict[Mpf, list[int]] = {}
    for k, gap in enumerate(row.gaps):
        groups.setdefault(gap, []).append(k)
    leading = groups.pop(ZERO)
    parts = []
    for k, mine in enumerate(v):
        head = add(mp, (sub(mp, mine, v[j]) for j in leading))
        sums = [(js, add(mp, (sub(mp, mine, v[j]) for j in js))) for js in groups.values()]
        factor = mass / row.scale**2
        if row.leads(k):
            turns = [
                row.exps[js[0]] * sub(mp, mp.fmul(n, felt, exact=True), mp.fmul(2 * len(js), head, exact=True))
                for js, felt in sums
            ]
            terms = [-factor * head * row.rest**2, *(factor * n * turn for turn in turns)]
            parts.append(_over(mp, mp.fmul(mass, head, exact=True), terms, n * n))
        else:
            terms = [head, *(row.exps[js[0]] * felt for js, felt in sums)]
            parts.append(_over(mp, ZERO, [factor * row.exps[k] * term for term in terms], 1))
    return parts


def _lse_value(mp: Context, z: list[Mpf]) -> Real:
    if any(mp.isnan(x) for x in z):
        return NAN
    row = row_of(mp, z)
    largest = max(z)
    return exactly(largest) if row is None else split(largest, row.log(mp))


def _probabilities(mp: Context, z: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    return [NAN] * len(z) if row is None else _times_p(mp, row, ONE, [ZERO] * len(z))


def _lse_hess(mp: Context, z: list[Mpf]) -> list[Real]:
    return _xent_hess(mp, z, [ONE] + [ZERO] * (len(z) - 1))


def _log_softmax_value(mp: Context, z: list[Mpf]) -> list[Real]:
    row = row_of(mp, z)
    if row is None:
        return [NAN] * len(z)
    log = row.log(mp)
    return [split(mp.fneg(gap, exact=True), -log) for gap in row.gaps]


def _log_softmax_grad(mp: Context, z: list[Mpf]) -> list[Real]:
    return [negate(part) for part in _xent_grad(mp, z, [ONE] + [ZERO] * (len(z) - 1))]


def _log_softmax_hess(mp: Context, z: list[Mpf]) -> list[Real]:
    return [negate(part) for part in _lse_hess(mp, z)]


def _softmax_grad(mp: Context, z: list[Mpf]) -> list[Real]:
    """p_0 (1 - p_0), and -p_0 p_k, which is -(1 - d)^2 / n^2 for two leading classes."""
    row = row_of(mp, z)
    if row is None:
        return [NAN] * len(z)
    parts, d = [_curve(mp, row, ONE, 0)], row.drop
    for k in range(1, len(z)):
        if row.leads(0) and row.leads(k):
            parts.append(_over(mp, mp.fneg(ONE), [d * (2 - d)], row.count**2))
        else:
            parts.append(about(-row.exps[0] * row.exps[k] / row.scale**2))
    return parts


def _softmax_hess(mp: Context, z: list[Mpf]) -> list[Real]:
    """p_0 (1 - p_0)(1 - 2 p_0) and p_0 p_k (2 p_k - 1), expanded in d where p = (1 - d)/n of n > 1 leading ones."""
    row = row_of(mp, z)
    if row is None:
        return [NAN] * len(z)
    n, d, total = row.count, row.drop, row.scale
    parts = []
    for k, e in enumerate(row.exps):
        if n > 1 and row.leads(0) and row.leads(k):
            if k == 0:
                head, terms = (n - 1) * (n - 2), [-d * (n * n - 6 * n + 6), -3 * d**2 * (n - 2), -2 * d**3]
            else:
                head, terms = 2 - n, [d * (2 * n - 6), d**2 * (6 - n), -2 * d**3]
            parts.append(_over(mp, mp.mpf(head), terms, n**3))
        elif k == 0:
            others = row.rest if row.leads(0) else n + (row.rest - e)
            common = e * others / total**3
            parts.append(about(common * (others - e), common * (others + e)))
        else:
            own, others = (2 - n, row.rest) if row.leads(k) else (e, n + (row.rest - e))
            common = row.exps[0] * e / total**3
            parts.append(about(common * (own - others), common * (abs(own) + others)))
    return parts


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
