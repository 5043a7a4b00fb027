"""Forms of probabilities that are taken as given: nothing is known of the logits behind them."""

from __future__ import annotations

from lossbench.reference.form import SIMPLEX, UNIT, Form
from lossbench.reference.real import NAN, ONE, ZERO, Context, Mpf, Real, about, add, exactly, sub, times
from lossbench.reference.targets import Pair, binary, distribution


def _minus_log(mp: Context, weight: Mpf, probability: Mpf) -> Mpf:
    """weight * -log(probability) with 0 log 0 = 0."""
    return ZERO if weight == 0 else -weight * mp.log(probability)


def _quotient(mp: Context, numerator: Mpf, denominator: Mpf) -> Real:
    """numerator / denominator for a denominator >= 0; over zero it is the infinity of the numerator's sign."""
    if _invalid(mp, numerator, denominator):
        return NAN
    if numerator == 0:
        return exactly(ZERO)
    if denominator == 0:
        return exactly(mp.inf if numerator > 0 else mp.ninf)
    return exactly(numerator, denominator)


def _product(mp: Context, *factors: Mpf) -> Mpf:
    result = ONE
    for factor in factors:
        result = mp.fmul(result, factor, exact=True)
    return result


def _invalid(mp: Context, *numbers: Mpf) -> bool:
    return any(mp.isnan(x) for x in numbers)


def _loss(mp: Context, tail: Mpf) -> Real:
    return exactly(mp.inf) if tail == mp.inf else about(tail)


def _bce_value(mp: Context, p: Mpf, pair: Pair) -> Real:
    if _invalid(mp, p, *pair):
        return NAN
    a, b = pair
    return _loss(mp, mp.fsum((_minus_log(mp, a, p), _minus_log(mp, b, sub(mp, ONE, p)))))


def _bce_grad(mp: Context, p: Mpf, pair: Pair) -> Real:
    if _invalid(mp, p, *pair):
        return NAN
    a, b = pair
    q = sub(mp, ONE, p)
    if a == 0:
        return _quotient(mp, b, q)
    if b == 0:
        return _quotient(mp, mp.fneg(a, exact=True), p)
    return _quotient(mp, sub(mp, _product(mp, b, p), _product(mp, a, q)), _product(mp, p, q))


def _bce_hess(mp: Context, p: Mpf, pair: Pair) -> Real:
    if _invalid(mp, p, *pair):
        return NAN
    a, b = pair
    q = sub(mp, ONE, p)
    if a == 0:
        return _quotient(mp, b, _product(mp, q, q))
    if b == 0:
        return _quotient(mp, a, _product(mp, p, p))
    numerator = add(mp, (_product(mp, a, q, q), _product(mp, b, p, p)))
    return _quotient(mp, numerator, _product(mp, p, p, q, q))


def _xent_value(mp: Context, q: list[Mpf], y: list[Mpf], normalized: bool = False) -> Real:
    if _invalid(mp, *q, *y):
        return NAN
    if not normalized:
        return _loss(mp, mp.fsum(_minus_log(mp, w, x) for w, x in zip(y, q, strict=True)))
    mass = add(mp, q)
    if mass == 0:
        return NAN
    terms = []
    for w, x in zip(y, q, strict=True):
        if w != 0 and x == 0:
            return exactly(mp.inf)
        terms.append(ZERO if w == 0 else w * mp.log1p(sub(mp, mass, x) / x))  # -log(x / mass)
    return about(mp.fsum(terms))


def _xent_grad(mp: Context, q: list[Mpf], y: list[Mpf], normalized: bool = False) -> list[Real]:
    if not normalized:
        return [_quotient(mp, mp.fneg(w, exact=True), x) for w, x in zip(y, q, strict=True)]
    if _invalid(mp, *q, *y):
        return [NAN] * len(q)
    mass, labels = add(mp, q), add(mp, y)
    if mass == 0:
        return [NAN] * len(q)
    parts = []
    for w, x in zip(y, q, strict=True):
        if w == 0:
            parts.append(_quotient(mp, labels, mass))
        else:
            numerator = sub(mp, times(mp, labels, x), times(mp, w, mass))
            parts.append(_quotient(mp, numerator, _product(mp, mass, x)))
    return parts


def _xent_hess(mp: Context, q: list[Mpf], y: list[Mpf], normalized: bool = False) -> list[Real]:
    if not normalized:
        return [_quotient(mp, w, _product(mp, x, x)) for w, x in zip(y, q, strict=True)]
    if _invalid(mp, *q, *y):
        return [NAN] * len(q)
    mass, labels = add(mp, q), add(mp, y)
    if mass == 0:
        return [NAN] * len(q)
    parts = []
    for w, x in zip(y, q, strict=True):
        if w == 0:
            parts.append(_quotient(mp, mp.fneg(labels, exact=True), _product(mp, mass, mass)))
        else:
            numerator = sub(mp, _product(mp, w, mass, mass), _product(mp, labels, x, x))
            parts.append(_quotient(mp, numerator, _product(mp, mass, mass, x, x)))
    return parts


PROB_BCE = Form(
    "prob_bce", "p", UNIT, ("binary", "soft"), _bce_value, _bce_grad, _bce_hess,
    """L = -(y log p + (1 - y) log(1 - p)) from a probability p in [0, 1].

    Domain: p and y in [0, 1]; 0 log 0 = 0. Limits: +inf at p = 0 unless y = 0, and at p = 1 unless y = 1.
    Condition: |p - y| / ((1 - p) L); rounding p to 1 - 2^-24 is the input's error, not the call's.
    Gradient: (p - y) / (p (1 - p)), with its limits 1 / (1 - p) at y = 0 and -1 / p at y = 1.
    Drops: nothing. See: `sigmoid_bce`, which takes the logit and does not saturate.

    >>> from lossbench.reference import exact
    >>> float(exact("prob_bce", 1e-8, 1.0, dtype="float64").value)
    18.420680743952367
    """,
    coefficients=binary, accepts=("pos_weight", "label_smoothing"),
)  # fmt: skip

PROB_XENT = Form(
    "prob_xent", "q", SIMPLEX, ("index", "onehot", "soft"), _xent_value, _xent_grad, _xent_hess,
    """H(y, q) = -sum_k y_k log q_k, cross-entropy of two distributions, q taken as given.

    Domain: q_k in [0, 1]; y an index, a one-hot row or a distribution; 0 log 0 = 0.
    Option `normalized`: q / sum(q) stands for q, which is what Keras' calls claim.
    Limits: +inf where a class with weight has probability 0; NaN gives NaN, in a free partial only its own.
    Condition: sum_k y_k / L without the option.
    Gradient: the free partial -y_k / q_k (with the option, T / sum(q) - y_k / q_k); 0 where y_k = 0 = q_k.
    Drops: nothing. See: `softmax_xent`, which takes the logits.

    >>> from lossbench.reference import exact
    >>> float(exact("prob_xent", [0.25, 0.75], 0, dtype="float64").value)
    1.3862943611198906
    """,
    class_axis=True, coefficients=distribution, variants=("", "normalized"),
    accepts=("weight", "label_smoothing", "smoothing", "ignore_index", "normalized"),
)  # fmt: skip
