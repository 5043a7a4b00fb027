"""Options inside kernels: the same numbers whichever way a call takes, contents read and checked at every call."""

import gc
import itertools
import warnings
import weakref

import numpy as np
import pytest

from lossbench import native
from lossbench.native import choice

inf, nan = np.inf, np.nan
DTYPES = ["float32", "float64"]
N, K = 70, 11


def arguments(name, dtype, formats, rng, labels):
    """Inputs of a form, some of them with losses that are exactly or nearly 0."""
    kind = formats[dtype][0]
    shape = (N, K) if native.__dict__[name].rows else (N,)
    x = rng.normal(0, 4, shape)
    x = rng.uniform(0.01, 0.99, shape) if name.startswith("prob") else x
    if labels == "index":
        return x.astype(kind), rng.integers(0, K, N)
    if labels == "signs":
        return x.astype(kind), rng.choice([-1.0, 1.0], shape).astype(kind)
    y = rng.integers(0, 2, shape) if labels == "hard" else rng.dirichlet(np.ones(K), N) if len(shape) == 2 else x
    return x.astype(kind), (rng.uniform(0, 1, shape) if y is x else y).astype(kind)


def choices(name, labels, dtype, formats, rng):
    """Pairs of options of a form and a reduction. Each kind is a kernel to compile: few cover what there is."""
    samples = rng.choice([0.0, 0.25, 1.0, 1.7], N)
    native_samples = samples.astype(formats[dtype][0])
    taken = native.__dict__[name].options
    weights = {"sample_weight": native_samples}
    if "smoothing" in taken:
        weights |= {"weight": rng.uniform(0, 2, K)} | ({"ignore_index": 3} if labels == "index" else {})
        smooth = {"label_smoothing": 0.3, "smoothing": "K-1" if labels == "soft" else "K", "weight": weights["weight"]}
    elif "over" in taken:
        weights |= {"weight": rng.uniform(0, 2, K), "pos_weight": rng.uniform(0.5, 3, K), "over": "mean"}
        smooth = {"label_smoothing": 0.2, "pos_weight": 2.5}
    else:
        weights |= {"pos_weight": 0.25} if "pos_weight" in taken else {}
        smooth = {"label_smoothing": 0.25} if "label_smoothing" in taken else {}
    yield weights, "none"
    yield {**weights, "denominator": "sum_w", "sample_weight": samples}, "mean"
    yield smooth, "mean"
    yield smooth, "none"


CASES = [
    *itertools.product(["softmax_xent"], ["index", "soft"]),
    ("prob_xent", "index"),
    *itertools.product(["sigmoid_bce", "multilabel_bce", "prob_bce"], ["hard"]),
    ("margin_logistic", "signs"),
]


def same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "labels"), CASES)
def test_every_way_gives_the_same(name, labels, dtype, formats, ulp_gap):
    form, rng = native.__dict__[name], np.random.default_rng(0)
    x, y = arguments(name, dtype, formats, rng, labels)
    cotangents = rng.normal(0, 1, N if form.rows else x.shape).astype(np.float32)
    for options, reduction in choices(name, labels, dtype, formats, rng):
        given = dict(options, reduction=reduction, grad_out=cotangents if reduction == "none" else -1.75)
        first = form.value_and_grad(x, y, **given)
        same(first, form.value_and_grad(x, y, **given))
        same(first, form.prepare(x, y, **given).value_and_grad())
        same(first, form.value_and_grad(x, y, threads=1, **given))
        out = tuple(np.full_like(a, nan) for a in first)
        for _ in range(2):
            assert form.value_and_grad(x, y, out=out, **given)[1] is out[1]
        same(first, out)
        with choice.using("numpy"):
            plain = form.value_and_grad(x, y, **given)
        assert max(ulp_gap(a, b, dtype) for a, b in zip(first, plain, strict=True)) <= 1, options
        value = {k: v for k, v in given.items() if k != "grad_out"}
        got = form(x, y, **value)
        same([got], [form(x, y, **value)])
        assert ulp_gap(got, plain[0], dtype) <= 1, options


@pytest.fixture
def ulp_gap(formats):
    """The largest difference in ulps of the larger; of 2^-20 of the largest where sums cancel."""

    def gap(a, b, dtype):
        a, b = a.astype(np.float64), b.astype(np.float64)
        precision = formats[dtype][1]
        size = np.maximum(np.abs(a), np.abs(b))
        unit = np.exp2(np.floor(np.log2(np.maximum(size, np.max(size, initial=0) * 2.0**-20 + 1e-300))) + 1 - precision)
        return float(np.max(np.abs(a - b) / unit, initial=0))

    return gap


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "labels"), CASES)
def test_a_row_that_needs_numpy_changes_no_other(name, labels, dtype, formats):
    form, rng = native.__dict__[name], np.random.default_rng(1)
    x, y = arguments(name, dtype, formats, rng, labels)
    broken = x.copy()
    broken[5] = nan
    others = np.delete(np.arange(N), 5)
    for options, reduction in choices(name, labels, dtype, formats, rng):
        if reduction == "none":
            want, got = (form.value_and_grad(a, y, **options) for a in (x, broken))
            for a, b in zip(want, got, strict=True):
                np.testing.assert_array_equal(a[others], b[others])


def test_arrays_are_read_at_every_call():
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 3, (9, 4)).astype(np.float32), rng.integers(0, 4, 9)
    weight, samples, out = rng.uniform(0, 2, 4), rng.uniform(0, 2, 9), np.empty((9, 4), np.float32)
    cotangents = rng.normal(0, 1, 9)
    for denominator in ("N", "sum_w"):
        for reduction in ("none", "mean"):
            for _ in range(4):
                weight += 0.5
                samples[rng.integers(9)] += 1
                cotangents *= -1.5
                x[rng.integers(9)] += 1
                y[:] = rng.permutation(y)
                options = {"denominator": denominator, "reduction": reduction}
                given = cotangents if reduction == "none" else cotangents[0]
                got = native.softmax_xent.grad(
                    x, y, weight=weight, sample_weight=samples, grad_out=given, out=out, **options
                )
                want = native.softmax_xent.prepare(
                    x, y, weight=weight, sample_weight=samples, grad_out=np.array(given), **options
                )
                np.testing.assert_array_equal(got, want.grad())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_wrong_contents_are_refused_at_every_call(reduction, threads):
    rng = np.random.default_rng(3)
    shape = (5000, 16)  # enough for two threads
    x, y = rng.normal(0, 3, shape).astype(np.float32), rng.integers(0, 16, shape[0])
    hard = rng.integers(0, 2, shape).astype(np.float32)
    weight, samples = rng.uniform(0, 2, 16), rng.uniform(0, 2, shape[0]).astype(np.float32)
    out = np.empty(() if reduction == "mean" else shape[0], np.float32), np.empty(shape, np.float32)
    common = {"reduction": reduction, "threads": threads, "sample_weight": samples, "out": out}
    calls = {
        "y": (y, lambda: native.softmax_xent.value_and_grad(x, y, weight=weight, ignore_index=-1, **common)),
        "weight": (weight, lambda: native.softmax_xent.value_and_grad(x, y, weight=weight, **common)),
        "sample_weight": (samples, lambda: native.softmax_xent.value_and_grad(x, y, label_smoothing=0.1, **common)),
        "pos_weight": (weight, lambda: native.multilabel_bce.value_and_grad(x, hard, pos_weight=weight, **common)),
    }
    for name, (array, call) in calls.items():
        call()
        for bad in (-2, 16 if name == "y" else inf):
            for place in (0, -1):
                kept, array[place] = array[place], bad
                for buffer in out:
                    buffer[...] = 7
                with pytest.raises(ValueError, match=rf"_xent: {name}|_bce: {name}"):
                    call()
                assert all((buffer == 7).all() for buffer in out)
                array[place] = kept
    y[3] = -1
    value, grad = native.softmax_xent.value_and_grad(x, y, weight=weight, ignore_index=-1, **common)
    assert not grad[3].any()
    assert reduction == "mean" or value[3] == 0


def test_outputs_are_checked_at_every_call():
    x, y = np.zeros((5, 3), np.float32), np.zeros(5, np.int64)
    value, grad = np.empty(5, np.float32), np.empty((5, 3), np.float32)
    native.softmax_xent.value_and_grad(x, y, out=(value, grad))
    with pytest.raises(ValueError, match=r"out \(gradient\): shares memory"):
        native.softmax_xent.value_and_grad(x, y, out=(value, x))
    with pytest.raises(ValueError, match="out: got shape"):
        native.softmax_xent.value_and_grad(x, y, out=(value[:4], grad))
    with pytest.raises(TypeError, match="out: got dtype"):
        native.softmax_xent.value_and_grad(x, y, out=(value.astype(float), grad))
    spread = np.empty((5, 6), np.float32)[:, ::2]
    native.softmax_xent.value_and_grad(x, y, out=(value, spread))
    np.testing.assert_array_equal(spread, grad)
    grad.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        native.softmax_xent.value_and_grad(x, y, out=(value, grad))


def test_numbers_of_other_formats_are_exact_weights_and_labels():
    rng = np.random.default_rng(4)
    x = rng.normal(0, 3, (6, 4)).astype(np.float32)
    onehot = np.eye(4)[[0, 1, 2, 3, 0, 1]]
    mask = np.array([1, 0, 1, 1, 0, 1], bool)
    for _ in range(2):
        want = native.softmax_xent.value_and_grad(x, onehot.astype(np.float32), sample_weight=mask.astype(np.float32))
        same(want, native.softmax_xent.value_and_grad(x, onehot, sample_weight=mask))
    soft = onehot * 0.7 + 0.1  # not numbers of float32: evaluated as they are
    for _ in range(2):
        got = native.softmax_xent(x, soft)
        exact = native.softmax_xent(x.astype(np.float64), soft)
        assert (np.abs(got - exact) <= 0.51 * np.spacing(exact.astype(np.float32))).all()


def test_many_rows_of_small_losses_have_an_exact_mean():
    """Where most losses are far below the error of the short way, a sum is taken the long way."""
    rng = np.random.default_rng(5)
    for gap in (0.0, 3.0, 8.0, 14.0, 30.0):
        x = rng.normal(0, 1, (600, 40)).astype(np.float32)
        y = rng.integers(0, 40, 600)
        x[np.arange(600), y] += gap
        exact = native.softmax_xent(x.astype(np.float64), y)
        for reduction, want in (("sum", exact.sum()), ("mean", exact.mean())):
            got = float(native.softmax_xent(x, y, reduction=reduction))
            assert abs(got - want) <= 0.65 * np.spacing(np.float32(want)), (gap, reduction)


@pytest.mark.parametrize("form", ["prob_bce", "sigmoid_bce", "multilabel_bce", "softmax_xent"])
def test_extreme_weights_overflow_and_vanish_where_the_exact_products_do(form):
    x, y = np.array([[1e-100, 0.5, 0.25, 1e-3]] * 9), np.array([[1.0, 0.0, 1.0, 0.0]] * 9)
    call = native.__dict__[form]
    if not call.rows:
        x, y = x[0].repeat(5), y[0].repeat(5)
    for size in (1e300, 1e-320, 1e308, 0.0):
        weights = np.full(len(x), size)
        got = call.value_and_grad(x, y, sample_weight=weights)
        with choice.using("numpy"):
            want = call.value_and_grad(x, y, sample_weight=weights)
        for a, b in zip(got, want, strict=True):
            assert not np.isnan(b).any()
            np.testing.assert_array_max_ulp(a, b, maxulp=1)


def test_numbers_in_place_of_arrays_are_read_at_every_call():
    x, y, z, t = np.float32(0.5), np.float32(1.0), np.array([1.0, 2.0], np.float32), np.array(1)
    x, y = np.array(x), np.array(y)
    for factor in (1, 1, 4, 0.5, -2.0):
        for call, args in ((native.sigmoid_bce.grad, (x, y)), (native.softmax_xent.grad, (z, t))):
            np.testing.assert_array_equal(call(*args, grad_out=factor), np.float32(factor) * call(*args))
            if factor > 0:
                got = call(*args, sample_weight=factor)
                np.testing.assert_array_equal(got, np.float32(factor) * call(*args))
    rows, indices = np.stack([z, z]), np.array([0, 1])
    for threads in ([1], np.array([1, 2]), True):
        with pytest.raises(TypeError, match="threads"):
            native.softmax_xent(rows, indices, threads=threads)
    for factor in (1, 1):
        native.sigmoid_bce.grad(z, z > 1, reduction="sum", grad_out=factor)
    with pytest.raises(TypeError, match="grad_out"):
        native.sigmoid_bce.grad(z, z > 1, reduction="sum", grad_out=10**400)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_of_weights_near_the_ends_of_the_range(dtype):
    z, t = np.array([[1, 2, 3], [0, 1, 2]], dtype), np.array([0, 1])
    far = np.array([[1e9, 0, 0], [0, 1, 2]], dtype)
    first = 2.40760596
    for x, weights, want in ((z, [1.0, 1e-300], first), (far, [1.0, 2.0**-1000], 0.0), (z, [1e-300, 0.0], first)):
        for _ in range(2):
            got = native.softmax_xent(x, t, sample_weight=np.array(weights), reduction="mean", denominator="sum_w")
            assert abs(got - want) < 1e-6


def test_a_sum_of_values_of_both_signs_is_exact():
    x = np.full((8192, 2), -90, np.float32)
    x[:4096, 0], x[4096:, 0] = 5.3, -5.3
    x[0, 0] += np.float32(1e-3)
    exact = native.logsumexp(x.astype(np.float64), reduction="sum")
    assert abs(float(native.logsumexp(x, reduction="sum")) - exact) <= 0.51 * np.spacing(np.float32(exact))


def test_a_repeated_call_keeps_no_array_of_the_caller():
    arrays = {name: np.ones(100) for name in ("x", "y", "weights", "out")}
    seen = [weakref.ref(array) for array in arrays.values()]
    for _ in range(2):
        native.sigmoid_bce(arrays["x"], arrays["y"])
        options = {"sample_weight": arrays["weights"], "reduction": "mean", "denominator": "sum_w"}
        native.sigmoid_bce.grad(arrays["x"], arrays["y"], out=arrays["out"], **options)
    arrays.clear()
    options.clear()
    gc.collect()
    assert [one() for one in seen] == [None] * 4


def test_an_index_does_not_become_the_ignored_one():
    z, top = np.zeros((2, 3), np.float32), 2**64 - 1
    for _ in range(2):
        with pytest.raises(ValueError, match="class index"):
            native.softmax_xent(z, np.array([top, 1], np.uint64), ignore_index=-1)
        assert native.softmax_xent(z, np.array([top, 1], np.uint64), ignore_index=top)[0] == 0


def test_a_sum_of_bfloat16_below_the_normal_numbers_warns_of_nothing(formats):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        q = np.array([[1, 0]]).astype(formats["bfloat16"][0])
        assert native.prob_xent(q, np.array([0]), reduction="sum") == 0
