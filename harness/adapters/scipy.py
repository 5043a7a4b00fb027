"""SciPy: `scipy.special` and `scipy.stats`, composed with one product or sum where a form needs labels.

SciPy has no losses and no gradients. Its special functions choose their result's format themselves: the
compiled ones (`expit`, `log_expit`, `xlogy`, ...) turn float16 into float64, and that is what is returned.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from lossbench.harness.adapters.adapter import Call as AnyCall
from lossbench.harness.adapters.adapter import unsupported
from lossbench.harness.adapters.numpy import NumpyAdapter

Call = partial(AnyCall, gradient=unsupported("SciPy has no autodiff"))
BINARY, SIGNED, SOFT = ("binary",), ("signed",), ("binary", "soft")
INDEX, DISTRIBUTION = ("index",), ("onehot", "soft")


def _at(a: Any, y: Any) -> Any:
    """Entry of class y in every row of a."""
    return np.take_along_axis(a, y[:, None], -1)[:, 0]


def _bce(s: Any, z: Any, y: Any) -> Any:
    return -(y * s.special.log_expit(z) + (1 - y) * s.special.log_expit(-z))


def _cross_entropy(s: Any, q: Any, y: Any) -> Any:
    """The documentation of `stats.entropy`: CE(pk, qk) = H(pk) + D(pk|qk), two calls; both normalise."""
    return s.stats.entropy(y, axis=-1) + s.stats.entropy(y, q, axis=-1)


CALLS = (
    Call("prob_xent", "special.xlogy+sum", lambda s, q, y: -s.special.xlogy(y, q).sum(-1), DISTRIBUTION),
    Call("prob_xent", "special.entr+rel_entr",
         lambda s, q, y: (s.special.entr(y) + s.special.rel_entr(y, q)).sum(-1), DISTRIBUTION),
    Call("prob_xent", "special.rel_entr+sum", lambda s, q, y: s.special.rel_entr(y, q).sum(-1), ("onehot",),
         tier="default"),
    Call("prob_xent", "special.kl_div+sum", lambda s, q, y: s.special.kl_div(y, q).sum(-1) + 1 - q.sum(-1), ("onehot",),
         tier="default"),
    Call("prob_xent", "stats.entropy", _cross_entropy, DISTRIBUTION, "normalized"),
    Call("softmax_xent", "special.log_softmax",
         lambda s, z, y: -_at(s.special.log_softmax(z, axis=-1), y), INDEX),
    Call("softmax_xent", "special.log_softmax",
         lambda s, z, y: -(y * s.special.log_softmax(z, axis=-1)).sum(-1), DISTRIBUTION),
    Call("softmax_xent", "special.logsumexp",
         lambda s, z, y: s.special.logsumexp(z, axis=-1) - _at(z, y), INDEX),
    Call("sigmoid_bce", "special.log_expit", _bce, SOFT),
    Call("sigmoid_bce", "special.softplus",
         lambda s, z, y: y * s.special.softplus(-z) + (1 - y) * s.special.softplus(z), SOFT),
    Call("multilabel_bce", "special.log_expit+sum", lambda s, z, y: _bce(s, z, y).sum(-1), SOFT),
    Call("multilabel_bce", "special.log_expit+mean",
         lambda s, z, y: _bce(s, z, y).mean(-1), SOFT, "over=mean"),
    Call("prob_bce", "special.xlogy+xlog1py",
         lambda s, p, y: -(s.special.xlogy(y, p) + s.special.xlog1py(1 - y, -p)), SOFT),
    Call("prob_bce", "stats.bernoulli.logpmf", lambda s, p, y: -s.stats.bernoulli.logpmf(y, p), BINARY),
    Call("margin_logistic", "special.log_expit", lambda s, z, y: -s.special.log_expit(y * z), SIGNED),
    Call("margin_logistic", "special.softplus", lambda s, z, y: s.special.softplus(-y * z), SIGNED),
    Call("sigmoid_mse", "special.expit", lambda s, z, y: (s.special.expit(z) - y) ** 2 / 2, SOFT),
    Call("bernoulli_likelihood", "special.expit+prod",
         lambda s, z, y: s.special.expit((2 * y - 1) * z).prod(-1), BINARY),
    Call("bernoulli_log_likelihood", "special.log_expit+sum",
         lambda s, z, y: s.special.log_expit((2 * y - 1) * z).sum(-1), BINARY),
    Call("sigmoid", "special.expit", lambda s, x: s.special.expit(x)),
    Call("log_sigmoid", "special.log_expit", lambda s, x: s.special.log_expit(x)),
    Call("softplus", "special.softplus", lambda s, x: s.special.softplus(x)),
    Call("softmax", "special.softmax", lambda s, x: s.special.softmax(x, axis=-1)),
    Call("log_softmax", "special.log_softmax", lambda s, x: s.special.log_softmax(x, axis=-1)),
    Call("logsumexp", "special.logsumexp", lambda s, x: s.special.logsumexp(x, axis=-1)),
)  # fmt: skip

LACKS_DTYPES = {"bfloat16": unsupported("NumPy, whose arrays SciPy takes, has no bfloat16")}
MISSING = {"prob_xent:index": unsupported("SciPy's entropies take distributions, not class indices")}


class ScipyAdapter(NumpyAdapter):
    """SciPy on NumPy arrays."""

    library = "scipy"
    requires = ("scipy",)
    distribution = "scipy"
    lacks_dtypes = LACKS_DTYPES
    calls = CALLS
    missing = MISSING

    def load(self) -> Any:
        """Import scipy with the two packages of the table."""
        import scipy.special
        import scipy.stats

        return scipy


ADAPTER = ScipyAdapter()
