"""The contract at infinities, NaN, zero weights and one class, and the exact rounding by itself."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossbench.reference import FORMS, evaluate, exact, form_of
from lossbench.reference.contract import CONTRACT
from lossbench.reference.formats import FORMATS, decode, encode, neighbours, to_nearest
from lossbench.reference.rounding import round_fraction

nan = math.nan


def representable(rule, dtype):
    """Whether the inputs of a rule are numbers of the format: float8_e4m3fn has no infinity and ends at 448."""
    x = np.asarray(rule.x, float)
    return np.array_equal(to_nearest(x, dtype), x, equal_nan=True)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("rule", CONTRACT, ids=lambda r: f"{r.form}-{r.quantity}-{r.x}-{r.y}-{r.options}")
def test_the_contract(rule, dtype):
    if not representable(rule, dtype):
        assert dtype.startswith("float8")
        return
    form = form_of(rule.form)
    quantity = rule.quantity if rule.quantity == "value" else f"{rule.quantity}:{form.wrt}"
    got = exact(form, rule.x, rule.y, dtype=dtype, quantity=quantity, options=rule.options)
    np.testing.assert_array_equal(got.value, to_nearest(rule.want, dtype))
    assert got.certificate(*(0,) * got.value.ndim).oracles == "O1+O2"


def test_every_rule_of_the_contract_has_cases():
    assert {rule.rule for rule in CONTRACT} == {1, 2, 3, 4, 5}  # rule 6 is about batches, below
    assert {rule.form for rule in CONTRACT} == {form.name for form in FORMS}


@pytest.mark.parametrize("quantity", ["value", "grad:z"])
@pytest.mark.parametrize("denominator", ["N", "sum_w"])
def test_a_batch_that_asks_for_nothing_costs_nothing(quantity, denominator):
    form, z = form_of("softmax_xent"), np.array([[nan, 1.0], [2.0, 3.0]])
    keywords = {"options": "ignore_index=-100", "reduction": "mean", "denominator": denominator, "check_every": 1}
    ignored = evaluate(form, z, [-100, -100], "float32", quantity, **keywords)
    assert not ignored.value.any()
    weightless = evaluate(form, z[1:], [0], "float32", quantity, sample_weight=[0.0], **keywords)
    assert not weightless.value.any()


def test_over_no_rows_a_sum_is_0_and_a_mean_is_nan():
    form = form_of("softmax_xent")
    for denominator in ("N", "sum_w"):
        empty = evaluate(form, np.zeros((0, 2)), np.zeros(0, int), "float32", reduction="mean", denominator=denominator)
        assert np.isnan(empty.value)
    assert evaluate(form, np.zeros((0, 2)), np.zeros(0, int), "float32", reduction="sum").value == 0


@given(
    n=st.integers(-(2**80), 2**80),
    d=st.integers(1, 2**40),
    e=st.integers(-200, 60),
    dtype=st.sampled_from(["float16", "bfloat16", "float32"]),
)
def test_round_fraction_against_fractions(n, d, e, dtype):
    fmt = FORMATS[dtype]
    m, q = round_fraction(n, d, e, fmt)
    value = Fraction(n, d) * Fraction(2) ** e
    unit = Fraction(2) ** q
    assert round(value / unit) == m  # Fraction rounds half to even
    if value:
        log2 = q + fmt.precision - 1
        inside = Fraction(2) ** log2 <= abs(value) < Fraction(2) ** (log2 + 1)
        assert inside or (log2 == fmt.emin and abs(value) < Fraction(2) ** fmt.emin)


@given(st.integers(0, 2**16 - 1), st.sampled_from(["float16", "bfloat16"]))
def test_half_formats_pass_through_float64_unchanged(bits, dtype):
    stored = np.array([bits], np.uint16).view(FORMATS[dtype].storage)
    wide = decode(stored, dtype)
    if not np.isnan(wide[0]):
        assert encode(wide, dtype).view(np.uint16)[0] == bits
        assert to_nearest(wide, dtype)[0] == wide[0]


def test_encode_refuses_to_round():
    with pytest.raises(ValueError, match=r"0\.1 is not a float32 number"):
        encode([0.1], "float32")


def test_to_nearest_rounds_bfloat16_once():
    assert to_nearest(1 + 2.0**-8 + 2.0**-40, "bfloat16") == 1 + 2.0**-7


@pytest.mark.parametrize("dtype", FORMATS)
def test_neighbours_walk_over_zero_and_stop_at_the_largest(dtype):
    fmt = FORMATS[dtype]
    assert neighbours(0.0, dtype, 1) == fmt.subnormal
    assert neighbours(fmt.subnormal, dtype, -2) == -fmt.subnormal
    assert neighbours(fmt.maxfinite, dtype, 5) == fmt.maxfinite
    assert neighbours(1.0, dtype, -1) == 1 - 2.0**-fmt.precision


@pytest.mark.parametrize(
    ("name", "x", "y", "quantity", "signs"),
    [
        ("log_sigmoid", 3000.0, None, "value", -1),  # a ball decides
        ("log_sigmoid", 5000.0, None, "value", -1),  # a limit does
        ("softplus", -3000.0, None, "value", 1),
        ("sigmoid_bce", 3000.0, 1.0, "grad:z", -1),
        ("sigmoid", 5000.0, None, "hess_diag:z", -1),
        ("sigmoid_mse", 5000.0, 1.0, "value", 1),
        ("softmax_xent", [3000.0, 0.0], 0, "value", 1),
        ("softmax", [-6000.0, 0.0, 0.0], None, "hess_diag:z", [1, -1, -1]),  # 2 p - 1 just below zero
        ("softmax", [-6000.0, -1.5, 0.0], None, "hess_diag:z", [1, -1, 1]),
        ("softmax", [-6000.0, -0.5, 0.0, -0.5], None, "hess_diag:z", [1, -1, -1, -1]),  # no majority
        ("softmax_xent", [-6000.0, 0.0, -3.0], 1, "hvp:z", [-1, 1, -1]),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_result_that_underflows_is_a_zero_of_its_sign(name, x, y, quantity, signs, dtype):
    got = exact(name, x, y, dtype=dtype, quantity=quantity).value
    np.testing.assert_array_equal(np.copysign(1, got), signs)


@pytest.mark.parametrize(("low", "exponent"), [(-math.inf, -28), (-8000.0, -27), (-12004.0, -28)])
def test_a_hessian_product_whose_first_order_vanishes_is_beside_its_limit(low, exponent):
    """1/16 less the square of exp(-6000), and more where exp(low) is larger than that: in the binade below or not."""
    x = [low, -math.inf, -math.inf, 0.0, -6000.0, 0.0, -math.inf]
    got = exact("softmax_xent", x, 3, dtype="float32", quantity="hvp:z")
    assert got.value[5] == 0.0625
    assert got.ulp_exponent[5] == exponent
    assert got.certificate(5).kind == "enclosure"
