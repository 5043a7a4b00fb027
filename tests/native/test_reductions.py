"""Sums and means against the exact sum of the exact values, at one ulp, by both implementations."""

import mpmath
import numpy as np
import pytest

from lossbench import native
from lossbench.native import direct


@pytest.fixture(autouse=True, params=["numba", "numpy"])
def chosen(request, compute_with):
    compute_with(request.param)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_sum_and_mean(dtype, formats, ulps, monkeypatch):
    """Of one group of cases, which a kernel divides and rounds, and of several."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 20, (1500, 3)).astype(formats[dtype][0])
    t = rng.integers(0, 3, 1500)
    x, y = z[:, 0], (rng.integers(0, 2, 1500)).astype(z.dtype)
    bound = 1.0 if dtype == "float64" else 0.51
    with mpmath.workprec(900):
        rows = [[mpmath.mpf(float(v)) for v in row] for row in z]
        losses = [mpmath.log(mpmath.fsum(mpmath.exp(v - row[k]) for v in row)) for row, k in zip(rows, t, strict=True)]
        binary = [mpmath.log1p(mpmath.exp(-r[0] if b else r[0])) for r, b in zip(rows, y, strict=True)]
        for form, args, exact in ((native.softmax_xent, (z, t), losses), (native.sigmoid_bce, (x, y), binary)):
            total = mpmath.fsum(exact)
            for reduction, want in (("sum", total), ("mean", total / 1500)):
                got = [form(*args, reduction=reduction)]
                with monkeypatch.context() as patch:
                    patch.setattr(direct, "_GROUP", 512)
                    got += [form.prepare(*args, reduction=reduction)()]
                if not ulps.overflows(want, dtype):
                    errors = [ulps.error(one, want, dtype) for one in got]
                    assert max(errors) <= bound, (form, reduction, errors)


def test_a_mean_does_not_overflow_on_its_way():
    z = np.array([1.5e308, 1.5e308, 1.5e308])
    assert native.sigmoid_bce(z, np.zeros(3), reduction="mean") == 1.5e308
    assert native.sigmoid_bce(z, np.zeros(3), reduction="sum") == np.inf
    assert np.isnan(native.sigmoid_bce(np.array([np.nan, 1e308]), np.zeros(2), reduction="mean"))
