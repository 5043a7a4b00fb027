"""The building blocks: forms of x alone. Their methods are those of `form.Block`.

Error, the same for all of them and for both implementations, of every unreduced value and derivative: float16,
bfloat16 and float32 are computed in float64, or float32 in pairs of float32, and rounded once, at most 0.51 ulp of
the exact value of the stored inputs (correctly rounded on every float16 and bfloat16 input of the forms of one logit
or probability); float64 is computed in pairs of float64, at most 1.0 ulp. Where a form cancels by its nature, as its
Gradient says, 2^-40 (float64: 2^-80) times the sum of the absolute terms comes on top. Sums and means: at most 1.0
ulp of the exact result of the exact values. A number below 2^-1022 is multiplied with cotangents of other classes, and
added up, as float64 holds it, to 2^-1074. Suites: tests/native/test_suites.py on the suites of `lossbench.suites`,
test_exhaustive.py, test_options.py. NaN in gives NaN out.
"""

from __future__ import annotations

from . import binary, categorical, margin, shares
from .form import Block
from .formula import Formula, Stage


class Sigmoid(Block):
    """Sigmoid: g(x) = 1 / (1 + exp(-x)).

    Shapes: x and value equal, any.
    Domain: any x.
    Limits: 0 at -inf, 1 at +inf.
    Gradient: g (1-g) = u / (1+u)^2 with u = exp(-|x|); second derivative g (1-g) (1-2g), exact around 0.
    See: `softmax` of [x, 0], component 0.

    >>> import numpy as np
    >>> sigmoid(np.array([-500.0, 0.0]))
    array([7.12457641e-218, 5.00000000e-001])
    """

    name = "sigmoid"
    formula = Formula(
        elements={"value": binary.sigmoid, "grad": binary.slope, "hess": binary.bend},
        margin=margin.SIGMOID,
    )


class LogSigmoid(Block):
    """Logarithm of the sigmoid: log g(x) = min(x, 0) - log1p(exp(-|x|)).

    Shapes: x and value equal, any.
    Domain: any x.
    Limits: -inf at -inf, 0 at +inf.
    Gradient: 1 - g(x) = g(-x).
    See: `softplus`: log g(x) = -softplus(-x).

    >>> import numpy as np
    >>> log_sigmoid(np.array([-1000.0, 500.0]))
    array([-1.00000000e+003, -7.12457641e-218])
    """

    name = "log_sigmoid"
    formula = Formula(
        elements={"value": binary.log_sigmoid, "grad": binary.complement, "hess": binary.log_sigmoid_hess},
        margin=margin.LOG_SIGMOID,
    )


class Softplus(Block):
    """Softplus: log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).

    Shapes: x and value equal, any.
    Domain: any x.
    Limits: 0 at -inf, +inf at +inf.
    Gradient: g(x), the sigmoid. No threshold beyond which x itself is returned.
    See: `log_sigmoid`.

    >>> import numpy as np
    >>> softplus(np.array([-40.0, 40.0]))
    array([4.24835426e-18, 4.00000000e+01])
    """

    name = "softplus"
    formula = Formula(
        elements={"value": binary.softplus, "grad": binary.sigmoid, "hess": binary.slope},
        margin=margin.SOFTPLUS,
    )


class Softmax(Block):
    """Softmax: p_k = exp(x_k) / sum_j exp(x_j), over the last axis.

    Shapes: x and value (..., K).
    Domain: any x.
    Limits: a -inf class gets 0 (gradient +0), one +inf class gets 1; two +inf, or -inf only, give NaN.
    Gradient: that of component 0, p_0 (1 - p_0) and -p_0 p_k; 1 - p_0 is a sum, not a difference. Under
    `grad_out` v it is sum_j v_j dp_j, which cancels by its nature. The second derivative cancels at 1/2.
    See: `log_softmax`; `softmax_xent`, which needs no softmax.

    >>> import numpy as np
    >>> softmax(np.array([[1000.0, 1000.0, -np.inf]]))
    array([[0.5, 0.5, 0. ]])
    """

    name = "softmax"
    formula = Formula(
        stages={
            "value": Stage(categorical.plain, shares.softmax),
            "grad": Stage(shares.Lead, shares.softmax_grad),
            "hess": Stage(shares.Lead, shares.softmax_hess),
            "vjp": Stage(shares.Cotangent, shares.softmax_vjp),
        },
        alone={"value": Stage(shares.Shares, shares.softmax)},
        cancels=frozenset({"hess", "vjp"}),
        logits=True,
    )
    rows = True
    vector = True


class LogSoftmax(Block):
    """Logarithm of the softmax: log p_k = x_k - log sum_j exp(x_j), over the last axis.

    Shapes: x and value (..., K).
    Domain: any x.
    Limits: a -inf class gets -inf; one +inf class gets 0, the others -inf; two +inf, or -inf only, give NaN.
    Gradient: that of component 0, 1 - p_0 and -p_k. Under `grad_out` v it is v_k - p_k sum_j v_j.
    See: `softmax_xent`, its negated component at the target.

    >>> import numpy as np
    >>> log_softmax(np.array([[40.0, 0.0]]))
    array([[-4.24835426e-18, -4.00000000e+01]])
    """

    name = "log_softmax"
    formula = Formula(
        stages={
            "value": Stage(shares.LogShares, shares.log_softmax, keeps=False),
            "grad": Stage(shares.Lead, shares.log_softmax_grad),
            "hess": Stage(shares.Lead, shares.log_softmax_hess),
            "vjp": Stage(categorical.labelled, shares.log_softmax_vjp),
        },
        cancels=frozenset({"vjp"}),
        logits=True,
    )
    rows = True
    vector = True


class LogSumExp(Block):
    """Logarithm of a sum of exponentials: log sum_k exp(x_k), over the last axis.

    Shapes: x (..., K); value (...,).
    Domain: any x.
    Limits: +inf with any +inf class, -inf when all are; the gradient of two +inf, or of -inf only, is NaN.
    Gradient: softmax(x). The value cancels near 0, where the largest x is near -log of the rest.
    See: Blanchard, Higham and Higham 2021; `softmax_xent` where a logit is subtracted.

    >>> import numpy as np
    >>> logsumexp(np.array([[1000.0, 1000.0]]))
    array([1000.69314718])
    """

    name = "logsumexp"
    formula = Formula(
        stages={
            "value": Stage(
                categorical.plain,
                categorical.logsumexp,
                False,
                near=categorical.logsumexp_near,
                clear=categorical.logsumexp_clear,
            ),
            "grad": Stage(categorical.plain, shares.softmax),
            "hess": Stage(categorical.plain, categorical.variance),
        },
        cancels=frozenset({"value"}),
        logits=True,
    )
    rows = True


sigmoid = Sigmoid()
log_sigmoid = LogSigmoid()
softplus = Softplus()
softmax = Softmax()
log_softmax = LogSoftmax()
logsumexp = LogSumExp()
