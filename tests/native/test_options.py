"""Weights, smoothing, ignored rows, sample weights, denominators and axes, against the textbook at 2600 bits."""

import mpmath
import numpy as np
import pytest

from lossbench import native

mpf = mpmath.mpf
BOUNDS = {"float32": (0.51, 2.0**-40), "float64": (1.0, 2.0**-80)}
inf, nan = np.inf, np.nan


@pytest.fixture(autouse=True, params=["numba", "numpy"])
def chosen(request, compute_with):
    compute_with(request.param)


def numbers(x):
    return [mpf(float(v)) for v in np.ravel(x)]


def smooth(y, eps, classes, kind="K"):
    eps = mpf(eps)
    if kind == "K":
        return [(1 - eps) * v + eps / classes for v in y]
    return [(1 - eps) * v + eps / (classes - 1) * (1 - v) for v in y]


def xent(z, y, weight):
    """(value, [(gradient, sum of absolute terms)]) of sum_k w_k y_k (-log p_k)."""
    e = [mpmath.exp(v) for v in z]
    total = mpmath.fsum(e)
    y = [a * b for a, b in zip(y, weight, strict=True)]
    mass = mpmath.fsum(y)
    value = -mpmath.fsum(a * mpmath.log(v / total) for a, v in zip(y, e, strict=True) if a)
    return value, [(mass * v / total - a, mass * v / total + a) for a, v in zip(y, e, strict=True)]


def bce(z, y, c):
    """(value, (gradient, sum of absolute terms)) of -(c y log g + (1-y) log(1-g))."""
    g = 1 / (1 + mpmath.exp(-z))
    miss = 1 / (1 + mpmath.exp(z))
    a, b = c * y, 1 - y
    value = -((a * mpmath.log(g) if a else 0) + (b * mpmath.log(miss) if b else 0))
    return value, (b * g - a * miss, b * g + a * miss)


def holds(ulps, got, want, dtype, terms=0):
    bound, c = BOUNDS[dtype]
    allowed = bound + float(c * terms / ulps.unit(want, dtype))
    assert ulps.error(got, want, dtype) <= allowed, (got, want)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("smoothing", ["K", "K-1"])
@pytest.mark.parametrize("eps", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("encoding", ["index", "onehot", "soft"])
def test_class_weights_and_smoothing(encoding, eps, smoothing, dtype, ulps):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 30, (6, 4)).astype(dtype)
    weight = np.array([0.3, 1.0, 0.0, 2.7])
    samples = np.array([0.1, 1.0, 2.0, 0.0, 3.0, 0.7])
    t = np.array([0, 1, 2, 3, 0, 1])
    y = rng.dirichlet(np.ones(4), 6).astype(dtype) if encoding == "soft" else np.eye(4)[t].astype(dtype)
    given = t if encoding == "index" else y
    options = {"weight": weight, "label_smoothing": eps, "smoothing": smoothing, "sample_weight": samples}
    value, grad = native.softmax_xent.value_and_grad(z, given, **options)
    with mpmath.workprec(2600):
        for i in range(6):
            soft = smooth(numbers(y[i]), eps, 4, smoothing)
            want, slope = xent(numbers(z[i]), soft, numbers(weight))
            s = mpf(samples[i])
            holds(ulps, value[i], want * s, dtype)
            for k in range(4):
                holds(ulps, grad[i, k], slope[k][0] * s, dtype, slope[k][1] * s)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("eps", [0.0, 0.1])
@pytest.mark.parametrize("labels", ["binary", "soft"])
def test_binary_options(labels, eps, dtype, ulps):
    rng = np.random.default_rng(1)
    z = rng.normal(0, 40, (5, 3)).astype(dtype)
    y = (rng.integers(0, 2, (5, 3)) if labels == "binary" else rng.uniform(0, 1, (5, 3))).astype(dtype)
    c, weight = np.array([0.5, 3.3, 0.0]), np.array([2.0, 0.1, 1.5])
    both = {"pos_weight": c, "weight": weight, "label_smoothing": eps}
    value, grad = native.multilabel_bce.value_and_grad(z, y, over="mean", **both)
    single, slope = native.sigmoid_bce.value_and_grad(z, y, pos_weight=3.3, label_smoothing=eps)
    squared = native.sigmoid_mse(z, y, label_smoothing=eps)
    with mpmath.workprec(2600):
        for i in range(5):
            soft = [(1 - mpf(eps)) * v + mpf(eps) / 2 for v in numbers(y[i])]
            parts = [bce(*args) for args in zip(numbers(z[i]), soft, numbers(c), strict=True)]
            w = numbers(weight)
            holds(ulps, value[i], mpmath.fsum(a * p[0] for a, p in zip(w, parts, strict=True)) / 3, dtype)
            for k in range(3):
                holds(ulps, grad[i, k], w[k] * parts[k][1][0] / 3, dtype, w[k] * parts[k][1][1])
                want, (g, terms) = bce(numbers(z[i])[k], soft[k], mpf(3.3))
                holds(ulps, single[i, k], want, dtype)
                holds(ulps, slope[i, k], g, dtype, terms)
                r = 1 / (1 + mpmath.exp(-numbers(z[i])[k])) - soft[k]
                holds(ulps, squared[i, k], r * r / 2, dtype, 2 * abs(r))


def test_probabilities_take_the_same_options(ulps):
    q, p = np.array([[0.2, 0.3, 0.5]]), np.array([0.25])
    got = native.prob_xent(q, np.array([2]), weight=[1.0, 2.0, 0.3], label_smoothing=0.1)
    with mpmath.workprec(200):
        soft = smooth(numbers([0, 0, 1]), 0.1, 3)
        w = numbers([1.0, 2.0, 0.3])
        want = -mpmath.fsum(a * b * mpmath.log(v) for a, b, v in zip(w, soft, numbers(q), strict=True))
        holds(ulps, got[0], want, "float64")
        y = (1 - mpf(0.1)) + mpf(0.1) / 2
        want = -(mpf(1.5) * y * mpmath.log(mpf(0.25)) + (1 - y) * mpmath.log(mpf(0.75)))
        holds(ulps, native.prob_bce(p, [1], pos_weight=1.5, label_smoothing=0.1)[0], want, "float64")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("form", ["softmax_xent", "prob_xent"])
def test_ignored_rows_are_zero_whatever_they_hold(form, dtype, formats):
    op = getattr(native, form)
    z = np.array([[0.25, 0.5], [nan, inf], [0.5, 0.75]]).astype(formats[dtype][0])
    t = np.array([1, -100, 0])
    value, grad = op.value_and_grad(z, t, ignore_index=-100)
    kept = op.value_and_grad(z[[0, 2]], t[[0, 2]])
    np.testing.assert_array_equal(value, [kept[0][0], 0, kept[0][1]])
    np.testing.assert_array_equal(grad[1], [0, 0])
    np.testing.assert_array_equal(grad[[0, 2]], kept[1])
    np.testing.assert_array_equal(op.hess_diag(z, t, ignore_index=-100)[1], [0, 0])
    mean = op(z, t, ignore_index=-100, reduction="mean")
    assert mean == op(z[[0, 2]], t[[0, 2]], reduction="mean")
    slope = op.grad(z, t, ignore_index=-100, reduction="mean")
    np.testing.assert_array_equal(slope[[0, 2]], op.grad(z[[0, 2]], t[[0, 2]], reduction="mean"))
    with pytest.raises(ValueError, match=r"y\[1\]: got -100"):
        op(z, t)


def test_denominators(ulps):
    rng = np.random.default_rng(2)
    z, t = rng.normal(0, 3, (7, 3)), np.array([0, 1, 2, 0, 1, 2, 0])
    w, s = np.array([0.1, 0.7, 1.9]), rng.uniform(0, 2, 7)
    y = np.eye(3)[t]
    total = native.softmax_xent(z, t, weight=w, sample_weight=s, reduction="sum")
    for labels in (t, y):
        options = {"weight": w, "sample_weight": s, "reduction": "mean"}
        by_n = native.softmax_xent(z, labels, **options)
        by_w = native.softmax_xent(z, labels, denominator="sum_w", **options)
        np.testing.assert_array_max_ulp(by_n, total / 7, maxulp=1)
        np.testing.assert_array_max_ulp(by_w, total / np.sum(w[t] * s), maxulp=3)
        grad = native.softmax_xent.grad(z, labels, denominator="sum_w", **options)
        each = native.softmax_xent.grad(z, labels, weight=w, sample_weight=s)
        np.testing.assert_array_max_ulp(grad, each / np.sum(w[t] * s), maxulp=3)
    ignoring = {"reduction": "mean", "ignore_index": 2, "denominator": "sum_w"}
    kept = t != 2
    want = native.softmax_xent(z[kept], t[kept], reduction="sum") / kept.sum()
    np.testing.assert_array_max_ulp(native.softmax_xent(z, t, **ignoring), want, maxulp=1)
    x, b = z[:, 0], (t > 0).astype(float)
    got = native.sigmoid_bce(x, b, sample_weight=s, reduction="mean", denominator="sum_w")
    np.testing.assert_array_max_ulp(got, np.sum(native.sigmoid_bce(x, b) * s) / s.sum(), maxulp=4)


def test_denominators_of_nothing():
    z, t = np.array([[1.0, 2.0]]), np.array([0])
    for options in ({"ignore_index": 0}, {"sample_weight": [0.0], "denominator": "sum_w"},
                    {"weight": [0.0, 1.0], "denominator": "sum_w"}):  # fmt: skip
        assert native.softmax_xent(z, t, reduction="mean", **options) == 0
        np.testing.assert_array_equal(native.softmax_xent.grad(z, t, reduction="mean", **options), [[0, 0]])
    empty = native.softmax_xent(np.empty((0, 2)), np.empty(0, int), reduction="mean", denominator="sum_w")
    assert np.isnan(empty)


def test_zero_weights_silence_infinity_but_not_nan():
    z = np.array([[-inf, 0.0], [nan, 0.0], [-inf, 0.0]])
    t = np.array([0, 0, 1])
    np.testing.assert_array_equal(native.softmax_xent(z, t), [inf, nan, 0])
    np.testing.assert_array_equal(native.softmax_xent(z, t, sample_weight=[0.0, 0.0, 0.0]), [0, nan, 0])
    np.testing.assert_array_equal(native.softmax_xent(z, t, weight=[0.0, 1.0]), [0, nan, 0])
    got = native.sigmoid_bce(np.array([inf, nan]), np.zeros(2), sample_weight=[0.0, 0.0])
    np.testing.assert_array_equal(got, [0, nan])
    np.testing.assert_array_equal(native.sigmoid_bce(np.array([-inf]), [1.0], pos_weight=0.0), [0])
    # A smoothed label gives every class a weight: a masked class then costs infinitely much.
    assert native.softmax_xent(z[2:], t[2:], label_smoothing=0.1)[0] == inf


def test_any_axis_can_be_that_of_the_classes():
    rng = np.random.default_rng(3)
    z = rng.normal(0, 3, (4, 5, 3))
    t = rng.integers(0, 5, (4, 3))
    last = np.moveaxis(z, 1, -1)
    value, grad = native.softmax_xent.value_and_grad(z, t, axis=1)
    want, slope = native.softmax_xent.value_and_grad(last, t)
    np.testing.assert_array_equal(value, want)
    np.testing.assert_array_equal(grad, np.moveaxis(slope, -1, 1))
    out = np.empty((4, 5, 3))
    assert native.softmax(z, axis=-2, out=out) is out
    np.testing.assert_array_equal(out, np.moveaxis(native.softmax(last), -1, 1))
    y = native.softmax(z, axis=1)
    np.testing.assert_array_equal(native.softmax_xent(z, y, axis=1),
                                  native.softmax_xent(last, np.moveaxis(y, 1, -1)))  # fmt: skip
    assert native.logsumexp(z, axis=0).shape == (5, 3)
    with pytest.raises(ValueError, match="axis: got 3"):
        native.logsumexp(z, axis=3)
    with pytest.raises(TypeError, match="axis"):
        native.sigmoid(z, axis=0)


BAD = {
    "weight shape": ({"weight": [1.0, 2.0]}, ValueError, "weight: got shape \\(2,\\); wants \\(3,\\)"),
    "negative weight": ({"weight": [1.0, -2.0, 1.0]}, ValueError, "weight\\[1\\]: got -2.0"),
    "infinite sample": ({"sample_weight": [inf, 1.0]}, ValueError, "sample_weight\\[0\\]: got inf"),
    "sample shape": ({"sample_weight": [[1.0], [1.0]]}, ValueError, "sample_weight: got shape \\(2, 1\\)"),
    "eps": ({"label_smoothing": 1.5}, ValueError, "label_smoothing: got 1.5"),
    "eps type": ({"label_smoothing": "a"}, TypeError, "label_smoothing: got 'a'"),
    "smoothing": ({"smoothing": "k"}, ValueError, "smoothing: got 'k'"),
    "ignore": ({"ignore_index": 1.0}, TypeError, "ignore_index: got 1.0"),
    "denominator": ({"denominator": "w"}, ValueError, "denominator: got 'w'; wants one of 'N', 'sum_w'"),
    "not its option": ({"pos_weight": 2.0}, TypeError, "unknown option 'pos_weight'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_refused_before_anything_is_written(name):
    options, error, message = BAD[name]
    out = np.full(2, 7.0)
    with pytest.raises(error, match=message):
        native.softmax_xent(np.zeros((2, 3)), np.array([0, 1]), out=out, **options)
    np.testing.assert_array_equal(out, [7, 7])


def test_sample_weights_may_not_be_the_output():
    s = np.ones(2)
    with pytest.raises(ValueError, match="shares memory with sample_weight"):
        native.softmax_xent(np.zeros((2, 3)), np.array([0, 1]), out=s, sample_weight=s)
