"""Accurate losses of the cross-entropy family on NumPy arrays; a library in its own right.

Every form is one object: `form(z, y)` is the value, `form.grad`, `form.value_and_grad` and `form.hess_diag`
the rest, and `form.prepare(z, y)` a checked call that can be repeated on the same buffers. Building blocks
take x alone. `lossbench.native.form` documents the arguments that all share (reduction, out, threads,
grad_out), `lossbench.native.options` the options, each form its formula, shapes, domain, limits and error.

Kernels compiled by Numba compute where they can, else NumPy, to the same bounds: `implementation()` says which and
why, `using("numpy")` chooses. The formulas are written once, for lanes and pairs of float64, and either run on arrays
or write a kernel. Importing this package imports NumPy and ml_dtypes only.
"""

from __future__ import annotations

from .blocks import log_sigmoid, log_softmax, logsumexp, sigmoid, softmax, softplus
from .choice import implementation, using
from .losses import (
    bernoulli_likelihood,
    bernoulli_log_likelihood,
    margin_logistic,
    multilabel_bce,
    prob_bce,
    prob_xent,
    sigmoid_bce,
    sigmoid_mse,
    softmax_xent,
)

__all__ = [
    "bernoulli_likelihood",
    "bernoulli_log_likelihood",
    "implementation",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "margin_logistic",
    "multilabel_bce",
    "prob_bce",
    "prob_xent",
    "sigmoid",
    "sigmoid_bce",
    "sigmoid_mse",
    "softmax",
    "softmax_xent",
    "softplus",
    "using",
]
