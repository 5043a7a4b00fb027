"""scikit-learn: the losses that its linear models and boosted trees minimise, and `metrics.log_loss`.

`sklearn._loss` is private but is what every classifier of the library optimises: compiled, unreduced, with
its own gradient. `loss` and `gradient` on the one hand and `loss_gradient` on the other use different
formulas. `HalfMultinomialLoss` takes class indices as numbers of the logits' dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossbench.harness.adapters.adapter import Array, Call, unsupported
from lossbench.harness.adapters.numpy import NumpyAdapter

BINARY, SOFT, INDEX, ONEHOT = ("binary",), ("binary", "soft"), ("index",), ("onehot",)

#: `_loss` is compiled for float and double alone
TYPED = {"float16": unsupported("_loss is compiled for float32 and float64 and raises TypeError for float16")}
NO_GRADIENT = unsupported("scikit-learn's log_loss has no gradient")


def _binomial(s: Any, method: str, z: Any, y: Any) -> Any:
    return getattr(s._loss.HalfBinomialLoss(), method)(y, z)


def _multinomial(s: Any, method: str, z: Any, y: Any) -> Any:
    return getattr(s._loss.HalfMultinomialLoss(n_classes=z.shape[-1]), method)(y.astype(z.dtype), z)


def _log_loss(s: Any, p: Any, y: Any, **labels: Any) -> Any:
    """Mean over the rows, a Python float, as an array of shape (1,).

    Documented: probabilities are clipped to [eps, 1-eps] of their dtype. They are not divided by their sum;
    rows that do not sum to 1 within sqrt(eps) get a UserWarning, and the value is that of q as given.
    """
    return np.atleast_1d(s.metrics.log_loss(y, p, **labels))


CALLS = (
    Call("sigmoid_bce", "_loss.HalfBinomialLoss.loss", lambda s, z, y: _binomial(s, "loss", z, y), SOFT,
         gradient=lambda s, z, y: _binomial(s, "gradient", z, y), lacks=TYPED),
    Call("sigmoid_bce", "_loss.HalfBinomialLoss.loss_gradient",
         lambda s, z, y: _binomial(s, "loss_gradient", z, y)[0], SOFT,
         gradient=lambda s, z, y: _binomial(s, "loss_gradient", z, y)[1], lacks=TYPED),
    Call("softmax_xent", "_loss.HalfMultinomialLoss.loss",
         lambda s, z, y: _multinomial(s, "loss", z, y), INDEX,
         gradient=lambda s, z, y: _multinomial(s, "gradient", z, y), lacks=TYPED),
    Call("softmax_xent", "_loss.HalfMultinomialLoss.loss_gradient",
         lambda s, z, y: _multinomial(s, "loss_gradient", z, y)[0], INDEX,
         gradient=lambda s, z, y: _multinomial(s, "loss_gradient", z, y)[1], lacks=TYPED),
    Call("prob_xent", "metrics.log_loss",
         lambda s, q, y: _log_loss(s, q, y, labels=range(q.shape[-1])), INDEX,
         gradient=NO_GRADIENT, rowwise=True),
    # a label indicator matrix names its classes by its columns; with `labels` it raises ValueError
    Call("prob_xent", "metrics.log_loss", _log_loss, ONEHOT, gradient=NO_GRADIENT, rowwise=True),
    Call("prob_bce", "metrics.log_loss",
         lambda s, p, y: _log_loss(s, p, y, labels=[0, 1]), BINARY, gradient=NO_GRADIENT, rowwise=True),
    Call("softmax", "utils.extmath.softmax", lambda s, x: s.utils.extmath.softmax(x),
         gradient=unsupported("scikit-learn's softmax has no gradient")),
)  # fmt: skip

LACKS_DTYPES = {
    "bfloat16": unsupported("scikit-learn has none: _loss raises TypeError, log_loss converts to float64"),
}
MISSING = {
    "prob_xent:soft": unsupported("metrics.log_loss takes class labels or a 0/1 indicator matrix"),
    "prob_bce:soft": unsupported("metrics.log_loss raises ValueError for labels other than the two declared"),
    "softmax_xent:onehot": unsupported("HalfMultinomialLoss takes class indices only"),
    "softmax_xent:soft": unsupported("HalfMultinomialLoss takes class indices only"),
    "multilabel_bce": unsupported("sklearn._loss has no loss over several outputs per sample"),
    "margin_logistic": unsupported("scikit-learn's binary losses take 0/1 labels; -1/+1 are recoded before"),
    "sigmoid_mse": unsupported("scikit-learn has no squared error on a sigmoid of logits"),
    "bernoulli_likelihood": unsupported("scikit-learn has losses, no likelihoods of logits"),
    "bernoulli_log_likelihood": unsupported("scikit-learn has losses, no likelihoods of logits"),
    "sigmoid": unsupported("scikit-learn has none of its own and calls scipy.special.expit"),
    "log_sigmoid": unsupported("scikit-learn 1.9 has no public log-sigmoid"),
    "softplus": unsupported("log1pexp is a C function inside sklearn._loss and cannot be called"),
    "log_softmax": unsupported("scikit-learn has softmax and no logarithm of it"),
    "logsumexp": unsupported("scikit-learn has none of its own and calls scipy.special.logsumexp"),
}


class SklearnAdapter(NumpyAdapter):
    """scikit-learn on NumPy arrays; `_loss` runs on one thread unless a caller asks for more."""

    library = "sklearn"
    requires = ("sklearn",)
    distribution = "scikit-learn"
    lacks_dtypes = LACKS_DTYPES
    calls = CALLS
    missing = MISSING

    def load(self) -> Any:
        """Import sklearn with the three modules of the table."""
        import sklearn._loss
        import sklearn.metrics
        import sklearn.utils.extmath

        return sklearn

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """As for NumPy, except that `loss_gradient` gives both results of one pass."""
        if work == "FB" and call.name.endswith(".loss_gradient"):
            both = _binomial if call.form == "sigmoid_bce" else _multinomial

            def value_and_grad(x: Array, *labels: Array) -> Any:
                with np.errstate(all="ignore"):
                    return both(lib, "loss_gradient", x, *labels)

            return value_and_grad
        return super().build(lib, call, mode, work, vector)


ADAPTER = SklearnAdapter()
