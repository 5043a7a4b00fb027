"""Options and reductions against their definitions, written a second time; Hessian products by mpmath.diff."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.reference import evaluate, form_of
from lossbench.reference.form import hvp_direction
from lossbench.reference.formats import FORMATS, to_nearest
from lossbench.reference.options import Options, options_of
from tests.reference import direct

K, N = 4, 12
WEIGHT = (0.5, 0.0, 3.0, 0.1)
CLASS_OPTIONS = {
    "weight": {"weight": WEIGHT},
    "K": {"label_smoothing": 0.1},
    "K-1": {"label_smoothing": 0.3, "smoothing": "K-1"},
    "both": {"label_smoothing": 0.1, "weight": WEIGHT},
}
BINARY_OPTIONS = {"pos_weight": {"pos_weight": 2.7}, "smoothing": {"label_smoothing": 0.1}}
BINARY_OPTIONS["both"] = BINARY_OPTIONS["pos_weight"] | BINARY_OPTIONS["smoothing"]


def class_loss(mp, z, y, said, log):
    """L = sum_k w_k y'_k (-log p_k) with the labels smoothed first."""
    eps, size = mp.mpf(said.get("label_smoothing", 0.0)), len(z)
    if said.get("smoothing") == "K-1":
        y = [(1 - eps) * a + eps / (size - 1) * (1 - a) for a in y]
    else:
        y = [(1 - eps) * a + eps / size for a in y]
    return -sum(mp.mpf(w) * a * b for w, a, b in zip(said.get("weight", [1] * size), y, log(mp, z), strict=True))


def binary_loss(mp, z, y, said, g):
    eps, c = mp.mpf(said.get("label_smoothing", 0.0)), mp.mpf(said.get("pos_weight", 1.0))
    y = (1 - eps) * y + eps / 2
    return -(c * y * mp.log(g(mp, z)) + (1 - y) * mp.log(1 - g(mp, z)))


def log_softmax(mp, z):
    return [mp.log(p) for p in direct.softmax(mp, z)]


def logs(mp, q):
    return [mp.log(p) for p in q]


def numbers(mp, values):
    return [mp.mpf(float(v)) for v in np.atleast_1d(values)]


def rows(dtype, name):
    rng = np.random.default_rng(7)
    x = rng.dirichlet(np.ones(K), N) * 0.75 + 2.0**-6 if name == "prob_xent" else rng.normal(0, 4, (N, K))
    return to_nearest(x, dtype), rng.integers(0, K, N), to_nearest(rng.dirichlet(np.ones(K), N) * 1.25, dtype)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("options", CLASS_OPTIONS)
@pytest.mark.parametrize("name", ["softmax_xent", "prob_xent"])
def test_options_of_classes(name, options, dtype):
    said, fmt, mp = CLASS_OPTIONS[options], FORMATS[dtype], direct.context()
    x, index, soft = rows(dtype, name)  # the soft rows do not sum to 1
    log = logs if name == "prob_xent" else log_softmax
    for y in (index, np.eye(K)[index], np.minimum(soft, 1.0)):
        got = evaluate(form_of(name), x, y, dtype, options=said, check_every=1).value
        for i in range(N):
            label = np.eye(K)[y[i]] if y.ndim == 1 else y[i]
            want = class_loss(mp, numbers(mp, x[i]), numbers(mp, label), said, log)
            assert float(got[i]) == direct.round_fraction(want, fmt)


@pytest.mark.parametrize("dtype", ["float8_e5m2", "float16", "float32", "float64"])
@pytest.mark.parametrize("options", BINARY_OPTIONS)
@pytest.mark.parametrize("name", ["sigmoid_bce", "prob_bce", "multilabel_bce"])
def test_options_of_binary_labels(name, options, dtype):
    said, fmt, mp = BINARY_OPTIONS[options], FORMATS[dtype], direct.context()
    x, _, _ = rows(dtype, "prob_xent" if name == "prob_bce" else name)
    y = to_nearest(np.random.default_rng(1).uniform(0, 1, x.shape), dtype)
    y[:4] = np.round(y[:4])
    g = (lambda mp, p: p) if name == "prob_bce" else direct.g
    if name != "multilabel_bce":
        x, y = x[:, 0], y[:, 0]
    got = evaluate(form_of(name), x, y, dtype, options=said, check_every=1).value
    for i in range(N):
        pairs = zip(numbers(mp, x[i]), numbers(mp, y[i]), strict=True)
        want = sum(binary_loss(mp, a, b, said, g) for a, b in pairs)
        assert float(got[i]) == direct.round_fraction(want, fmt)


def test_weights_of_outputs_and_their_mean():
    x, _, _ = rows("float32", "multilabel_bce")
    y = np.indices(x.shape).sum(0) % 2.0
    said = {"weight": WEIGHT, "pos_weight": (1.0, 2.0, 0.5, 0.0), "over": "mean"}
    got = evaluate(form_of("multilabel_bce"), x, y, "float64", options=said, check_every=1).value
    mp = direct.context()
    for i in range(N):
        terms = [
            mp.mpf(w) * binary_loss(mp, a, b, {"pos_weight": c}, direct.g)
            for w, c, a, b in zip(WEIGHT, said["pos_weight"], numbers(mp, x[i]), numbers(mp, y[i]), strict=True)
        ]
        assert float(got[i]) == direct.round_fraction(sum(terms) / K, FORMATS["float64"])


@pytest.mark.parametrize("quantity", ["value", "grad:z"])
@pytest.mark.parametrize("denominator", ["N", "sum_w"])
def test_weighted_means_and_ignored_rows(denominator, quantity):
    x, index, _ = rows("float32", "softmax_xent")
    index[[1, 5]] = -100
    x[5] = np.nan
    s = np.where(np.arange(N) % 3 == 0, 0.3, 2.0)
    said = {"weight": WEIGHT, "ignore_index": -100}
    form = form_of("softmax_xent")
    asked = {"options": said, "reduction": "mean", "sample_weight": s, "denominator": denominator, "check_every": 1}
    got = evaluate(form, x, index, "float64", quantity, **asked).value
    mp = direct.context()
    kept = [i for i in range(N) if index[i] != -100]
    weights = {i: mp.mpf(float(s[i])) * mp.mpf(WEIGHT[index[i]]) for i in kept}
    divisor = mp.mpf(len(kept)) if denominator == "N" else sum(weights.values())
    if quantity == "value":
        total = sum(-weights[i] * log_softmax(mp, numbers(mp, x[i]))[index[i]] for i in kept)
        assert float(got) == direct.round_fraction(total / divisor, FORMATS["float64"])
        return
    for i in range(N):
        for k in range(K):
            want = mp.mpf(0)
            if i in kept:
                want = weights[i] * (direct.softmax(mp, numbers(mp, x[i]))[k] - int(k == index[i])) / divisor
            assert float(got[i, k]) == direct.round_fraction(want, FORMATS["float64"])


@pytest.mark.parametrize("name", ["softmax_xent", "logsumexp"])
@pytest.mark.parametrize("options", ["", "label_smoothing=0.1,weight=0.5;0.0;3.0;0.1"])
def test_hessian_products_are_derivatives_of_the_gradient(name, options):
    if name == "logsumexp" and options:
        return
    form, mp, fmt = form_of(name), direct.context(900), FORMATS["float32"]
    x, index, _ = rows("float32", name)
    y = index if name == "softmax_xent" else None
    got = evaluate(form, x, y, "float32", "hvp:z", options, check_every=1).value
    v = hvp_direction(K)
    said = options_of(options, form.accepts, name)
    for i in range(N):
        z = numbers(mp, x[i])

        def loss(t, s, k, z=z, i=i):
            moved = [a + t * mp.mpf(b) for a, b in zip(z, v, strict=True)]
            moved[k] += s
            if y is None:
                return mp.log(sum(mp.exp(a) for a in moved))
            label = numbers(mp, np.eye(K)[index[i]])
            return class_loss(mp, moved, label, said.named(), log_softmax)

        for k in range(K):
            want = mp.diff(lambda t, s, k=k: loss(t, s, k), (0, 0), (1, 1))
            assert float(got[i, k]) == direct.round_fraction(want, fmt)


def test_the_direction_is_a_number_of_every_format():
    v = np.array(hvp_direction(50))
    assert len(set(v)) > 10 and max(abs(v)) <= 1
    for dtype in FORMATS:
        np.testing.assert_array_equal(to_nearest(v, dtype), v)


@pytest.mark.parametrize(
    "said",
    [{}, {"over": "mean"}, {"weight": (1.0, 0.1)}, {"normalized": True}, {"pos_weight": 2.5, "ignore_index": -1}],
)
def test_a_canonical_string_says_the_same_as_the_options(said):
    accepted = ("over", "weight", "normalized", "pos_weight", "ignore_index")
    options = Options(**said)
    assert options_of(str(options), accepted, "a form") == options
    assert options_of(said, accepted, "a form") == options
    assert options_of(options, accepted, "a form") == options
