"""Options, weights and reductions of native against the certified reference: both must mean the same by each name."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench import native
from lossbench.reference import evaluate, form_of

K, N = 5, 40
WEIGHT = (0.5, 0.0, 3.0, 0.125, 1.75)
CLASSES = (
    {},
    {"weight": WEIGHT},
    {"label_smoothing": 0.25},
    {"label_smoothing": 0.1, "smoothing": "K-1", "weight": WEIGHT},
)
BINARY = ({}, {"pos_weight": 2.5}, {"label_smoothing": 0.25, "pos_weight": 0.3})
REDUCTIONS = (("none", "N"), ("sum", "N"), ("mean", "N"), ("mean", "sum_w"))
ULPS = {"float32": 1.0, "float64": 2.0}


def drawn(name, encoding, dtype):
    rng = np.random.default_rng(5)
    shape = (N, K) if form_of(name).class_axis else (N,)
    x = (rng.dirichlet(np.ones(K), N) if name == "prob_xent" else rng.normal(0, 6, shape)).astype(dtype)
    if name == "prob_bce":
        x = rng.uniform(0.01, 0.99, shape).astype(dtype)
    y = {
        "index": rng.integers(0, K, N),
        "soft": (rng.dirichlet(np.ones(K), N) * 0.75).astype(dtype),
        "binary": rng.integers(0, 2, shape).astype(dtype),
    }[encoding]
    return x, y


@pytest.mark.parametrize("dtype", ULPS)
@pytest.mark.parametrize(("reduction", "denominator"), REDUCTIONS)
@pytest.mark.parametrize(
    ("name", "encoding", "said"),
    [(n, e, s) for n in ("softmax_xent", "prob_xent") for e in ("index", "soft") for s in CLASSES]
    + [(n, "binary", s) for n in ("sigmoid_bce", "prob_bce") for s in BINARY]
    + [("multilabel_bce", "binary", s) for s in (*BINARY, {"weight": WEIGHT, "over": "mean"})],
    ids=str,
)
def test_the_same_name_means_the_same(name, encoding, said, reduction, denominator, dtype):
    form, (x, y) = form_of(name), drawn(name, encoding, dtype)
    weights = np.where(np.arange(N) % 4 == 0, 0.0, 1.5)
    if encoding == "index":
        y[3], said = -100, said | {"ignore_index": -100}
    got = getattr(native, name)(
        x, y, reduction=reduction, denominator=denominator, sample_weight=weights,
        **{k: np.array(v) if isinstance(v, tuple) else v for k, v in said.items()},
    )  # fmt: skip
    asked = {"reduction": reduction, "denominator": denominator, "sample_weight": weights, "check_every": 1}
    exact = evaluate(form, x, y, dtype, options=said, **asked)
    error = np.abs(np.ldexp(got.astype(float) - exact.value, -exact.ulp_exponent) - exact.tail)
    assert np.max(error) <= ULPS[dtype]
