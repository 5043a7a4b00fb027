"""Double-word arithmetic against exact fractions, exp and log against Arb: below the proved bound, and near it."""

from __future__ import annotations

import re
from fractions import Fraction

import flint
import numpy as np
import pytest
from llvmlite import binding
from numba import njit

from lossbench.reference import doubleword as dw

POINTS = 4000
#: A proved bound that is looser than this times what is observed would be a bound of something else.
SLACK = 64


@dw.compiled
def run_two_sum(a, b, out):
    for i in range(len(a)):
        out[0, i], out[1, i] = dw.two_sum(a[i], b[i])


@dw.compiled
def run_two_prod(a, b, out):
    for i in range(len(a)):
        out[0, i], out[1, i] = dw.two_prod(a[i], b[i])


@dw.compiled
def run_add(x, y, out):
    for i in range(x.shape[1]):
        out[0, i], out[1, i] = dw.add(x[0, i], x[1, i], y[0, i], y[1, i])


@dw.compiled
def run_mul(x, y, out):
    for i in range(x.shape[1]):
        out[0, i], out[1, i] = dw.mul(x[0, i], x[1, i], y[0, i], y[1, i])


@dw.compiled
def run_mul1(x, y, out):
    for i in range(x.shape[1]):
        out[0, i], out[1, i] = dw.mul1(x[0, i], x[1, i], y[0, i])


@dw.compiled
def run_div(x, y, out):
    for i in range(x.shape[1]):
        out[0, i], out[1, i] = dw.div(x[0, i], x[1, i], y[0, i], y[1, i])


@dw.compiled
def run_exp(a, p, u, n):
    for i in range(a.shape[1]):
        p[0, i], p[1, i], u[0, i], u[1, i], n[i] = dw.exp_minus(a[0, i], a[1, i])


@dw.compiled
def run_log(f, k, out):
    for i in range(f.shape[1]):
        out[0, i], out[1, i] = dw.log_parts(f[0, i], f[1, i], k[i])


@dw.compiled
def run_bits(x, out):
    for i in range(len(x)):
        out[0, i] = dw.exponent(x[i])
        out[1, i] = dw.pow2(dw.exponent(x[i]))
        out[2, i] = 1.0 if dw.is_power(x[i]) else 0.0
        out[3, i] = dw.rint(x[i])


def pairs(high, rng):
    """Double words: the given high words with random normalised low ones."""
    low = high * rng.uniform(-1, 1, len(high)) * 2.0**-54
    low[::7] = 0.0
    return np.array([high, low])


def fractions(words):
    return [Fraction(float(h)) + Fraction(float(low)) for h, low in words.T]


def spread(rng, count=POINTS, exponent=40):
    return rng.choice([-1.0, 1.0], count) * rng.uniform(1, 2, count) * 2.0 ** rng.integers(-exponent, exponent, count)


def worst(got, want, size):
    """Largest |got - want| / size."""
    return float(max(abs(g - w) / s for g, w, s in zip(got, want, size, strict=True)))


def within(observed, bound):
    assert observed < bound
    assert observed > bound / SLACK


def test_sums_and_products_of_float64_are_exact(rng):
    a, b = spread(rng), spread(rng)
    b[::5] = -a[::5] * (1 + 2.0**-52)
    out = np.empty((2, POINTS))
    run_two_sum(a, b, out)
    assert fractions(out) == [Fraction(float(x)) + Fraction(float(y)) for x, y in zip(a, b, strict=True)]
    run_two_prod(a, b, out)
    assert fractions(out) == [Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True)]


@pytest.fixture
def rng():
    return np.random.default_rng(20171018)


@pytest.mark.parametrize("cancel", [False, True])
def test_add_is_within_its_bound_of_the_sum_of_magnitudes(rng, cancel):
    x, y = pairs(rng.uniform(1, 2, POINTS), rng), pairs(spread(rng, exponent=3), rng)
    if cancel:
        y = -x * (1 + 2.0**-20)
    out = np.empty_like(x)
    run_add(x, y, out)
    a, b = fractions(x), fractions(y)
    size = [abs(p) + abs(q) for p, q in zip(a, b, strict=True)]
    observed = worst(fractions(out), [p + q for p, q in zip(a, b, strict=True)], size)
    assert observed < dw.ADD
    if not cancel:
        within(observed, dw.ADD)


@pytest.mark.parametrize(
    ("run", "function", "bound"),
    [
        (run_mul, lambda a, b: a * b, dw.MUL),
        (run_div, lambda a, b: a / b, dw.DIV),
    ],
    ids=["mul", "div"],
)
def test_products_and_quotients_are_within_their_bounds(rng, run, function, bound):
    x, y = pairs(spread(rng), rng), pairs(spread(rng), rng)
    out = np.empty_like(x)
    run(x, y, out)
    want = [function(a, b) for a, b in zip(fractions(x), fractions(y), strict=True)]
    within(worst(fractions(out), want, [abs(w) for w in want]), bound)


def test_product_with_one_word_is_within_its_bound(rng):
    x, y = pairs(spread(rng), rng), pairs(spread(rng), rng)
    out = np.empty_like(x)
    run_mul1(x, y, out)
    want = [a * Fraction(float(b)) for a, b in zip(fractions(x), y[0], strict=True)]
    within(worst(fractions(out), want, [abs(w) for w in want]), dw.MUL)


def test_results_are_normalised(rng):
    x, y = pairs(spread(rng), rng), pairs(spread(rng), rng)
    out = np.empty_like(x)
    for run in (run_add, run_mul, run_mul1, run_div):
        run(x, y, out)
        assert np.all(out[0] + out[1] == out[0])


def test_exponents_and_powers_of_two():
    x = np.array([1.0, 1.5, 2.0, 2.0**-1022, 1.9999999 * 2.0**1023, 0.75, 5.0, -2.5])
    out = np.empty((4, len(x)))
    run_bits(x, out)
    assert out[0].tolist() == np.floor(np.log2(np.abs(x))).tolist()
    assert out[1].tolist() == (2.0 ** out[0]).tolist()
    assert out[2].tolist() == [1, 0, 1, 1, 0, 0, 0, 0]
    assert out[3].tolist() == np.rint(x).tolist()


# -- exp and log against Arb


def arb(words, i):
    return flint.arb(flint.fmpq(*(Fraction(float(words[0, i])) + Fraction(float(words[1, i]))).as_integer_ratio()))


def relative(words, i, want):
    """Upper bound of the relative distance of a double word to a ball."""
    return float((abs(arb(words, i) - want) / want).abs_upper())


@pytest.fixture
def precise():
    old, flint.ctx.prec = flint.ctx.prec, 400
    yield
    flint.ctx.prec = old


def arguments(rng):
    """Arguments of exp(-a): everywhere, close to multiples of ln 2 / 2 where the reduction is hardest, tiny, last."""
    ln2 = float(np.log(2.0))
    near = rng.integers(1, 5700, POINTS // 2) * (0.5 * ln2)
    near = np.minimum(near * (1 + 2.0**-52 * rng.integers(-3, 4, len(near))), dw.EXP_MAX)
    tiny = 2.0 ** rng.uniform(-200, -1, POINTS // 4)
    high = np.concatenate([rng.uniform(0, dw.EXP_MAX, POINTS), near, tiny, [0.0, dw.EXP_MAX, 0.3465, 0.3467]])
    return pairs(high, rng)


def run_exp_on(a):
    p, u, n = np.empty_like(a), np.empty_like(a), np.empty(a.shape[1])
    run_exp(a, p, u, n)
    return p, u, n


def test_exp_is_within_its_bound_of_arb(rng, precise):
    a = arguments(rng)
    p, u, n = run_exp_on(a)
    errors, errors_minus_one = [], []
    for i in range(a.shape[1]):
        x = -arb(a, i)
        errors.append(relative(u, i, x.exp() * flint.arb(2) ** int(-n[i])))
        if n[i] == 0 and a[0, i] > 0:
            errors_minus_one.append(relative(p, i, x.expm1()))
    within(max(errors), dw.EXP)
    within(max(errors_minus_one), dw.EXP)
    assert np.all(n <= 0) and np.all((u[0] > 0.7) & (u[0] < 1.4143))


def test_log_is_within_its_bound_of_arb(rng, precise):
    c = rng.choice([0.125, 0.375, 0.625, 0.875, -0.125], POINTS // 4)  # where the constant changes
    high = np.concatenate([
        rng.uniform(-0.25, 1, POINTS), 2.0 ** rng.uniform(-200, -3, POINTS // 4), -(2.0 ** rng.uniform(-200, -3, 500)),
        c * (1 + 2.0**-52 * rng.integers(-3, 4, len(c))), [-0.25, 1.0, 0.5],
    ])  # fmt: skip
    f = pairs(high, rng)
    f[1, -2:] = 0.0
    k = np.where(high < 0.5, rng.integers(-1080, 1080, len(high)), rng.integers(0, 30, len(high))).astype(np.float64)
    k[::3] = 0.0
    k[1::6] = np.where(high[1::6] < 0.5, -1.0, 1.0)
    out = np.empty_like(f)
    run_log(f, k, out)
    ln2 = flint.arb.const_log2()
    within(max(relative(out, i, arb(f, i).log1p() + ln2 * int(k[i])) for i in range(f.shape[1])), dw.LOG)


def test_log_of_one_is_zero():
    out = np.empty((2, 1))
    run_log(np.zeros((2, 1)), np.zeros(1), out)
    assert out.tolist() == [[0.0], [0.0]]


def test_a_function_that_loses_its_low_words_is_caught(rng, precise):
    a = arguments(rng)
    _, u, n = run_exp_on(a)
    u[1] = 0.0
    observed = max(relative(u, i, (-arb(a, i)).exp() * flint.arb(2) ** int(-n[i])) for i in range(50))
    assert observed > dw.EXP * 2**40
    # and so is an argument whose second word is ignored
    _, u, n = run_exp_on(np.array([a[0], np.zeros_like(a[0])]))
    assert max(relative(u, i, (-arb(a, i)).exp() * flint.arb(2) ** int(-n[i])) for i in range(50)) > dw.EXP * 2**40


@pytest.mark.skipif(not binding.get_host_cpu_features().get("fma"), reason="no packed fused multiply-add to look for")
def test_loops_are_vectorised(rng):
    words, ones = pairs(np.full(8, 0.5), rng), np.ones(8)
    calls = {run_exp: (words, words.copy(), words.copy(), ones), run_log: (words, ones, words.copy())}
    for function, arguments in calls.items():
        fresh = njit(error_model="numpy")(function.py_func)  # what comes from the cache cannot be looked into
        fresh(*arguments)
        for text in fresh.inspect_asm().values():
            assert len(re.findall(r"vfn?m(?:add|sub)[0-9]+pd", text)) > 20
