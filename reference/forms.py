"""The forms there are, one name a line."""

from __future__ import annotations

import difflib

from lossbench.reference.categorical import LOG_SOFTMAX, LOGSUMEXP, SOFTMAX, SOFTMAX_XENT
from lossbench.reference.form import Form
from lossbench.reference.likelihood import BERNOULLI_LIKELIHOOD, BERNOULLI_LOG_LIKELIHOOD, MULTILABEL_BCE
from lossbench.reference.logistic import (
    LOG_SIGMOID,
    MARGIN_LOGISTIC,
    SIGMOID,
    SIGMOID_BCE,
    SIGMOID_MSE,
    SOFTPLUS,
)
from lossbench.reference.probability import PROB_BCE, PROB_XENT

FORMS: tuple[Form, ...] = (
    PROB_XENT,
    SOFTMAX_XENT,
    SIGMOID_BCE,
    MULTILABEL_BCE,
    PROB_BCE,
    MARGIN_LOGISTIC,
    SIGMOID_MSE,
    BERNOULLI_LIKELIHOOD,
    BERNOULLI_LOG_LIKELIHOOD,
    SIGMOID,
    LOG_SIGMOID,
    SOFTPLUS,
    SOFTMAX,
    LOG_SOFTMAX,
    LOGSUMEXP,
)


def form_of(name: str) -> Form:
    """Return the form called `name`; ValueError gives the nearest names."""
    for form in FORMS:
        if form.name == name:
            return form
    names = [form.name for form in FORMS]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names
    raise ValueError(f"form: got {name!r}, nearest are {', '.join(near)}")
