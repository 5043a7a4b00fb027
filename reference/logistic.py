"""Forms of one logit: the sigmoid and the losses on it.

Everything is written in u = exp(-|z|) <= 1, so that only positive terms are added.
"""

from __future__ import annotations

from lossbench.reference.form import LOGIT, Form
from lossbench.reference.real import (
    HALF,
    NAN,
    ONE,
    ZERO,
    Context,
    Mpf,
    Real,
    about,
    exactly,
    negate,
    split,
    sub,
    times,
)
from lossbench.reference.targets import Pair, binary, plain

_FOUR = 1 / HALF / HALF


def _u(mp: Context, z: Mpf) -> Mpf:
    return mp.exp(mp.fneg(abs_exact(mp, z), exact=True))


def abs_exact(mp: Context, z: Mpf) -> Mpf:
    """|z| without rounding to the working precision."""
    return mp.fneg(z, exact=True) if z < 0 else z


def sigmoid_value(mp: Context, z: Mpf) -> Real:
    """g(z), as 1 - u/(1+u) on the right so that saturation is a tail and not a loss."""
    if mp.isnan(z):
        return NAN
    if z == 0:
        return exactly(HALF)
    u = _u(mp, z)
    small = u / (1 + u)
    return split(ONE, -small) if z > 0 else about(small)


def slope(mp: Context, z: Mpf) -> Real:
    """g'(z) = u / (1+u)^2, even in z."""
    if mp.isnan(z):
        return NAN
    if z == 0:
        return exactly(HALF * HALF)
    u = _u(mp, z)
    return about(u / (1 + u) ** 2)


def _sigmoid_hess(mp: Context, z: Mpf) -> Real:
    if mp.isnan(z):
        return NAN
    if z == 0:
        return exactly(ZERO)
    u = _u(mp, z)
    bend = u * mp.expm1(mp.fneg(abs_exact(mp, z), exact=True)) / (1 + u) ** 3  # g'(1 - 2g) for z > 0
    return about(bend if z > 0 else -bend)


def _softplus_value(mp: Context, z: Mpf) -> Real:
    if mp.isnan(z):
        return NAN
    return split(z if z > 0 else ZERO, mp.log1p(_u(mp, z)))


def _flip(mp: Context, z: Mpf) -> Mpf:
    return mp.fneg(z, exact=True)


def bce_value(mp: Context, z: Mpf, pair: Pair) -> Real:
    """(a + b) log1p(u) + (b z if z > 0 else -a z): both terms are non-negative."""
    a, b = pair
    if mp.isnan(z) or mp.isnan(a) or mp.isnan(b):
        return NAN
    linear = times(mp, b, z) if z > 0 else times(mp, a, _flip(mp, z))
    return split(linear, mp.fadd(a, b, exact=True) * mp.log1p(_u(mp, z)))


def bce_grad(mp: Context, z: Mpf, pair: Pair) -> Real:
    """(a + b) g(z) - a, as b - (a + b) g(-|z|) on the right and (a + b) g(-|z|) - a on the left."""
    a, b = pair
    if mp.isnan(z) or mp.isnan(a) or mp.isnan(b):
        return NAN
    if z == 0:
        return exactly(sub(mp, b, a), _FOUR * HALF)
    u = _u(mp, z)
    small = mp.fadd(a, b, exact=True) * u / (1 + u)
    return split(b, -small) if z > 0 else split(_flip(mp, a), small)


def bce_hess(mp: Context, z: Mpf, pair: Pair) -> Real:
    """(a + b) g'(z)."""
    a, b = pair
    if mp.isnan(a) or mp.isnan(b):
        return NAN
    curve = slope(mp, z)
    mass = mp.fadd(a, b, exact=True)
    return curve if mass == 1 else Real(curve.head * mass, curve.tail * mass, ONE, curve.scale * mass)


def _residual(mp: Context, z: Mpf, y: Mpf) -> Real:
    """g(z) - y."""
    return bce_grad(mp, z, (y, sub(mp, ONE, y)))


def _margin_value(mp: Context, z: Mpf, y: Mpf) -> Real:
    return NAN if mp.isnan(y) else _softplus_value(mp, _flip(mp, times(mp, y, z)))


def _margin_grad(mp: Context, z: Mpf, y: Mpf) -> Real:
    if mp.isnan(z) or mp.isnan(y):
        return NAN
    wrong = sigmoid_value(mp, _flip(mp, times(mp, y, z)))
    return negate(wrong) if y > 0 else wrong


def _margin_hess(mp: Context, z: Mpf, y: Mpf) -> Real:
    return NAN if mp.isnan(y) else slope(mp, z)


def _mse_value(mp: Context, z: Mpf, y: Mpf) -> Real:
    d = _residual(mp, z, y)
    if mp.isnan(d.head):
        return d
    if z == 0:
        return exactly(mp.fmul(d.head, d.head, exact=True), _FOUR * _FOUR * HALF)
    cross = d.head * d.tail
    square = d.tail**2 / 2
    exact_half = mp.fmul(mp.fmul(d.head, d.head, exact=True), HALF, exact=True)
    return split(exact_half, cross + square, abs(cross) + square)


def _mse_grad(mp: Context, z: Mpf, y: Mpf) -> Real:
    d = _residual(mp, z, y)
    if mp.isnan(d.head):
        return d
    if z == 0:
        return exactly(d.head, _FOUR * _FOUR * HALF)
    s = slope(mp, z).tail
    return about((d.head + d.tail) * s, (abs(d.head) + abs(d.tail)) * s)


def _mse_hess(mp: Context, z: Mpf, y: Mpf) -> Real:
    d = _residual(mp, z, y)
    if mp.isnan(d.head):
        return d
    if z == 0:
        return exactly(HALF**4)
    u = _u(mp, z)
    s = u / (1 + u) ** 2
    bend = mp.expm1(mp.fneg(abs_exact(mp, z), exact=True)) / (1 + u)  # 1 - 2g(|z|)
    bend = bend if z > 0 else -bend
    return about(s * (s + (d.head + d.tail) * bend), s * (s + (abs(d.head) + abs(d.tail))))


SIGMOID = Form(
    "sigmoid", "z", LOGIT, ("-",), sigmoid_value, slope, _sigmoid_hess,
    """g(z) = 1 / (1 + exp(-z)).

    Domain: every real z. Limits: g(-inf) = 0, g(+inf) = 1, NaN gives NaN.
    Condition: z g(-z), so large negative logits amplify the rounding of the logit itself.
    Gradient: g (1 - g). Drops: nothing.
    See: `log_sigmoid` for the logarithm, which does not saturate.

    >>> from lossbench.reference import exact
    >>> float(exact("sigmoid", -100.0, dtype="float32").value)
    3.783505853677006e-44
    """,
)  # fmt: skip

LOG_SIGMOID = Form(
    "log_sigmoid", "z", LOGIT, ("-",),
    lambda mp, z: negate(_softplus_value(mp, _flip(mp, z))),
    lambda mp, z: sigmoid_value(mp, _flip(mp, z)),
    lambda mp, z: negate(slope(mp, z)),
    """log g(z) = -log(1 + exp(-z)).

    Domain: every real z. Limits: -inf at -inf, 0 at +inf, NaN gives NaN.
    Condition: at most 1 on the left, z on the right, where the value is exp(-z).
    Gradient: g(-z). Drops: nothing.
    See: scipy.special.log_expit, which is the same function; `softplus` is its mirror.

    >>> from lossbench.reference import exact
    >>> float(exact("log_sigmoid", 735.0, dtype="float64").value)
    -6.217e-320
    """,
)  # fmt: skip

SOFTPLUS = Form(
    "softplus", "z", LOGIT, ("-",),
    _softplus_value, sigmoid_value, lambda mp, z: slope(mp, z),
    """softplus(z) = log(1 + exp(z)).

    Domain: every real z. Limits: 0 at -inf, +inf at +inf, NaN gives NaN.
    Condition: at most 1 on the right, |z| on the left, where the value is exp(z).
    Gradient: g(z). Drops: nothing.
    See: PyTorch's softplus documents a threshold of 20 above which it returns z itself.

    >>> from lossbench.reference import exact
    >>> float(exact("softplus", 20.5, dtype="float64").value)
    20.500000001250154
    """,
)  # fmt: skip

SIGMOID_BCE = Form(
    "sigmoid_bce", "z", LOGIT, ("binary", "soft"), bce_value, bce_grad, bce_hess,
    """L = -(y log g(z) + (1 - y) log(1 - g(z))), per output neuron with g the sigmoid.

    Domain: z real, y in [0, 1]. Limits: (+inf, 1) -> 0, (+inf, 0) -> +inf, (+inf, 0 < y < 1) -> +inf, and
    mirrored; NaN in either gives NaN. A zero weight on an infinite term counts as 0.
    Condition: |z (g - y)| / L, up to |z| in the confident and right tail.
    Gradient: g(z) - y, of which nothing cancels for y in {0, 1}; for soft y it cancels near g(z) = y.
    Drops: nothing (the entropy of a soft label is not subtracted).
    See: `margin_logistic` for labels {-1, +1}; scikit-learn's HalfBinomialLoss is the same for one trial.

    >>> from lossbench.reference import exact
    >>> float(exact("sigmoid_bce", -40.0, 0.0, dtype="float64").value)
    4.248354255291589e-18
    """,
    coefficients=binary, accepts=("pos_weight", "label_smoothing"),
)  # fmt: skip

MARGIN_LOGISTIC = Form(
    "margin_logistic", "z", LOGIT, ("signed",), _margin_value, _margin_grad, _margin_hess,
    """L = log(1 + exp(-y z)), the logistic loss of the margin y z.

    Domain: z real, y in {-1, +1}. Limits: 0 for y z -> +inf, +inf for y z -> -inf; NaN gives NaN.
    Condition: |z| g(-yz) / L, up to |z| in the confident and right tail.
    Gradient: -y g(-y z). Drops: nothing.
    See: `sigmoid_bce` with y' = (1 + y) / 2; PyTorch calls it soft_margin_loss.

    >>> from lossbench.reference import exact
    >>> float(exact("margin_logistic", -100.0, 1.0, dtype="float32").value)
    100.0
    """,
    coefficients=plain,
)  # fmt: skip

SIGMOID_MSE = Form(
    "sigmoid_mse", "z", LOGIT, ("binary", "soft"), _mse_value, _mse_grad, _mse_hess,
    """L = (g(z) - y)^2 / 2, squared error on a sigmoid: not convex in z, which is why it was given up.

    Domain: z real, y in [0, 1]. Limits: y^2 / 2 at -inf, (1 - y)^2 / 2 at +inf; NaN gives NaN.
    Condition: |2 z g' / (g - y)|; unbounded where g(z) meets a soft y.
    Gradient: (g - y) g (1 - g), which vanishes for the confident and wrong.
    Second derivative: g' (g' + (g - y)(1 - 2g)), which changes sign.
    Drops: nothing; the factor 1/2 is kept. See: `sigmoid_bce`.

    >>> from lossbench.reference import exact
    >>> float(exact("sigmoid_mse", 0.0, 1.0, dtype="float32").value)
    0.125
    """,
    coefficients=plain, accepts=("label_smoothing",),
)  # fmt: skip
