"""What must agree: encodings, layouts, reductions, equivalent forms, cotangents."""

import numpy as np
import pytest

from lossbench import native
from lossbench.native.form import Form

FORMS = [op for name in native.__all__ if isinstance(op := getattr(native, name), Form)]
DTYPES = ["float16", "bfloat16", "float32", "float64"]


def case(form, rng, shape, dtype=np.float64):
    """Arguments of a form: x of this shape, classes last where it has them, and labels if it takes any."""
    unit = form.argument in ("p", "q")
    x = (rng.uniform(0.05, 0.95, shape) if unit else rng.normal(0, 5, shape)).astype(dtype)
    if not form.labels:
        return (x,)
    y = rng.integers(0, 2, shape) if form.labels == "bits" else rng.uniform(0, 1, shape)
    if form.labels == "signs":
        y = np.sign(y - 0.5)
    return x, y.astype(dtype)


def quantities(form, *args, **options):
    return [*form.value_and_grad(*args, **options), form.hess_diag(*args, **options)]


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_leading_axes_and_layouts(form):
    rng = np.random.default_rng(0)
    args = case(form, rng, (3, 4, 5))
    want = quantities(form, *args)
    flat = quantities(form, *(a.reshape(12, 5) for a in args))
    strided = quantities(form, *(np.repeat(a, 2, axis=2)[:, :, ::2] for a in args))
    fortran = quantities(form, *(np.asfortranarray(a) for a in args))
    swapped = quantities(form, *(a.astype(">f8") for a in args))
    for k, full in enumerate(want):
        assert full.dtype == np.float64
        np.testing.assert_array_equal(full.reshape(flat[k].shape), flat[k])
        for other in (strided, fortran, swapped):
            np.testing.assert_array_equal(full, other[k])
    reversed_cases = quantities(form, *(a[::-1] for a in args))
    np.testing.assert_array_equal(want[1], reversed_cases[1][::-1])


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_alone_equals_inside_a_longer_array(form):
    rng = np.random.default_rng(1)
    shape = (5000, 7) if form.rows else (35_000,)  # several blocks
    args = case(form, rng, shape)
    want = quantities(form, *args)
    for i in (0, 1, 2339, 2340, 2341, shape[0] - 1):
        for k, one in enumerate(quantities(form, *(a[i : i + 1] for a in args))):
            np.testing.assert_array_equal(one[0], want[k][i])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_reductions_round_once(form, dtype, formats):
    rng = np.random.default_rng(2)
    args = case(form, rng, (999, 3), formats[dtype][0])
    wide = [a.astype(np.float64) for a in args]
    values = form(*wide)
    cases = 999 if form.rows else 999 * 3
    axes = 0 if form.vector or values.ndim == 1 else (0, 1)
    exact = values.sum(axis=axes)
    for reduction, want in (("sum", exact), ("mean", exact / cases)):
        got = form(*args, reduction=reduction)
        assert got.dtype == formats[dtype][0]
        assert got.shape == ((3,) if form.vector else ())
        precision = formats[dtype][1]
        tolerance = (0.5 + 2.0**-10 if dtype != "float64" else 8) * 2.0 ** (1 - precision)
        finite = np.abs(want) < float(np.exp2(15.9))
        assert (np.abs(got.astype(np.float64) - want) <= tolerance * np.abs(want))[finite].all()
    for quantity in (form.grad, form.hess_diag):
        np.testing.assert_array_equal(quantity(*args), quantity(*args, reduction="sum"))
        mean = quantity(*wide, reduction="mean")
        np.testing.assert_array_max_ulp(mean, quantity(*wide) / cases, maxulp=1)


def test_a_million_float32_terms_keep_their_sum():
    """A running float32 sum stops growing at 2^24; this one is the float64 sum rounded once."""
    z = np.zeros(3_000_000, dtype=np.float32)
    want = np.float32(3_000_000 * np.log(2))
    assert native.softplus(z, reduction="sum") == want
    assert native.softplus(z, reduction="mean") == np.float32(np.log(2))


def test_no_cases():
    for form in FORMS:
        args = case(form, np.random.default_rng(0), (0, 3))
        value, grad = form.value_and_grad(*args)
        assert grad.shape == (0, 3)
        assert value.shape == ((0, 3) if form.vector or not form.rows else (0,))
        assert (form(*args, reduction="sum") == 0).all()
        assert np.isnan(form(*args, reduction="mean")).all()


@pytest.mark.parametrize("form", [native.softmax_xent, native.prob_xent], ids=repr)
@pytest.mark.parametrize("dtype", DTYPES)
def test_index_equals_onehot(form, dtype, formats):
    rng = np.random.default_rng(3)
    x, _ = case(form, rng, (50, 6), formats[dtype][0])
    for kind in (np.int8, np.uint8, np.int64, np.uint64):
        t = rng.integers(0, 6, 50).astype(kind)
        index = quantities(form, x, t)
        for onehot in (np.eye(6)[t].astype(x.dtype), np.eye(6, dtype=int)[t], np.eye(6, dtype=bool)[t]):
            for a, b in zip(index, quantities(form, x, onehot), strict=True):
                if dtype == "float64":  # labels that may cancel get longer exps: the last rounding may differ
                    np.testing.assert_array_max_ulp(a, b, maxulp=1)
                else:
                    np.testing.assert_array_equal(a, b)


def test_equivalent_forms():
    rng = np.random.default_rng(4)
    z = rng.normal(0, 10, 400)
    y = rng.integers(0, 2, 400).astype(float)
    two = np.stack([np.zeros(400), z], axis=1)

    def close(a, b, ulp):
        np.testing.assert_array_max_ulp(a, b, maxulp=ulp)

    close(native.sigmoid_bce(z, y), native.margin_logistic(z, 2 * y - 1), 0)
    close(native.sigmoid_bce.grad(z, y), native.margin_logistic.grad(z, 2 * y - 1), 1)
    close(native.sigmoid_bce(z, y), native.softmax_xent(two, y.astype(int)), 3)
    close(native.sigmoid_bce.grad(z, y), native.softmax_xent.grad(two, y.astype(int))[:, 1], 4)
    close(native.sigmoid(z), native.softmax(two)[:, 1], 3)
    close(native.log_sigmoid(z), -native.softplus(-z), 0)
    close(native.log_sigmoid(z), native.log_softmax(two)[:, 1], 3)
    rows, labels = z.reshape(100, 4), y.reshape(100, 4)
    close(native.multilabel_bce(rows, labels), -native.bernoulli_log_likelihood(rows, labels), 2)
    close(native.multilabel_bce(rows, labels, over="mean") * 4, native.multilabel_bce(rows, labels), 1)
    t = rng.integers(0, 4, 100)
    close(native.softmax_xent(rows, t), -np.take_along_axis(native.log_softmax(rows), t[:, None], 1)[:, 0], 1)
    q = rng.uniform(0.1, 0.9, (100, 4))
    close(native.prob_xent(q, t, normalized=True), native.prob_xent(4 * q, t, normalized=True), 0)


def test_shift_by_an_exact_offset_changes_nothing():
    rng = np.random.default_rng(5)
    z = np.round(rng.normal(0, 10, (50, 6)) * 64) / 64
    t = rng.integers(0, 6, 50)
    for offset in (1.0, 1e4, -1e8, 2.0**40):
        for a, b in zip(
            quantities(native.softmax_xent, z, t), quantities(native.softmax_xent, z + offset, t), strict=True
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_cotangent_multiplies_each_case(form):
    rng = np.random.default_rng(6)
    args = case(form, rng, (20, 3))
    value, grad = form.value_and_grad(*args)
    weight = rng.normal(0, 1, value.shape)
    got = form.grad(*args, grad_out=weight)
    if form.vector:
        return  # see test_vector_jacobian_product
    full = weight[:, None] if form.rows else weight
    np.testing.assert_array_max_ulp(got, grad * full, maxulp=2)  # one rounding against two
    np.testing.assert_array_equal(form.value_and_grad(*args, grad_out=weight)[1], got)
    np.testing.assert_array_equal(form.grad(*args, reduction="sum", grad_out=-2), -2 * grad)
    cases = 20 if form.rows else 60
    np.testing.assert_array_max_ulp(form.grad(*args, reduction="mean", grad_out=4.0), 4 * grad / cases, maxulp=1)


@pytest.mark.parametrize("form", [native.softmax, native.log_softmax], ids=repr)
def test_vector_jacobian_product(form):
    rng = np.random.default_rng(7)
    z = rng.normal(0, 2, (10, 4))
    first = np.zeros((10, 4))
    first[:, 0] = 1
    np.testing.assert_allclose(form.grad(z, grad_out=first), form.grad(z), rtol=2**-46)
    np.testing.assert_allclose(form.grad(z, reduction="sum", grad_out=[1, 0, 0, 0]), form.grad(z), rtol=2**-46)
    # Column k of the Jacobian by rolling class k to the front.
    jacobian = np.stack([np.roll(form.grad(np.roll(z, -k, axis=1)), k, axis=1) for k in range(4)], axis=1)
    weight = rng.normal(0, 1, (10, 4))
    want = np.einsum("nk,nkj->nj", weight, jacobian)
    np.testing.assert_allclose(form.grad(z, grad_out=weight), want, atol=2**-48, rtol=0)


def test_zero_cotangent_silences_infinity_but_not_nan():
    p = np.array([0.0, 0.0, np.nan])
    got = native.prob_bce.grad(p, np.ones(3), grad_out=np.array([0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(got, [0.0, -np.inf, np.nan])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", [native.softmax_xent, native.softmax], ids=repr)
@pytest.mark.parametrize("classes", [1, 8, 20, 100])
def test_rows_along_any_axis_and_any_number_of_them(form, classes, dtype, formats):
    """Kernels compute rows one by one, or side by side, as they lie or turned around; NaN in one changes no other."""
    rng = np.random.default_rng(classes)
    x = case(form, rng, (3, 7, classes), formats[dtype][0])[0]
    t = (rng.integers(0, classes, x.shape[:2]),) if form.labels else ()
    want = quantities(form, x, *t)
    for axis in (0, 1):
        turned = np.moveaxis(x, -1, axis).copy()
        for a, b in zip(want, quantities(form, turned, *t, axis=axis), strict=True):
            np.testing.assert_array_equal(a, b if b.ndim < x.ndim else np.moveaxis(b, axis, -1))
    for count in (1, 7, 8, 9, 15):
        some = [a.reshape(21, *a.shape[2:])[:count] for a in (x, *t)]
        for a, b in zip(want, quantities(form, *some), strict=True):
            np.testing.assert_array_equal(a.reshape(21, *a.shape[2:])[:count], b)
    broken = x.copy()
    broken[1, 3] = np.nan
    kept = np.delete(np.arange(21), 10)
    for a, b in zip(want, quantities(form, broken, *t), strict=True):
        np.testing.assert_array_equal(*(q.reshape(21, *q.shape[2:])[kept] for q in (a, b)))
