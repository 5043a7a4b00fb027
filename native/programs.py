"""Formulas by the names that kernels carry."""

from __future__ import annotations

from .blocks import log_sigmoid, log_softmax, logsumexp, sigmoid, softmax, softplus
from .form import Form
from .formula import Formula
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

FORMS: tuple[Form, ...] = (
    prob_xent,
    softmax_xent,
    sigmoid_bce,
    multilabel_bce,
    prob_bce,
    margin_logistic,
    sigmoid_mse,
    bernoulli_likelihood,
    bernoulli_log_likelihood,
    sigmoid,
    log_sigmoid,
    softplus,
    softmax,
    log_softmax,
    logsumexp,
)


def form_of(name: str) -> Form:
    """Return the form of a name."""
    return next(form for form in FORMS if form.name == name)


def formula_of(form: str, variant: str) -> Formula:
    """Return the formula of a form; variant: "" or "normalized"."""
    one = form_of(form)
    return one.normalized if variant == "normalized" else one.formula
