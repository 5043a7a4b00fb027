"""statsmodels: the log-likelihood and score of `discrete.discrete_model.Logit`, an observation at a time.

`Logit(y, X).loglikeobs(b)` is log g(q X b) with q = 2 y - 1. One observation with the single regressor 1 makes
the parameter the logit itself, and `score_obs` its derivative. The model refuses an X that holds NaN or
infinities, and is asked through its parameters for that reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lossbench.harness.adapters.adapter import Array, Call, unsupported
from lossbench.harness.adapters.numpy import NumpyAdapter


def _logit(s: Any, method: str, z: Array, y: Array) -> Array:
    """A method of the model of one observation, at the parameter z; z and y have shape (1,)."""
    model = s.discrete.discrete_model.Logit(y, np.ones((1, 1), z.dtype))
    return np.reshape(-getattr(model, method)(z), (1,))


CALLS = (
    Call("sigmoid_bce", "discrete.discrete_model.Logit.loglikeobs", lambda s, z, y: _logit(s, "loglikeobs", z, y),
         ("binary",), gradient=lambda s, z, y: _logit(s, "score_obs", z, y), rowwise=True),
    Call("sigmoid", "discrete.discrete_model.Logit.cdf", lambda s, x: _plain(s).cdf(x),
         gradient=lambda s, x: _plain(s).pdf(x)),
)  # fmt: skip


def _plain(s: Any) -> Any:
    """A model for its `cdf` and `pdf`, which know nothing of its data."""
    return s.discrete.discrete_model.Logit(np.array([0.0, 1.0]), np.ones((2, 1)))


_NONE = unsupported("statsmodels fits models; it has this function only inside its likelihoods")
LACKS_DTYPES = {"bfloat16": unsupported("NumPy, whose arrays statsmodels takes, has no bfloat16")}
MISSING = {
    "prob_xent": unsupported("statsmodels' likelihoods take parameters of a model, no probabilities"),
    "softmax_xent": unsupported("MNLogit fixes the logit of its first class at 0: no softmax of K free logits"),
    "sigmoid_bce:soft": unsupported("Logit's likelihood is log g((2 y - 1) z), which is no loss of a soft label"),
    "multilabel_bce": unsupported("Logit has one response for each observation"),
    "prob_bce": unsupported("statsmodels' likelihoods take parameters of a model, no probabilities"),
    "margin_logistic": unsupported("Logit refuses an endog outside [0, 1]"),
    "sigmoid_mse": unsupported("statsmodels has no squared error on a sigmoid"),
    "bernoulli_likelihood": unsupported("statsmodels has log-likelihoods only"),
    "bernoulli_log_likelihood": unsupported("the observations of a model share its parameters: no K free logits"),
    "log_sigmoid": _NONE,
    "softplus": _NONE,
    "softmax": _NONE,
    "log_softmax": _NONE,
    "logsumexp": _NONE,
}


class StatsmodelsAdapter(NumpyAdapter):
    """statsmodels on NumPy arrays."""

    library = "statsmodels"
    requires = ("statsmodels",)
    distribution = "statsmodels"
    lacks_dtypes = LACKS_DTYPES
    calls = CALLS
    missing = MISSING

    def load(self) -> Any:
        """Import statsmodels with its discrete models."""
        import statsmodels.discrete.discrete_model

        return statsmodels


ADAPTER = StatsmodelsAdapter()
