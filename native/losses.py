"""The losses: forms of logits or probabilities and labels. Their methods are those of `form.Loss`.

Error, the same for all of them and for both implementations, of every unreduced value and derivative: float16,
bfloat16 and float32 are computed in float64, or float32 in pairs of float32, and rounded once, at most 0.51 ulp of
the exact value of the stored inputs (correctly rounded on every float16 and bfloat16 input of the forms of one logit
or probability); float64 is computed in pairs of float64, at most 1.0 ulp. Where a form cancels by its nature, as its
Gradient says, 2^-40 (float64: 2^-80) times the sum of the absolute terms comes on top. Sums and means: at most 1.0
ulp of the exact result of the exact values. A loss below 2^-1022 is multiplied with weights, and added up, as float64
holds it, to 2^-1074. Suites: tests/native/test_suites.py on the suites of `lossbench.suites`, test_exhaustive.py,
test_options.py. One NaN among the inputs of a value makes that value NaN.
"""

from __future__ import annotations

from . import bernoulli, binary, categorical, margin, probability
from .form import Loss
from .formula import Formula, Stage, each, unreduced


class ProbXent(Loss):
    """Cross-entropy of two distributions: H(y, q) = -sum_k y_k log q_k, with q_k taken as given.

    Shapes: q (..., K); y (..., K) distribution or one-hot, or integers (...,) class indices; value (...,).
    Options: weight, label_smoothing, smoothing, ignore_index (see `options`).
    normalized=True computes -sum_k y_k log(q_k / sum_j q_j) instead (what Keras' calls claim).
    Domain: q_k >= 0 (NaN below), y_k >= 0 finite; rows of y need not sum to 1.
    Limits: y_k > 0 at q_k = 0 gives +inf, gradient -inf; y_k = 0 gives 0. normalized: NaN for an all-zero q.
    Gradient: the free partials -y_k / q_k; normalized: T/Q - y_k/q_k with T = sum y, Q = sum q, which
    cancels for soft y.
    Drops: nothing; unlike the Kullback-Leibler divergence it keeps the entropy of y.
    See: Bishop 2006, eq. 4.108; `softmax_xent` for logits, which loses no digits of 1 - q.

    >>> import numpy as np
    >>> prob_xent(np.array([[0.5, 0.25, 0.25]]), np.array([1]))
    array([1.38629436])
    """

    name = "prob_xent"
    argument = "q"
    formula = Formula(
        stages={
            "value": Stage(unreduced, probability.xent, False),
            "grad": each(probability.xent_grad),
            "hess": each(probability.xent_hess),
        },
        indexed={
            "value": Stage(probability.Picked, probability.xent_index, False, light=True),
            "grad": Stage(probability.Picked, probability.xent_index_grad),
            "hess": Stage(probability.Picked, probability.xent_index_hess),
        },
    )
    normalized = Formula(
        stages={
            "value": Stage(probability.Normalized, probability.normalized, False),
            "grad": Stage(probability.Normalized, probability.normalized_grad),
            "hess": Stage(probability.Normalized, probability.normalized_hess),
        },
        indexed={
            "value": Stage(probability.Hit, probability.hit, False),
            "grad": Stage(probability.Hit, probability.hit_grad),
            "hess": Stage(probability.Hit, probability.hit_hess),
        },
    )
    labels = "classes"
    rows = True
    options = ("normalized", "weight", "label_smoothing", "smoothing", "ignore_index")


class SoftmaxXent(Loss):
    """Softmax cross-entropy: -sum_k y_k log softmax(z)_k; for a class index t, -log softmax(z)_t.

    Shapes: z (..., K); y (..., K) distribution or one-hot, or integers (...,) class indices; value (...,).
    Options: weight, label_smoothing, smoothing, ignore_index (see `options`).
    Domain: any z; y_k >= 0 finite; rows of y need not sum to 1. Index and one-hot labels agree (float64: to an ulp).
    Limits: a -inf class is dropped (gradient +0), as the target it gives +inf; one +inf class has
    probability 1; two +inf, or -inf only, give NaN.
    Gradient: T p_k - y_k, T = sum y; -(1 - p_t) at a one-hot target without cancellation, in the tail too.
    Soft labels cancel where T p_k is near y_k.
    See: Blanchard, Higham and Higham 2021 for the shift; `categorical` for the sum that leaves a class out.

    >>> import numpy as np
    >>> softmax_xent(np.array([[40.0, 0.0]]), np.array([0]))
    array([4.24835426e-18])
    """

    name = "softmax_xent"
    formula = Formula(
        stages={
            "value": Stage(categorical.labelled, categorical.xent, False, categorical.xent_near),
            "grad": Stage(categorical.labelled, categorical.xent_grad),
            "hess": Stage(categorical.labelled, categorical.xent_hess),
        },
        indexed={
            "value": Stage(categorical.indexed, categorical.xent_index, False, categorical.xent_index_near),
            "grad": Stage(categorical.indexed, categorical.xent_index_grad),
        },
        cancels=frozenset({"grad"}),
        logits=True,
    )
    labels = "classes"
    options = ("weight", "label_smoothing", "smoothing", "ignore_index")
    rows = True


class SigmoidBce(Loss):
    """Binary cross-entropy on a logit: -(y log g(z) + (1-y) log(1 - g(z))), g the sigmoid.

    Shapes: z, y and value equal, any.
    Options: pos_weight, label_smoothing (see `options`).
    Domain: any z; y in [0, 1].
    Limits: (+inf, y=1) and (-inf, y=0) give 0; every other label at an infinite logit gives +inf.
    Gradient: g(z) - y, exact in the tails for y in {0, 1}; cancels for soft y near g(z).
    See: `margin_logistic` for labels -1/+1, `prob_bce` for probabilities, `multilabel_bce` for neurons.

    >>> import numpy as np
    >>> sigmoid_bce(np.array([-100.0, 100.0]), np.array([1.0, 1.0]))
    array([1.00000000e+02, 3.72007598e-44])
    """

    name = "sigmoid_bce"
    formula = Formula(
        elements={"value": binary.bce, "grad": binary.bce_grad, "hess": binary.bce_hess},
        margin=margin.BCE,
        cancels=frozenset({"grad"}),
    )
    labels = "unit"
    options = ("pos_weight", "label_smoothing")


class MultilabelBce(Loss):
    """Binary cross-entropy over K output neurons: sum_k sigmoid_bce(z_k, y_k).

    Shapes: z and y (..., K); value (...,).
    Options: weight, pos_weight, label_smoothing (see `options`). over="mean" divides by K; the default is "sum".
    Domain: any z; y in [0, 1].
    Limits: those of `sigmoid_bce`, neuron by neuron; one +inf makes the sum +inf.
    Gradient: g(z_k) - y_k, divided by K under over="mean"; cancels for soft y.
    See: `softmax_xent` where exactly one class is right.

    >>> import numpy as np
    >>> multilabel_bce(np.zeros((1, 2)), np.array([[0.0, 1.0]]), over="mean")
    array([0.69314718])
    """

    name = "multilabel_bce"
    formula = Formula(
        stages={
            "value": Stage(unreduced, binary.neurons_bce, False),
            "grad": each(lambda row, e: binary.bce_grad(e)),
            "hess": each(lambda row, e: binary.bce_hess(e)),
        },
        margin=margin.BCE,
        cancels=frozenset({"grad"}),
    )
    labels = "unit"
    rows = True
    options = ("over", "weight", "pos_weight", "label_smoothing")


class ProbBce(Loss):
    """Binary cross-entropy on a probability: -(y log p + (1-y) log(1-p)), 0 log 0 = 0.

    Shapes: p, y and value equal, any.
    Options: pos_weight, label_smoothing (see `options`).
    Domain: p in [0, 1] (NaN outside), y in [0, 1].
    Limits: 0 at p = y in {0, 1}; +inf at the other end; soft y gives +inf at both ends.
    Gradient: (p-y) / (p (1-p)), with 1/(1-p) at y = 0 and -1/p at y = 1; p - y cancels for soft y.
    See: `sigmoid_bce`: a probability near 1 has already lost the digits of 1 - p.

    >>> import numpy as np
    >>> prob_bce(np.array([0.25, 1.0]), np.array([0.0, 1.0]))
    array([0.28768207, 0.        ])
    """

    name = "prob_bce"
    argument = "p"
    formula = Formula(
        elements={"value": probability.bce, "grad": probability.bce_grad, "hess": probability.bce_hess},
        hard=probability.Hard,
    )
    labels = "unit"
    options = ("pos_weight", "label_smoothing")


class MarginLogistic(Loss):
    """Logistic loss of a margin: log(1 + exp(-y z)), y in {-1, +1}.

    Shapes: z, y and value equal, any.
    Domain: any z.
    Limits: y z = +inf gives 0, -inf gives +inf.
    Gradient: -y g(-y z), no cancellation.
    See: `sigmoid_bce` with y' = (y + 1) / 2, the same number.

    >>> import numpy as np
    >>> margin_logistic(np.array([0.0, 50.0]), np.array([1, -1]))
    array([ 0.69314718, 50.        ])
    """

    name = "margin_logistic"
    formula = Formula(
        elements={"value": binary.margin, "grad": binary.margin_grad, "hess": binary.margin_hess},
        margin=margin.LOGISTIC,
    )
    labels = "signs"


class SigmoidMse(Loss):
    """Squared error on a sigmoid: (g(z) - y)^2 / 2.

    Shapes: z, y and value equal, any.
    Options: label_smoothing (see `options`).
    Domain: any z; y in [0, 1].
    Limits: y^2/2 at -inf, (1-y)^2/2 at +inf; the gradient vanishes at both ends, however wrong the label.
    Gradient: (g - y) g (1-g). Soft y cancels near g(z) = y; the second derivative changes its sign
    (g = 2/3 at y = 0, g = 1/3 at y = 1) and cancels there.
    See: `sigmoid_bce`, which is convex; this form is kept to show why it was abandoned.

    >>> import numpy as np
    >>> sigmoid_mse.grad(np.array([-20.0]), np.array([1.0]))
    array([-2.06115361e-09])
    """

    name = "sigmoid_mse"
    formula = Formula(
        elements={"value": binary.mse, "grad": binary.mse_grad, "hess": binary.mse_hess},
        margin=margin.MSE,
        cancels=frozenset({"value", "grad", "hess"}),
    )
    labels = "unit"
    options = ("label_smoothing",)


class BernoulliLikelihood(Loss):
    """Likelihood of K Bernoulli samples: prod_i g(z_i)^y_i (1 - g(z_i))^(1-y_i).

    Shapes: z and y (..., K); value (...,).
    Domain: any z; y in {0, 1}.
    Limits: 0 when one sample is impossible. Underflows only where the exact product does.
    Gradient: L (y_i - g(z_i)), taken from the product before it underflows.
    See: `bernoulli_log_likelihood`, which does not underflow.

    >>> import numpy as np
    >>> bernoulli_likelihood(np.zeros((1, 3)), np.array([[0, 1, 1]]))
    array([0.125])
    """

    name = "bernoulli_likelihood"
    formula = Formula(
        stages={
            "value": Stage(bernoulli.Likelihood, bernoulli.likelihood, False),
            "grad": Stage(bernoulli.Likelihood, bernoulli.likelihood_grad),
            "hess": Stage(bernoulli.Likelihood, bernoulli.likelihood_hess),
        },
        cancels=frozenset({"value", "grad", "hess"}),  # nothing does, but the errors of K factors add up
    )
    labels = "bits"
    rows = True


class BernoulliLogLikelihood(Loss):
    """Log-likelihood of K Bernoulli samples: sum_i y_i log g(z_i) + (1-y_i) log(1 - g(z_i)), at most 0.

    Shapes: z and y (..., K); value (...,).
    Domain: any z; y in {0, 1}.
    Limits: -inf when one sample is impossible.
    Gradient: y_i - g(z_i) = (2y_i-1) g(-(2y_i-1) z_i), no cancellation.
    See: `multilabel_bce`, its negative; `bernoulli_likelihood`, its exponential.

    >>> import numpy as np
    >>> bernoulli_log_likelihood(np.zeros((1, 3)), np.array([[0, 1, 1]]))
    array([-2.07944154])
    """

    name = "bernoulli_log_likelihood"
    formula = Formula(
        stages={
            "value": Stage(unreduced, bernoulli.log_likelihood, False),
            "grad": each(bernoulli.log_likelihood_grad),
            "hess": each(bernoulli.log_likelihood_hess),
        },
        margin=margin.LOG_LIKELIHOOD,
    )
    labels = "bits"
    rows = True


prob_xent = ProbXent()
softmax_xent = SoftmaxXent()
sigmoid_bce = SigmoidBce()
multilabel_bce = MultilabelBce()
prob_bce = ProbBce()
margin_logistic = MarginLogistic()
sigmoid_mse = SigmoidMse()
bernoulli_likelihood = BernoulliLikelihood()
bernoulli_log_likelihood = BernoulliLogLikelihood()
