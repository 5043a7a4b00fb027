"""float16 and bfloat16: every input of the univariate forms, correctly rounded; float32: one input in a few thousand.

The exact values come from the C library's 64-bit significands, by formulas that subtract nothing, with an error
below 2^-58. Where that leaves the rounding open, the certified reference decides.
"""

import numpy as np
import pytest

from lossbench import native
from lossbench.reference import evaluate, form_of
from lossbench.reference.formats import FORMATS, decode

WIDE = np.longdouble
#: relative error of the exact values, in units of the exact value
DOUBT = 2.0**-58

FORMS = [
    ("sigmoid", None),
    ("log_sigmoid", None),
    ("softplus", None),
    ("sigmoid_bce", 0.0),
    ("sigmoid_bce", 1.0),
    ("margin_logistic", -1.0),
    ("margin_logistic", 1.0),
    ("sigmoid_mse", 0.0),
    ("sigmoid_mse", 1.0),
    ("prob_bce", 0.0),
    ("prob_bce", 1.0),
]


def binary(form, z, y):
    """(value, gradient, second derivative), or None where the form cancels."""
    u = np.exp(-np.abs(z))
    g, miss = np.where(z >= 0, 1, u) / (1 + u), np.where(z >= 0, u, 1) / (1 + u)
    short = np.expm1(-np.abs(z))
    skew = np.where(z >= 0, short, -short) / (1 + u)
    slope = u / (1 + u) / (1 + u)
    log1p = np.log1p(u)
    if form == "sigmoid":
        return g, slope, slope * skew
    if form == "log_sigmoid":
        return np.minimum(z, 0) - log1p, miss, -slope
    if form == "softplus":
        return np.maximum(z, 0) + log1p, g, slope
    hit = g if y == 1 else miss
    wrong = miss if y == 1 else g
    sign = 2 * (y == 1) - 1
    if form == "sigmoid_mse":
        return wrong * wrong / 2, -sign * wrong * slope, None
    del hit
    return log1p + np.maximum(-sign * z, 0), -sign * wrong, slope


def probability(p, y):
    q = p if y == 1 else 1 - p
    loss = -np.log(p) if y == 1 else -np.log1p(-p)
    return loss, (-1 if y == 1 else 1) / q, 1 / q / q


def rounded(x, dtype):
    """Round to the format, to nearest even, by the spacing at |x|."""
    fmt = FORMATS[dtype]
    _, exponent = np.frexp(x)
    spacing = np.ldexp(WIDE(1), np.maximum(exponent - 1, fmt.emin) - fmt.precision + 1)
    result = np.rint(x / spacing) * spacing
    return np.where(np.abs(result) > fmt.maxfinite, np.copysign(np.inf, x), result).astype(np.float64)


needs_long_double = pytest.mark.skipif(
    np.finfo(WIDE).nmant < 63, reason="long double has no 64-bit significand here"
)


@needs_long_double
@pytest.mark.parametrize(("form", "y"), [(form, y) for form, y in FORMS if form != "prob_bce"], ids=str)
def test_float32(form, y, compute_with):
    """Both signs, every exponent, and around the places where a kernel's tables change from one entry to the next."""
    compute_with("numba")
    size = np.arange(0, 0x7F800000, 4093, dtype=np.uint32)
    steps = np.log(2.0) / 16 * np.arange(1, 1800)  # half-way between table entries of exp, and of log1p at 1/14 ..
    steps = np.append(steps, -np.log(np.arange(1, 14, 2) / 14.0)).astype(np.float32).view(np.uint32)
    around = (steps[:, None] + np.arange(-3, 4)).astype(np.uint32).reshape(-1)
    z = np.append(size, around).view(np.float32)
    z = np.append(z, -z)
    args = (z,) if y is None else (z, np.full(len(z), y, np.float32))
    op = getattr(native, form)
    results = [*op.value_and_grad(*args), op.hess_diag(*args)]
    with np.errstate(all="ignore"):
        exact = binary(form, z.astype(WIDE), y)
    for quantity, got, want in zip(form_of(form).quantities, results, exact, strict=True):
        if want is None:
            continue
        _, exponent = np.frexp(want)
        off = np.abs(got - want) / np.ldexp(WIDE(1), np.maximum(exponent, -125) - 24)
        worst = np.nanargmax(off)
        assert off[worst] <= 0.51, (quantity, z[worst], got[worst], want[worst])
        assert np.isfinite(off).all()


@needs_long_double
@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("form", "y"), FORMS, ids=str)
def test_every_input(form, y, dtype, engine, compute_with, formats):
    compute_with(engine)
    bits = np.arange(2**16, dtype=np.uint16)
    stored = bits.view(np.float16) if dtype == "float16" else bits
    x = decode(stored, dtype)
    keep = (x > 0) & (x < 1) if form == "prob_bce" else np.isfinite(x)
    bits, x = bits[keep], x[keep]
    z = bits.view(formats[dtype][0])
    args = (z,) if y is None else (z, np.full(len(z), y).astype(z.dtype))
    op = getattr(native, form)
    results = [*op.value_and_grad(*args), op.hess_diag(*args)]
    exact = probability(x.astype(WIDE), y) if form == "prob_bce" else binary(form, x.astype(WIDE), y)
    reference = form_of(form)
    labels = None if y is None else np.full(len(x), y)
    for quantity, got, want in zip(reference.quantities, results, exact, strict=True):
        if want is None:
            continue
        got = got.astype(np.float64)
        low, high = rounded(want * (1 - WIDE(DOUBT)), dtype), rounded(want * (1 + WIDE(DOUBT)), dtype)
        wrong = np.flatnonzero((got != low) | (got != high))
        assert len(wrong) < 2000, (quantity, x[wrong[:3]], got[wrong[:3]], want[wrong[:3]])
        if len(wrong):
            y_wrong = None if labels is None else labels[wrong]
            certified = evaluate(reference, x[wrong], y_wrong, dtype, quantity).value
            np.testing.assert_array_equal(got[wrong], certified)
