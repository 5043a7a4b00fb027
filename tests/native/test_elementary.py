"""exp and log1p of pairs keep the digits that their texts promise."""

import mpmath
import numpy as np
import pytest

from lossbench.native import elementary
from lossbench.native.pair import Pair

RNG = np.random.default_rng(20)
#: gaps between logits, half of them near a place where the reduced argument is largest, or is nearly 0
HIGH = -np.concatenate([
    RNG.uniform(0.0, 700.0, 400),
    RNG.uniform(0.0, 1.0, 400),
    np.log(2.0) / 2.0 * np.arange(1, 401) * (1.0 + 1e-15 * RNG.standard_normal(400)),
])  # fmt: skip
LOW = HIGH * RNG.uniform(-(2.0**-54), 2.0**-54, HIGH.shape)


def exact(x):
    return [mpmath.mpf(high) + mpmath.mpf(low) for high, low in zip(x.high, x.low, strict=True)]


def worst(got, exponents, wanted):
    pairs = zip(exact(got), exponents, wanted, strict=True)
    return max(abs(mpmath.ldexp(x, int(k)) / want - 1) for x, k, want in pairs)


@pytest.mark.parametrize(("full", "bound"), [(False, -55), (True, -83)])
def test_exp(full, bound):
    with mpmath.workprec(300):
        x = Pair(HIGH, LOW)
        got = elementary.exp(x, full=full)
        assert worst(got.digits, got.exponent, [mpmath.exp(one) for one in exact(x)]) < mpmath.ldexp(1, bound)


@pytest.mark.parametrize(("log1p", "bound"), [(elementary.log1p, -56), (elementary.log1p_full, -80)])
def test_log1p(log1p, bound):
    with mpmath.workprec(300):
        x = Pair(np.exp(HIGH / 10.0), LOW * np.exp(HIGH / 10.0) / HIGH)
        assert worst(log1p(x), np.zeros(len(HIGH)), [mpmath.log1p(one) for one in exact(x)]) < mpmath.ldexp(1, bound)
