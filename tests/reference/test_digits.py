"""The decimal digits of exact results, against the textbook formulas at 2000 bits and decimal arithmetic."""

from __future__ import annotations

import decimal
import math

import mpmath
import numpy as np
import pytest

from lossbench.reference import FORMS, form_of
from lossbench.reference.digits import UnstableDigitsError, digits
from lossbench.reference.real import Real, about, exactly
from tests.reference import direct

LABELS = {
    "prob_xent": [0, [0.25, 0.5, 0.25]],
    "softmax_xent": [2, [0.25, 0.5, 0.25]],
    "sigmoid_bce": [1.0, 0.375],
    "multilabel_bce": [[1.0, 0.0, 0.25]],
    "prob_bce": [0.0, 1.0, 0.375],
    "margin_logistic": [-1.0, 1.0],
    "sigmoid_mse": [0.0, 0.375],
    "bernoulli_likelihood": [[1.0, 0.0, 1.0]],
    "bernoulli_log_likelihood": [[1.0, 0.0, 0.0]],
}
#: Not exactly one.
ONE = "1." + 29 * "0"
INPUTS = {"z": [-2.5, 17.0, 3.140625], "p": [0.75, 0.125, 0.0078125], "q": [0.75, 0.125, 0.0078125]}


def cases():
    for form in FORMS:
        inputs = [INPUTS[form.wrt]] if form.class_axis else INPUTS[form.wrt]
        for option in form.variants:
            if (form.name, option) in direct.VALUES:
                for label in LABELS.get(form.name, [None]):
                    yield from ((form, option, x, label) for x in inputs)


def numbers(mp, form, x, label):
    """The case as direct formulas take it."""
    row = [float(k == label) for k in range(len(x))] if form.class_axis and isinstance(label, int) else label
    wide = [[mp.mpf(a) for a in v] if isinstance(v, list) else (None if v is None else mp.mpf(v)) for v in (x, row)]
    return wide[0], wide[1]


def shortened(value, count):
    """An mpf rounded half to even to `count` digits by the decimal module."""
    sign, man, exp, _ = value._mpf_
    context = decimal.Context(prec=5000, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
    wide = context.multiply(decimal.Decimal(int(man)), context.power(decimal.Decimal(2), int(exp)))
    rounded = decimal.Context(prec=count, rounding=decimal.ROUND_HALF_EVEN).plus(wide)
    return rounded.copy_negate() if sign else rounded


@pytest.mark.parametrize(("form", "option", "x", "label"), list(cases()), ids=lambda v: getattr(v, "name", str(v)))
def test_thirty_digits_agree_with_the_textbook_at_2000_bits(form, option, x, label):
    mp = direct.context()
    a, b = numbers(mp, form, x, label)
    value = direct.VALUES[form.name, option](mp, *((a,) if b is None else (a, b)))
    wanted = value if isinstance(value, list) else [value]
    got = digits(form, x, label, "float64", options=option)
    assert [decimal.Decimal(text) for text in got] == [shortened(w, 30) for w in wanted]
    size = len(x) if form.class_axis else 1
    slopes = [direct.derivative(form.name, option, mp, a, b, k, 1) for k in range(size)]
    got = digits(form, x, label, "float64", form.quantities[1], option)
    assert [decimal.Decimal(text) for text in got] == [shortened(mp.mpf(w), 30) for w in slopes]


@pytest.mark.parametrize(("z", "power"), [(1e6, -434295), (1e30, None), (1.7e308, None)], ids=str)
def test_results_far_below_the_range_of_floats(z, power):
    (text,) = digits(form_of("softplus"), -z, None, "float64")
    figures, exponent = text.split("e")
    if power is not None:
        assert int(exponent) == power
    # log(1 + exp(-z)) = exp(-z) to any precision here; the decimal module has its own exponential
    context = decimal.Context(prec=400, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
    ten = context.ln(decimal.Decimal(10))
    log = context.divide(context.minus(decimal.Decimal(z)), ten)
    whole = log.to_integral_value(decimal.ROUND_FLOOR)
    assert int(exponent) == int(whole)
    wide = context.exp(context.multiply(context.subtract(log, whole), ten))
    assert decimal.Decimal(figures) == decimal.Context(prec=30).plus(wide)


@pytest.mark.parametrize(
    ("name", "x", "label", "quantity", "wanted"),
    [
        ("sigmoid", 0.0, None, 0, ["0.5"]),
        ("sigmoid", 0.0, None, 1, ["0.25"]),
        ("sigmoid", 0.0, None, 2, ["0"]),
        ("sigmoid", 200.0, None, 0, [ONE]),
        ("sigmoid", math.inf, None, 0, ["1"]),
        ("sigmoid", -math.inf, None, 0, ["0"]),
        ("softplus", math.inf, None, 0, ["inf"]),
        ("softplus", math.nan, None, 0, ["nan"]),
        ("log_sigmoid", -math.inf, None, 0, ["-inf"]),
        ("prob_bce", 0.0, 1.0, 1, ["-inf"]),
        ("prob_bce", 3.0 / 4, 1.0, 1, ["-1.33333333333333333333333333333"]),
        ("sigmoid_mse", 0.0, 0.5, 0, ["0"]),
        ("softmax_xent", [7.0], 0, 0, ["0"]),
        ("softmax_xent", [2.0**24, -1.0], 1, 0, ["16777217.0000000000000000000000"]),
        ("softmax_xent", [2.0**24, -1.0], 1, 1, [ONE, "-" + ONE]),
        ("softmax_xent", [0.0, 0.0], [0.25, 0.75], 1, ["0.25", "-0.25"]),
        ("softmax", [0.0, 0.0, 0.0], None, 0, ["0.333333333333333333333333333333"] * 3),
        ("softmax", [0.0, -math.inf], None, 0, ["1", "0"]),
        ("logsumexp", [2.0**60], None, 0, ["1152921504606846976"]),
        ("logsumexp", [2.0**100], None, 0, ["1.26765060022822940149670320538e30"]),
    ],
    ids=str,
)
def test_exact_and_special_results(name, x, label, quantity, wanted):
    form = form_of(name)
    assert digits(form, x, label, "float64", form.quantities[quantity]) == wanted


def test_inputs_are_rounded_to_the_format_first():
    form = form_of("logsumexp")
    assert digits(form, [0.1], None, "float16") == ["0.0999755859375"]
    assert digits(form, [0.1], None, "bfloat16") == ["0.10009765625"]
    first, second = (decimal.Decimal(float(np.float32(y))) for y in (0.1, 0.9))
    slope = digits(form_of("softmax_xent"), [0.0, 0.0], [0.1, 0.9], "float32", "grad:z")[0]
    assert decimal.Decimal(slope) == (first + second) / 2 - first


@pytest.mark.parametrize("count", [1, 5, 30, 100])
def test_as_many_digits_as_asked_for(count):
    (text,) = digits(form_of("softplus"), 0.0, None, "float32", count=count)
    mp = direct.context()
    assert decimal.Decimal(text) == shortened(mp.log(2), count)
    assert len(text.replace("0.", "")) == count


def test_digits_that_are_not_known_are_not_written_as_zeros():
    assert digits(form_of("softplus"), 16777217.0, None, "float64", count=4) == ["1.678e7"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("softmax_xent", [0.0, 1.0], 2, "float32"), "holds 2, wants class indices in 0..1"),
        (("softmax_xent", [0.0, 1.0], -1, "float32"), "holds -1"),
        (("softmax_xent", [0.0, 1.0], 0.5, "float32"), "y: got float64"),
        (("softmax_xent", [0.0, 1.0], [1.0], "float32"), "shape"),
        (("softplus", 0.0, None, "float23"), "float23"),
        (("prob_xent", [1.0], 0, "float32", "value", "normal"), "options: got 'normal'"),
        (("softplus", 0.0, None, "float32", "grad:p"), "quantity: got 'grad:p', softplus has value, grad:z"),
        (("softplus", 0.0, None, "float32", "value", "", 0), "count: got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_asked(arguments, words):
    with pytest.raises(ValueError, match=words):
        digits(form_of(arguments[0]), *arguments[1:])


# -- the rule of two precisions, on forms made for it


def made(value):
    """A form of no labels with this value; `value` takes the context and returns a Real."""
    fields = {**vars(form_of("sigmoid")), "value": lambda mp, z: value(mp)}
    return type(form_of("sigmoid"))(**fields)


def test_cancellation_costs_precision_and_not_digits():
    def cancels(mp):
        small = mp.exp(mp.mpf(-400))
        return Real(mp.mpf(-1), (1 + small), mp.mpf(1), mp.mpf(1))

    (text,) = digits(made(cancels), 0.0, None, "float64")
    assert decimal.Decimal(text) == decimal.Context(prec=30).exp(decimal.Decimal(-400))


@pytest.mark.parametrize(
    "wrong",
    [lambda mp: mp.exp(1) * (1 + mp.mpf(1) / mp.prec), lambda mp: mp.exp(1) + mp.mpf(2) ** (-mp.prec // 40)],
    ids=["wrong", "a fortieth of the bits it claims"],
)
def test_a_formula_that_is_less_accurate_than_it_claims_is_not_believed_at_one_precision(wrong):
    form = made(lambda mp: about(wrong(mp)))
    try:
        assert digits(form, 0.0, None, "float32") == [str(shortened(direct.context().exp(1), 30))]
    except UnstableDigitsError as error:
        assert "30 digits are not stable" in str(error)
        assert wrong(direct.context()) - direct.context().e > mpmath.mpf(2) ** -90


def test_a_decimal_tie_goes_to_even_when_it_is_exact_and_where_its_tail_points_when_not():
    figures = "1234567890123456789012345678" + "12" + "5"
    head, mp = mpmath.MPContext(), direct.context()
    head = mp.mpf(int(figures))
    third = mp.ldexp(mp.mpf(1) / 3, -20000)
    for tail, last in ((None, "2"), (third, "3"), (-third, "2")):
        real = exactly(head) if tail is None else Real(head, tail, mp.mpf(1), tail)
        (text,) = digits(made(lambda mp, real=real: real), 0.0, None, "float64")
        assert text == f"{figures[0]}.{figures[1:29]}{last}e30"
    odd = mp.mpf(int(figures) + 10)
    assert digits(made(lambda mp: exactly(odd)), 0.0, None, "float64")[0].split("e")[0][-1] == "4"
