"""Forms that combine several binary outputs: multi-label losses, and the likelihood of N samples."""

from __future__ import annotations

from collections.abc import Callable

from lossbench.reference.form import LOGIT, Form
from lossbench.reference.logistic import bce_grad, bce_hess, bce_value
from lossbench.reference.real import NAN, ONE, ZERO, Context, Mpf, Real, about, exactly, negate, sub, times, total
from lossbench.reference.targets import Pair, pairs


def _per_output(function: Callable[[Context, Mpf, Pair], Real]) -> Callable[..., list[Real]]:
    """Derivatives of a sum of terms of one output each."""

    def derivative(mp: Context, z: list[Mpf], pairs: list[Pair]) -> list[Real]:
        return [function(mp, x, pair) for x, pair in zip(z, pairs, strict=True)]

    return derivative


def _multilabel_value(mp: Context, z: list[Mpf], pairs: list[Pair]) -> Real:
    return total(mp, (bce_value(mp, x, pair) for x, pair in zip(z, pairs, strict=True)))


def _margins(mp: Context, z: list[Mpf], y: list[Mpf]) -> list[Mpf]:
    """Margins (2y - 1) z, exact: positive where the sigmoid is right."""
    return [times(mp, sub(mp, 2 * b, ONE), a) for a, b in zip(z, y, strict=True)]


def _invalid(mp: Context, z: list[Mpf], y: list[Mpf]) -> bool:
    return any(mp.isnan(x) for x in (*z, *y))


def _right(mp: Context, margin: Mpf) -> tuple[Mpf, Mpf, Mpf]:
    """(c, 1 - c, 1 - 2c) with c = 1 / (1 + exp(-margin)), each to working precision."""
    u = mp.exp(mp.fneg(abs(margin) if margin < 0 else margin, exact=True))
    big, small = 1 / (1 + u), u / (1 + u)
    bend = (u - 1) / (1 + u) if u < 0.5 else mp.expm1(-abs(margin)) / (1 + u)
    return (big, small, bend) if margin > 0 else (small, big, -bend)


def _product(mp: Context, margins: list[Mpf], den: int, sign: int) -> Real:
    """sign * prod c_i * 2^zeros / den: where no margin is negative, den and a number close to one stand apart."""
    if all(m >= 0 for m in margins):
        loss = mp.fsum(mp.log1p(mp.exp(mp.fneg(m, exact=True))) for m in margins if m > 0)
        if loss < 0.5:
            return Real(sign * ONE, sign * mp.expm1(-loss), mp.mpf(den), loss)
    return about(sign * mp.fprod(_right(mp, m)[0] for m in margins if m != 0) / den)


def _likelihood_value(mp: Context, z: list[Mpf], y: list[Mpf]) -> Real:
    if _invalid(mp, z, y):
        return NAN
    margins = _margins(mp, z, y)
    return _product(mp, margins, 1 << sum(m == 0 for m in margins), 1)


def _likelihood_parts(mp: Context, z: list[Mpf], y: list[Mpf], second: bool) -> list[Real]:
    """L (1 - c_i), signed by the label, and L (1 - c_i)(1 - 2 c_i), which a margin of zero makes exact."""
    if _invalid(mp, z, y):
        return [NAN] * len(z)
    margins = _margins(mp, z, y)
    right = [_right(mp, m) for m in margins]
    product = mp.fprod(c for c, _, _ in right)
    zeros = sum(m == 0 for m in margins)
    parts = []
    for margin, (_, wrong, bend), label in zip(margins, right, y, strict=True):
        sign = 1 if label == 1 else -1
        if margin == 0:
            parts.append(exactly(ZERO) if second else _product(mp, margins, 2 << zeros, sign))
        else:
            parts.append(about(product * wrong * (bend if second else sign)))
    return parts


BERNOULLI_LIKELIHOOD = Form(
    "bernoulli_likelihood", "z", LOGIT, ("binary",),
    _likelihood_value,
    lambda mp, z, y: _likelihood_parts(mp, z, y, second=False),
    lambda mp, z, y: _likelihood_parts(mp, z, y, second=True),
    """prod_i g(z_i)^y_i (1 - g(z_i))^(1 - y_i) over K samples, the likelihood that the losses come from.

    Domain: z real, y in {0, 1}. Limits: a factor is 1 where z is infinite on the right side, 0 on the wrong.
    Condition: sum_i |z_i| (1 - c_i) with c_i the factors: the product underflows long before its logarithm.
    Gradient: (likelihood) (y_i - g(z_i)). Drops: nothing.
    See: `bernoulli_log_likelihood`, which does not underflow.

    >>> from lossbench.reference import exact
    >>> float(exact("bernoulli_likelihood", [0.0, 0.0], [1.0, 0.0], dtype="float64").value)
    0.25
    """,
    class_axis=True, coefficients=lambda mp, y, options: (y, ONE),
)  # fmt: skip

BERNOULLI_LOG_LIKELIHOOD = Form(
    "bernoulli_log_likelihood", "z", LOGIT, ("binary",),
    lambda mp, z, pairs: negate(_multilabel_value(mp, z, pairs)),
    lambda mp, z, pairs: [negate(bce_grad(mp, x, pair)) for x, pair in zip(z, pairs, strict=True)],
    lambda mp, z, pairs: [negate(bce_hess(mp, x, pair)) for x, pair in zip(z, pairs, strict=True)],
    """sum_i (y_i log g(z_i) + (1 - y_i) log(1 - g(z_i))) over K samples, the log-likelihood.

    Domain: z real, y in {0, 1}. Limits: -inf where one sample is infinitely wrong; NaN gives NaN.
    Condition: that of `sigmoid_bce`, averaged. Gradient: y_i - g(z_i). Drops: nothing.
    See: `multilabel_bce`, its negative.

    >>> from lossbench.reference import exact
    >>> float(exact("bernoulli_log_likelihood", [0.0, 0.0], [1.0, 0.0], dtype="float64").value)
    -1.3862943611198906
    """,
    class_axis=True, coefficients=pairs,
)  # fmt: skip

MULTILABEL_BCE = Form(
    "multilabel_bce", "z", LOGIT, ("binary", "soft"),
    _multilabel_value, _per_output(bce_grad), _per_output(bce_hess),
    """L = sum_k -(y_k log g(z_k) + (1 - y_k) log(1 - g(z_k))) over K output neurons.

    Domain: z real, y in [0, 1]^K. Option `over=mean`: the mean over the outputs instead of the sum.
    Limits: those of `sigmoid_bce`, output by output. Condition: at most the worst of its outputs.
    Gradient: g(z_k) - y_k, divided by K with `over=mean`. Drops: nothing.
    See: PyTorch's multilabel_soft_margin_loss is the mean over outputs.

    >>> from lossbench.reference import exact
    >>> float(exact("multilabel_bce", [0.0, 0.0], [1.0, 0.0], dtype="float64", options="over=mean").value)
    0.6931471805599453
    """,
    class_axis=True, coefficients=pairs, accepts=("weight", "pos_weight", "label_smoothing", "over"),
    variants=("", "over=mean"),
)  # fmt: skip
