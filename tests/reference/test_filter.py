"""The filter against the oracle: whatever it decides is right, and it decides nearly everything."""

from __future__ import annotations

import math
import time
import zlib

import flint
import numpy as np
import pytest

from lossbench.reference import FORMS, check, evaluate, form_of
from lossbench.reference.case import cases_of
from lossbench.reference.filter import filtered
from lossbench.reference.filter_fill import ELEMENTWISE, ROWS
from lossbench.reference.filter_rounding import TAIL_ERROR
from lossbench.reference.first import First
from lossbench.reference.form import VALUE
from lossbench.reference.formats import FORMATS, decode, to_nearest
from lossbench.suites.catalog import SUITES

DTYPES = ("float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64")
NAMES = (*ELEMENTWISE, *ROWS)
CASES = [(n, o, q) for n in NAMES for o in form_of(n).variants for q in form_of(n).quantities[:3] if o != "normalized"]
LABELLED = [name for name in NAMES if form_of(name).encodings != ("-",)]


def seeded(*names):
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


def coefficients(form, x, y):
    """(a, b) of the cases: a the labels as numbers, b = 1 - a as an exact pair."""
    if y is None:
        return None, None
    if form.class_axis and y.ndim == 1:
        return np.eye(x.shape[1])[y], None
    if form.encodings == ("signed",):
        return (y > 0).astype(float), (y < 0).astype(float)
    if form.name in ("softmax_xent", "prob_xent"):
        return y, None
    high = 1.0 - y
    back = high - 1.0
    return y, (high, (1.0 - (high - back)) + (-y - back))


def draw(form, encoding, dtype, count, rng, bits=False, size=5):
    """Inputs and labels: normal or uniform, or random bit patterns."""
    shape = (count, size) if form.class_axis else (count,)
    if bits:
        fmt = FORMATS[dtype]
        codes = np.frombuffer(rng.bytes(math.prod(shape) * fmt.bits // 8), f"uint{fmt.bits}").reshape(shape)
        x = decode(codes.view(fmt.storage), dtype)
        x = np.where(np.isfinite(x), x, 0.5)
        if form.wrt != "z":
            x = np.clip(np.abs(x), 0, 1)
    elif form.wrt == "z":
        x = to_nearest(rng.normal(0, 12, shape), dtype)
    else:
        x = to_nearest(rng.uniform(0, 1, shape), dtype)
    if encoding == "-":
        return x, None
    if encoding == "onehot":
        return x, np.eye(size)[rng.integers(0, size, count)]
    if encoding == "soft":
        y = rng.dirichlet(np.ones(size), count) if form.name.endswith("xent") else rng.uniform(0, 1, shape)
        return x, to_nearest(y, dtype)
    y = rng.integers(0, 2, shape).astype(float)
    return x, (2 * y - 1 if encoding == "signed" else y)


def disagreements(got, want):
    """Where something decided is not what the oracle says."""
    value = (got.value == want.value) | (np.isnan(got.value) & np.isnan(want.value))
    same = value & ((np.signbit(got.value) == np.signbit(want.value)) | (want.value == 0))
    ulp = (got.ulp_exponent == want.ulp_exponent) | ~np.isfinite(want.value)
    tail = np.abs(got.tail - want.tail) <= got.bound + want.certificates["radius"]
    return got.decided & ~(same & ulp & tail)


def zeros_with_wrong_signs(form, x, y, dtype, quantity, options, got):
    """Decided zeros whose sign is not that of the first oracle, which adds positive terms only."""
    if form.name == "softmax" and quantity != VALUE:
        return []  # the first oracle cannot write exp(-1e9) twice multiplied
    said = form.said(options)
    labels = check.labels(form, y, x, said)
    cases = cases_of(form, x, labels, check.sample_weight(None, len(x)), said)
    first = First(form, quantity, said, FORMATS[dtype])
    zero = (got.decided & (got.value == 0)).reshape(len(x), -1)
    signs = np.signbit(got.value).reshape(len(x), -1)
    wrong = []
    for i in np.flatnonzero(zero.any(axis=1))[:20]:
        results = [math.copysign(1, one.value) < 0 for one in first.results(cases[i], None)]
        wrong += [x[i]] if np.any(zero[i] & (signs[i] != results)) else []
    return wrong


def compare(name, x, y, dtype, quantity, options=""):
    form = form_of(name)
    got = filtered(name, x, *coefficients(form, x, y), dtype, quantity, x.shape[-1] if options == "over=mean" else 1.0)
    want = evaluate(form, x, y, dtype, quantity, options)
    assert got.value.shape == got.decided.shape == want.value.shape
    bad = np.argwhere(disagreements(got, want))
    if len(bad):
        i = tuple(bad[0])
        case = f"{x[i[0]]}, {None if y is None else y[i[0]]}, component {i[1:]}"
        results = [(r.value[i], r.ulp_exponent[i], r.tail[i]) for r in (got, want)]
        pytest.fail(f"{name} {quantity} {options} {dtype} at {case}: {results}, bound {got.bound[i]}")
    assert zeros_with_wrong_signs(form, x, y, dtype, quantity, options, got) == []
    assert np.all(got.bound[got.decided] <= TAIL_ERROR)
    return got


@pytest.mark.parametrize(("name", "options", "quantity"), CASES)
def test_what_is_decided_equals_the_oracle_at_random_points_and_bits(name, options, quantity):
    form = form_of(name)
    for dtype in DTYPES:
        for encoding in form.encodings:
            if encoding == "index":
                continue
            rng = seeded(name, options, quantity, dtype, encoding)
            for bits in (False, True):
                x, y = draw(form, encoding, dtype, 24 if form.class_axis else 100, rng, bits)
                got = compare(name, x, y, dtype, quantity, options)
                assert bits or form.wrt != "z" or np.mean(got.decided) > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_what_is_decided_equals_the_oracle_at_the_points_of_the_suites(name):
    form = form_of(name)
    for suite in SUITES:
        for encoding in form.encodings:
            if not suite.fits(form, encoding) or suite.name == "random bits":
                continue
            for dtype in ("bfloat16", "float32", "float64"):
                classes = min(suite.class_counts(form, "quick"))
                if classes > 10:
                    continue
                cases = suite.draw(form, encoding, dtype, classes, "quick", 3)
                rng = seeded(name, suite.name, encoding, dtype)
                some = np.sort(rng.permutation(len(cases.x))[:40])
                x, y = cases.x[some], None if cases.y is None else np.asarray(cases.y)[some]
                if form.class_axis and y is not None and y.ndim == 1 and np.any((y < 0) | (y >= classes)):
                    continue
                for quantity in form.quantities[:3]:
                    compare(name, x, y, dtype, quantity)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_nearly_all_random_points_with_hard_labels_are_decided(name, dtype):
    form = form_of(name)
    encoding = next(e for e in form.encodings if e != "index")
    count = 3000 if form.class_axis else 20000
    x, y = draw(form, encoding, dtype, count, seeded(name, dtype), size=7)
    if form.wrt != "z":
        x = np.where((x == 0) | (x == 1), 0.3125, x)
    a, b = coefficients(form, x, y)
    for quantity in form.quantities[:2]:
        # powers of two among the 128 to 1024 probabilities there are in narrow formats are exact cases with edges
        share = 0.99 if form.wrt != "z" and dtype in ("float16", "bfloat16") else 0.999
        assert np.mean(filtered(name, x, a, b, dtype, quantity).decided) >= share


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sigmoid_bce", "margin_logistic", "softplus", "log_sigmoid", "sigmoid"])
def test_nearly_all_random_bit_patterns_of_one_logit_are_decided(name, dtype):
    form = form_of(name)
    x, y = draw(form, form.encodings[0], dtype, 20000, seeded(name, dtype), bits=True)
    a, b = coefficients(form, x, y)
    for quantity in form.quantities[:3]:
        got = filtered(name, x, a, b, dtype, quantity)
        assert np.mean(got.decided) >= 0.999


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_options_are_coefficients_and_a_divisor(order, dtype):
    """pos_weight 2.5; class weights and smoothing "K" over K = 3 classes, coefficients multiplied by K, eps = 1/8."""
    rng = seeded("options", str(order), dtype)
    form = form_of("sigmoid_bce")
    x, y = draw(form, "binary", dtype, 200, rng)
    quantity = form.quantities[order]
    got = filtered(form.name, x, 2.5 * y, 1 - y, dtype, quantity)
    assert not disagreements(got, evaluate(form, x, y, dtype, quantity, "pos_weight=2.5")).any()
    assert got.decided.mean() > 0.99
    form = form_of("softmax_xent")
    x, y = draw(form, "onehot", dtype, 100, rng, size=3)
    a = np.array([0.5, 3.0, 1.25]) * (0.875 * 3 * y + 0.125)
    got = filtered(form.name, x, a, None, dtype, quantity, 3.0)
    want = evaluate(form, x, y, dtype, quantity, "label_smoothing=0.125,weight=0.5;3.0;1.25")
    assert not disagreements(got, want).any() and got.decided.mean() > 0.99


@pytest.mark.parametrize("name", [*ROWS, "multilabel_bce"])
def test_rows_of_many_classes(name):
    form, rng = form_of(name), seeded(name, "many")
    encoding = form.encodings[-1] if name != "softmax_xent" else "onehot"
    x, y = draw(form, encoding, "float64", 4, rng, size=300)
    for quantity in form.quantities[:3]:
        assert np.mean(compare(name, x, y, "float64", quantity).decided) > 0.95


# -- the bound itself, against Arb with naive formulas


def ball(x):
    return flint.arb(flint.fmpq(*float(x).as_integer_ratio()))


def naive(quantity, z, y):
    """The loss and its derivatives from g = 1 / (1 + exp(-z)): at this precision nothing is lost that matters."""
    g = 1 / (1 + (-z).exp())
    if quantity == VALUE:
        return -(y * g.log() + (1 - y) * (1 - g).log())
    return g - y if quantity.startswith("grad") else g * (1 - g)


@pytest.mark.parametrize("quantity", form_of("sigmoid_bce").quantities)
@pytest.mark.parametrize("soft", [False, True])
def test_errors_of_tails_are_below_the_bound_and_near_it(quantity, soft):
    form, rng = form_of("sigmoid_bce"), seeded(quantity, str(soft))
    x = rng.normal(0, 4, 4000)
    y = rng.uniform(0, 1, 4000) if soft else rng.integers(0, 2, 4000).astype(float)
    got = filtered("sigmoid_bce", x, *coefficients(form, x, y), "float64", quantity)
    old, flint.ctx.prec = flint.ctx.prec, 400
    share = 0.0
    for i in np.flatnonzero(got.decided):
        exact = naive(quantity, ball(x[i]), ball(y[i]))
        tail = (exact - ball(got.value[i])) / flint.arb(2) ** int(got.ulp_exponent[i])
        share = max(share, float(abs(tail - ball(got.tail[i])).abs_upper()) / got.bound[i])
    flint.ctx.prec = old
    assert 1 / 64 < share < 1


# -- faults that the comparison must see


def test_a_tail_left_out_is_caught():
    """Half of the double word: the float32 result changes at the midpoint, the float64 tail everywhere."""
    form = form_of("softmax_xent")
    x, y = np.array([[2.0**24, -1.0]]), np.array([1])
    got = compare("softmax_xent", x, y, "float32", VALUE)
    assert got.decided.all() and got.value[0] == 16777218.0
    want = evaluate(form, x, y, "float32", VALUE)
    got.value[0] = 16777216.0  # what rounding 16777217 without its tail gives
    assert disagreements(got, want).all()


def test_a_wrong_bound_is_caught():
    form, rng = form_of("sigmoid_bce"), seeded("wrong bound")
    x, y = draw(form, "binary", "float64", 50, rng)
    a, b = coefficients(form, x, y)
    want = evaluate(form, x, y, "float64", VALUE)
    got = filtered("sigmoid_bce", x, a, b, "float64", VALUE)
    assert not disagreements(got, want).any()
    got.tail[:] += 2.0**-36  # an error of 2^-89 that the bound does not own up to
    assert disagreements(got, want).all()
    narrow = filtered("sigmoid_bce", x, a, b, "float64", VALUE)
    narrow.ulp_exponent[:] -= 1
    assert disagreements(narrow, want).all()


# -- what is left undecided


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_guessed_outside_the_domain(name):
    form = form_of(name)
    for bad in (math.nan, math.inf, -math.inf):
        x = np.full((4, 3) if form.class_axis else 4, 0.5)
        x[..., 0] = bad
        ones = np.full(x.shape, 0.5)
        for quantity in form.quantities[:3]:
            got = filtered(name, x, ones, ones, "float32", quantity)
            touched = got.decided if got.decided.ndim == 1 and form.class_axis else got.decided[..., 0]
            assert not np.any(touched)
    if name not in LABELLED:
        return
    x = np.full((1, 3) if form.class_axis else 1, 0.3)
    for bad in (math.nan, math.inf, -1.0, 1e-40, 1e40):
        for quantity in form.quantities[:3]:
            assert not filtered(name, x, np.full(x.shape, bad), np.ones(x.shape), "float32", quantity).decided.any()


def test_unnormalised_pairs_of_coefficients_are_left():
    x, one = np.array([0.5]), np.ones(1)
    assert filtered("sigmoid_bce", x, (one, one * 2.0**-54), one, "float64", VALUE).decided.all()
    assert not filtered("sigmoid_bce", x, (one, one * 2.0**-40), one, "float64", VALUE).decided.any()


def test_terms_that_cancel_are_left_or_right():
    y = np.array([0.5000000001, 0.5, 0.75])
    x = np.array([4e-10, 3 * 2.0**-70, np.log(3.0)])  # g(z) - y almost, exactly z / 4, and almost nothing
    got = compare("sigmoid_bce", x, y, "float64", "grad:z")
    assert got.decided.tolist() == [False, True, False]


def test_forms_and_quantities_without_a_kernel_decide_nothing():
    x = np.full((2, 3), 0.25)
    got = filtered("bernoulli_likelihood", x, x, x, "float32", VALUE)
    assert got.value.shape == (2,) and not got.decided.any()
    got = filtered("softmax_xent", x, x, None, "float32", "hvp:z")
    assert got.value.shape == (2, 3) and not got.decided.any()
    assert not filtered("softmax_xent", x[:, :1], x[:, :1], None, "float32", VALUE).decided.any()
    assert filtered("softmax_xent", x[:0], x[:0], None, "float32", "grad:z").value.shape == (0, 3)


def test_every_form_has_a_kernel_or_is_known_to_have_none():
    assert {form.name for form in FORMS} - set(NAMES) == {"bernoulli_likelihood"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sigmoid", np.zeros(2), None, None, "float32", "hvp:z"), "hess_diag:z"),
        (("sigmoid", np.zeros((2, 2)), None, None, "float32", VALUE), "axes"),
        (("sigmoid_bce", np.zeros(2), None, None, "float32", VALUE), "positive"),
        (("sigmoid_bce", np.zeros(2), np.zeros(2), np.zeros(3), "float32", VALUE), "negative"),
        (("softmax_xent", np.zeros((2, 2)), np.zeros(2), None, "float32", VALUE), "shape"),
        (("sigmoid", np.zeros(2), None, None, "float31", VALUE), "float16"),
        (("sigmoid", np.zeros(2), None, None, "float32", VALUE, 0.5), "divisor"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        filtered(*arguments)


def test_blocks_do_not_show():
    """Results do not depend on what else is asked in the same call."""
    for name in ("sigmoid_bce", "softmax"):
        form, rng = form_of(name), seeded(name, "blocks")
        x, y = draw(form, form.encodings[0], "float64", 9001, rng)
        whole = filtered(name, x, *coefficients(form, x, y), "float64", VALUE)
        part = slice(4090, 4103)
        some = filtered(name, x[part], *coefficients(form, x[part], None if y is None else y[part]), "float64", VALUE)
        for field in ("value", "ulp_exponent", "tail", "decided", "bound"):
            assert np.array_equal(getattr(whole, field)[part], getattr(some, field))


def test_it_is_worth_having():
    """Far below what it reaches (some thousand times the oracle), far above what is of no use."""
    form, rng = form_of("sigmoid_bce"), seeded("rate")
    x, y = draw(form, "binary", "float32", 100_000, rng)
    filtered("sigmoid_bce", x, y, 1 - y, "float32", VALUE)
    start = time.process_time()
    filtered("sigmoid_bce", x, y, 1 - y, "float32", VALUE)
    fast = (time.process_time() - start) / len(x)
    start = time.process_time()
    evaluate(form, x[:500], y[:500], "float32", VALUE)
    assert (time.process_time() - start) / 500 > 50 * fast
