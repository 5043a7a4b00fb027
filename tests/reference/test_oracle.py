"""The reference against direct evaluation at 2000 bits, against mpmath.diff, and at the cases that others get wrong."""

from __future__ import annotations

import doctest
import math
import zlib

import numpy as np
import pytest

from lossbench.reference import FORMS, evaluate, exact, form_of
from lossbench.reference.first import UndecidedError, decide
from lossbench.reference.formats import FORMATS, to_nearest
from tests.reference import direct

POINTS = 200
VARIANTS = [(form.name, options, e) for form in FORMS for options in form.variants for e in form.encodings]


def draw(form, encoding, dtype, count, rng, spread=12.0):
    """Random inputs of a form as float64 arrays of numbers of the format."""
    size = (count, 5) if form.class_axis else (count,)
    if form.wrt == "z":
        x = to_nearest(rng.normal(0, spread, size), dtype)
    elif form.wrt == "p":
        x = np.minimum(to_nearest(rng.uniform(2.0**-9, 1 - 2.0**-7, size), dtype), 1 - 2.0 ** -FORMATS[dtype].precision)
    else:
        x = to_nearest(rng.dirichlet(np.ones(5), count) * 0.9 + 2.0**-12, dtype)
    if encoding == "index":
        return x, rng.integers(0, 5, count)
    if encoding == "onehot":
        return x, np.eye(5)[rng.integers(0, 5, count)]
    if encoding == "binary":
        return x, rng.integers(0, 2, size).astype(float)
    if encoding == "signed":
        return x, rng.choice([-1.0, 1.0], size)
    if encoding == "soft":
        y = rng.dirichlet(np.ones(5), count) if form.name.endswith("xent") else rng.uniform(0, 1, size)
        return x, to_nearest(y, dtype)
    return x, None


def as_mpf(mp, form, x, y, i):
    row = [mp.mpf(float(v)) for v in np.atleast_1d(x[i])]
    if y is None:
        return (row if form.class_axis else row[0]), None
    if form.class_axis and y.ndim == 1:
        return row, [mp.mpf(int(k == y[i])) for k in range(len(row))]
    label = [mp.mpf(float(v)) for v in np.atleast_1d(y[i])]
    return (row, label) if form.class_axis else (row[0], label[0])


def seeded(*names):
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(("name", "options", "encoding"), VARIANTS, ids=lambda v: v or "plain")
def test_value_equals_direct_evaluation_at_2000_bits(name, options, encoding, dtype):
    form, fmt = form_of(name), FORMATS[dtype]
    count = POINTS // len(FORMATS)  # 200 points a form over the formats
    x, y = draw(form, encoding, dtype, count, seeded(name, encoding, dtype))
    got = evaluate(form, x, y, dtype, "value", options)
    mp = direct.context()
    for i in range(count):
        a, b = as_mpf(mp, form, x, y, i)
        want = direct.VALUES[name, options](mp, *((a,) if b is None else (a, b)))
        want = want if isinstance(want, list) else [want]
        for k, value in enumerate(want):
            rounded = direct.round_fraction(value, fmt)
            np.testing.assert_equal(
                float(np.atleast_1d(got.value[i])[k]), rounded, f"{x[i]} {None if y is None else y[i]}"
            )
            if not math.isfinite(rounded):
                continue
            # value + tail * ulp gives back the exact number, to within the radius that the certificate claims
            ulp = mp.ldexp(1, int(np.atleast_1d(got.ulp_exponent[i])[k]))
            restored = mp.mpf(rounded) + mp.mpf(float(np.atleast_1d(got.tail[i])[k])) * ulp
            place = (i,) if got.value.ndim == 1 else (i, k)
            assert abs(restored - value) <= ulp * (mp.mpf(got.certificate(*place).radius) + mp.mpf(2) ** -52)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "options", "encoding"), VARIANTS, ids=lambda v: v or "plain")
def test_derivatives_equal_numerical_differentiation(name, options, encoding, order):
    form, fmt = form_of(name), FORMATS["float32"]
    x, y = draw(form, encoding, "float32", 6, seeded(name, encoding), spread=4.0)
    got = evaluate(form, x, y, "float32", form.quantities[order], options)
    mp = direct.context(900)
    for i in range(len(x)):
        a, b = as_mpf(mp, form, x, y, i)
        for k in range(len(a) if form.class_axis else 1):
            want = direct.derivative(name, options, mp, a, b, k, order)
            if abs(want) < mp.mpf(2) ** -200:
                want = mp.mpf(0)  # what differencing leaves of an exact zero
            rounded = direct.round_fraction(want, fmt)
            assert float(np.atleast_1d(got.value[i])[k]) == rounded


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("name", ["softmax_xent", "sigmoid_bce", "prob_bce", "log_softmax"])
def test_reductions_are_of_the_exact_values(name, reduction):
    form, fmt = form_of(name), FORMATS["float32"]
    encoding = form.encodings[-1]
    x, y = draw(form, encoding, "float32", 7, seeded(name, reduction))
    got = evaluate(form, x, y, "float32", "value", reduction=reduction)
    mp = direct.context()
    rows = []
    for i in range(len(x)):
        a, b = as_mpf(mp, form, x, y, i)
        value = direct.VALUES[name, ""](mp, *((a,) if b is None else (a, b)))
        rows.append(value if isinstance(value, list) else [value])
    for k, column in enumerate(zip(*rows, strict=True)):
        want = sum(column) / (len(rows) if reduction == "mean" else 1)
        rounded = direct.round_fraction(want, fmt)
        assert float(np.atleast_1d(got.value)[k]) == rounded
    mean = evaluate(form, x, y, "float64", form.quantities[1], reduction="mean").value
    total = evaluate(form, x, y, "float64", form.quantities[1]).value
    assert np.max(np.abs(mean * 7 - total)) <= 8 * np.spacing(np.max(np.abs(total)))


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name)
def test_docstring_example_runs_and_sections_are_there(form):
    test = doctest.DocTestParser().get_doctest(form.doc, {}, form.name, None, 0)
    assert len(test.examples) == 2
    assert doctest.DocTestRunner().run(test).failed == 0
    for section in ("Domain:", "Limits:", "Condition:", "Gradient:", "Drops:", "See:"):
        assert section in form.doc


def value(name, x, y=None, dtype="float32", quantity="value"):
    return exact(name, x, y, dtype=dtype, quantity=quantity).value


def test_a_midpoint_and_a_little_more_is_rounded_up():
    # 16777217 + exp(-16777217): the tail lies 2.4e7 bits below a float32 midpoint
    assert value("softmax_xent", [2.0**24, -1.0], 1) == 16777218.0
    assert value("log_softmax", [2.0**24, -1.0])[1] == -16777218.0
    assert value("softmax_xent", [1e6, 0.0], 0) == 0.0
    assert value("softmax_xent", [1e308, -1e308], 1, "float64") == math.inf
    assert value("softmax_xent", [8e307, -8e307], 1, "float64") == 1.6e308


def test_published_wrong_references_come_out_right():
    for z, want in [(500.0, -7.124576406741286e-218), (735.0, -6.217e-320)]:
        assert value("log_sigmoid", z, dtype="float64") == want
    mp, fmt = direct.context(), FORMATS["float64"]
    want = direct.round_fraction(direct.g(mp, mp.mpf(232.8)) - 1, fmt)
    assert value("sigmoid_bce", 232.8, 1.0, "float64", "grad:z") == want
    assert f"{want:.4e}" == "-7.8749e-102"


def test_exact_cases_that_no_precision_decides():
    assert value("sigmoid_bce", 0.0, 0.5, quantity="grad:z") == 0.0
    assert value("softmax", [1e8] * 4).tolist() == [0.25] * 4
    assert value("softmax_xent", [3.0], 0) == 0.0
    assert value("logsumexp", [-math.inf, 2.0]) == 2.0
    assert value("softmax", [0.0, 1e-300], dtype="float64").tolist() == [0.5, 0.5]
    # p_0 lies just below 1/2, so its ulp is that of the binade below
    below = exact("softmax", [0.0, 1e-300], dtype="float64")
    assert below.ulp_exponent.tolist() == [-54, -53]


def test_precision_is_never_the_answer_to_an_unknown_sign():
    import mpmath

    from lossbench.reference.real import about

    mp = mpmath.MPContext()
    with pytest.raises(UndecidedError, match="undecided"):  # a tail that is pure noise
        decide(mp, lambda: [about(+mp.pi, mp.mpf(2) ** mp.prec)], FORMATS["float32"], 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact("softmax_xnet", 0.0, dtype="float32"), "softmax_xent"),
        (lambda: exact("sigmoid", 0.0, dtype="float8"), "float16, bfloat16"),
        (lambda: evaluate(form_of("sigmoid"), [0.0], None, "float32", "hvp:z"), "hess_diag:z"),
        (lambda: evaluate(form_of("sigmoid"), [0.0], None, "float32", reduction="max"), "none, sum, mean"),
        (lambda: evaluate(form_of("sigmoid"), [0.0], None, "float32", options="over=mean"), "options"),
    ],
)
def test_errors_name_the_argument_and_what_is_known(call, message):
    with pytest.raises(ValueError, match=message):
        call()
