"""Every form, quantity, label encoding and dtype against exact values, in ulps."""

import numpy as np
import pytest

from lossbench import native

#: form, label encoding, options
SCALARS = [
    ("sigmoid", "-", {}),
    ("log_sigmoid", "-", {}),
    ("softplus", "-", {}),
    ("sigmoid_bce", "binary", {}),
    ("sigmoid_bce", "soft", {}),
    ("prob_bce", "binary", {}),
    ("prob_bce", "soft", {}),
    ("margin_logistic", "signed", {}),
    ("sigmoid_mse", "binary", {}),
    ("sigmoid_mse", "soft", {}),
]
ROWS = [
    ("softmax", "-", {}),
    ("log_softmax", "-", {}),
    ("logsumexp", "-", {}),
    ("softmax_xent", "index", {}),
    ("softmax_xent", "onehot", {}),
    ("softmax_xent", "soft", {}),
    ("prob_xent", "index", {}),
    ("prob_xent", "soft", {}),
    ("prob_xent", "index", {"normalized": True}),
    ("prob_xent", "soft", {"normalized": True}),
    ("multilabel_bce", "binary", {}),
    ("multilabel_bce", "soft", {"over": "mean"}),
    ("bernoulli_likelihood", "binary", {}),
    ("bernoulli_log_likelihood", "binary", {}),
]
#: bound in ulps, and what is allowed per sum of absolute terms where the form cancels
BOUNDS = {
    "float16": (0.51, 2.0**-40),
    "bfloat16": (0.51, 2.0**-40),
    "float32": (0.51, 2.0**-40),
    "float64": (1.0, 2.0**-80),
}
QUANTITIES = ("value", "grad", "hess_diag")


def name(spec):
    form, encoding, options = spec
    return "-".join([form, encoding.replace("-", "x"), *map(str, options.values())])


def logits(rng, shape, top):
    """Ordinary, tail, tiny and huge-gap logits, a quarter each."""
    kinds = rng.integers(0, 4, shape)
    tiny = np.ldexp(rng.uniform(-1, 1, shape), -rng.integers(0, 20, shape))
    return np.choose(
        kinds, [rng.normal(0, 3, shape), rng.uniform(-top, top, shape), tiny, rng.normal(0, top / 8, shape)]
    )


def probabilities(rng, shape, emin):
    """Probabilities near 0, near 1 and between."""
    kinds = rng.integers(0, 3, shape)
    small = np.exp2(rng.uniform(max(emin, -40), 0, shape))
    return np.choose(kinds, [rng.uniform(0.01, 0.99, shape), small, 1 - small])


def labels(rng, encoding, shape):
    if encoding == "binary":
        return rng.integers(0, 2, shape).astype(float)
    if encoding == "signed":
        return rng.integers(0, 2, shape) * 2.0 - 1
    return np.choose(
        rng.integers(0, 3, shape),
        [rng.uniform(0, 1, shape), rng.integers(0, 2, shape), np.exp2(-rng.uniform(0, 20, shape))],
    )


def worst(oracle, ulps, form, x, y, dtype, options):
    """Largest error per quantity beyond what cancellation allows, in ulps, with its input."""
    op = getattr(native, form)
    args = (x,) if y is None else (x, y)
    got = (op(*args, **options), op.grad(*args, **options), op.hess_diag(*args, **options))
    cancels = BOUNDS[dtype][1]
    found = dict.fromkeys(QUANTITIES, (0.0, None))
    for i in range(len(x)):
        wants = oracle(form, x[i], None if y is None else y[i], dtype, **options)
        for quantity, results, want in zip(QUANTITIES, got, wants, strict=True):
            for result, (exact, terms) in zip(
                np.ravel(results[i]), want if isinstance(want, list) else [want], strict=True
            ):
                if exact == 0:
                    assert result == 0
                    continue
                if ulps.overflows(exact, dtype):
                    assert result == np.copysign(np.inf, float(exact)), (x[i], result)
                    continue
                error = ulps.error(result, exact, dtype) - float(cancels * terms / ulps.unit(exact, dtype))
                if not error <= found[quantity][0]:
                    found[quantity] = (error, (x[i], None if y is None else y[i], result))
    return found


def check(found, dtype):
    for quantity, (error, where) in found.items():
        bound = BOUNDS[dtype][0]
        assert error <= bound, (quantity, error, where)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("spec", SCALARS, ids=name)
def test_scalar_forms(oracle, ulps, formats, spec, dtype):
    form, encoding, options = spec
    numpy_dtype, _, emin, top = formats[dtype]
    rng = np.random.default_rng([1, len(form), len(encoding)])
    n = 240
    x = probabilities(rng, n, emin) if form == "prob_bce" else logits(rng, n, top)
    x = x.astype(numpy_dtype)
    y = None if encoding == "-" else labels(rng, encoding, n).astype(numpy_dtype)
    if form == "prob_bce":  # 0 and 1 are special values, tested apart
        keep = (x.astype(float) > 0) & (x.astype(float) < 1)
        x, y = x[keep], y[keep]
    check(worst(oracle, ulps, form, x, y, dtype, options), dtype)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("spec", ROWS, ids=name)
def test_row_forms(oracle, ulps, formats, spec, dtype):
    form, encoding, options = spec
    numpy_dtype, _, emin, top = formats[dtype]
    rng = np.random.default_rng([2, len(form), len(encoding)])
    for classes, n in ((1, 5), (2, 40), (3, 25), (10, 12)):
        if form == "prob_xent":
            x = np.clip(probabilities(rng, (n, classes), emin), 1e-4, 1)
            x /= np.maximum(1.0, x.sum(axis=-1, keepdims=True))
        else:
            x = logits(rng, (n, classes), top if not form.startswith("bernoulli") else top / 4)
        x = x.astype(numpy_dtype)
        if encoding == "index":
            y = rng.integers(0, classes, n)
        elif encoding == "onehot":
            y = np.eye(classes)[rng.integers(0, classes, n)].astype(numpy_dtype)
        elif encoding == "-":
            y = None
        else:
            y = labels(rng, encoding, (n, classes))
            if form == "softmax_xent":  # not normalized, but of mass <= 1: see its Error
                y /= np.maximum(1.0, y.sum(axis=-1, keepdims=True))
            y = y.astype(numpy_dtype)
        check(worst(oracle, ulps, form, x, y, dtype, options), dtype)


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e8], ids=str)
@pytest.mark.parametrize("form", ["softmax_xent", "softmax", "log_softmax"])
def test_shifted_float64_rows(oracle, ulps, form, offset):
    """An offset common to all logits makes their differences inexact in float64; the exps must not notice."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-700, 0, (12, 5)) + offset
    y = rng.integers(0, 5, 12) if form == "softmax_xent" else None
    check(worst(oracle, ulps, form, x, y, "float64", {}), "float64")


@pytest.mark.parametrize(("others", "at"), [(999, -746.0), (999, -744.9), (50, -710.3), (999, -689.0), (999, -692.0)])
def test_tail_of_many_classes(oracle, ulps, others, at):
    """Each exp underflows or nearly so, their sum does not: 1000 classes at -746 give 1.04e-321."""
    x = np.concatenate([[0.0], np.linspace(at, at - 0.2, others)])[None]
    y = np.array([0])
    value, grad, _ = oracle("softmax_xent", x[0], 0, "float64")
    assert ulps.error(native.softmax_xent(x, y)[0], value[0], "float64") <= 1
    assert ulps.error(native.softmax_xent.grad(x, y)[0, 0], grad[0][0], "float64") <= 1
    assert ulps.error(native.log_softmax(x)[0, 0], -value[0], "float64") <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thousand_classes(oracle, ulps, formats, dtype):
    rng = np.random.default_rng(4)
    x = rng.normal(0, 4, (2, 1000)).astype(formats[dtype][0])
    y = np.array([5, int(np.argmax(x[1]))])
    check(worst(oracle, ulps, "softmax_xent", x, y, dtype, {}), dtype)


def test_product_of_many_samples_keeps_its_exponent(oracle, ulps):
    """Factors near 2^-1 and near 1: the running product passes below 1e-308 nowhere that matters."""
    rng = np.random.default_rng(5)
    z = rng.normal(0, 0.1, (1, 1020))
    y = (z > 0.05).astype(float)
    value, grad, _ = oracle("bernoulli_likelihood", z[0], y[0], "float64")
    assert value[0] < 1e-290
    assert ulps.error(native.bernoulli_likelihood(z, y)[0], value[0], "float64") <= 1
    assert ulps.error(native.bernoulli_likelihood.grad(z, y)[0, 7], grad[7][0], "float64") <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("z", [0.34, 0.98, -0.34])
def test_product_of_equal_samples_adds_up_no_errors(oracle, ulps, z, dtype):
    """Of equal factors all errors are the same, and do not cancel."""
    x = np.full((1, 100 if dtype == "float32" else 600), z, dtype)
    y = np.ones(x.shape, dtype)
    value, grad, hess = oracle("bernoulli_likelihood", x[0].astype(float), y[0].astype(float), dtype)
    form, bound = native.bernoulli_likelihood, 0.51 if dtype == "float32" else 1.0
    assert value[0] > 1e-300
    assert ulps.error(form(x, y)[0], value[0], dtype) <= bound
    assert ulps.error(form.grad(x, y)[0, 7], grad[7][0], dtype) <= bound
    assert ulps.error(form.hess_diag(x, y)[0, 7], hess[7][0], dtype) <= bound


def test_a_likelihood_below_float64_times_a_weight():
    x = np.array([[-360.0, -360.0, 2.0]], np.float32)
    got = native.bernoulli_likelihood(x, np.ones(x.shape), sample_weight=np.array([1e300]))[0]
    exact = np.float32(1e300 * np.exp(-360.0) * np.exp(-360.0) / (1 + np.exp(-2.0)))
    assert abs(got - exact) <= np.spacing(exact)


@pytest.mark.parametrize("spec", SCALARS + ROWS, ids=name)
def test_oracle_derivatives_are_derivatives(oracle, spec):
    """The exact gradient is the numerical derivative of the exact value, the second that of the gradient."""
    import mpmath

    form, encoding, options = spec
    rows = spec in ROWS
    x = [0.3, 0.25, 0.4] if rows else 0.3
    y = {"-": None, "index": 1, "onehot": [0, 1, 0], "signed": -1.0}.get(encoding, [0.0, 1.0, 1.0])
    if encoding == "soft":
        y = [0.5, 0.25, 0.125]
    if not rows and isinstance(y, list):
        y = y[0]

    def at(h, k, which):
        moved = x + h if not rows else [v + h * (j == k) for j, v in enumerate(x)]
        got = oracle(form, moved, y, "float32", **options)[which]
        return got if not isinstance(got, list) else got[k if which else 0]

    h = 2.0**-20
    for k in range(3 if rows else 1):
        for which in (0, 1):
            slope = (at(h, k, which)[0] - at(-h, k, which)[0]) / (2 * h)
            want = at(0.0, k, which + 1)[0]
            if which == 1 and form in ("softmax", "log_softmax"):
                continue  # their gradient is d(component 0)/dx_k; d2/dx_k2 follows from it for k only
            assert abs(slope - want) <= mpmath.mpf(2) ** -34 * (1 + abs(want))
