"""Exact values for the tests of lossbench.native: the textbook formulas, naively, at 180 or 780 digits.

Precision replaces care: at 2600 bits 1 - g(745) still has 1500 good bits, so no stable rewriting is shared
with the code under test. `exact(...)` returns the value, gradient and second derivative, each with the sum
of its absolute terms where the form cancels by its nature (0 elsewhere).
"""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack

import ml_dtypes
import mpmath
import numpy as np
import pytest

from .copies import PACKAGE, Loader

DTYPES = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}
#: dtype -> (precision p, smallest exponent emin, logits whose tails are still representable)
FORMATS = {
    "float16": (11, -14, 16.0),
    "bfloat16": (8, -126, 91.0),
    "float32": (24, -126, 102.0),
    "float64": (53, -1022, 744.0),
}


def ulp_error(got, exact, dtype):
    """|got - exact| in units of the last place of the exact value."""
    p, emin, _ = FORMATS[dtype]
    top = emin if exact == 0 else max(mpmath.frexp(exact)[1] - 1, emin)
    return float(abs(mpmath.mpf(float(got)) - exact) / mpmath.ldexp(1, top - p + 1))


def ulp_of(exact, dtype):
    """One unit in the last place of the exact value, as an mpf."""
    p, emin, _ = FORMATS[dtype]
    return mpmath.ldexp(1, (emin if exact == 0 else max(mpmath.frexp(exact)[1] - 1, emin)) - p + 1)


def overflows(exact, dtype):
    """Whether the exact value rounds to an infinity: from half an ulp above the largest finite number on."""
    p, emin, _ = FORMATS[dtype]
    return abs(exact) >= mpmath.ldexp(1, 1 - emin) * (2 - mpmath.ldexp(1, -p))


def _sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def _binary(form, x, y):
    s = _sigmoid(x)
    slope = s * (1 - s)
    soft = y not in (0, 1)
    if form == "sigmoid":
        return (s, 0), (slope, 0), (slope * (1 - 2 * s), 0)
    if form == "log_sigmoid":
        return (mpmath.log(s), 0), (1 - s, 0), (-slope, 0)
    if form == "softplus":
        return (mpmath.log(1 + mpmath.exp(x)), 0), (s, 0), (slope, 0)
    if form == "margin_logistic":
        return (mpmath.log(1 + mpmath.exp(-y * x)), 0), (-y * (1 - _sigmoid(y * x)), 0), (slope, 0)
    terms = (s + y) * soft
    if form == "sigmoid_mse":
        curve = slope * (2 * s - 3 * s**2 - y + 2 * y * s)
        return ((s - y) ** 2 / 2, abs(s - y) * terms), ((s - y) * slope, slope * terms), (curve, 2 * slope)
    value = -((y * mpmath.log(s) if y else 0) + ((1 - y) * mpmath.log(1 - s) if y != 1 else 0))
    return (value, 0), (s - y, terms), (slope, 0)


def _prob_bce(p, y):
    value = -((y * mpmath.log(p) if y else 0) + ((1 - y) * mpmath.log(1 - p) if y != 1 else 0))
    grad = (1 - y) / (1 - p) - y / p
    terms = ((1 - y) / (1 - p) + y / p) * (y not in (0, 1))
    return (value, 0), (grad, terms), ((1 - y) / (1 - p) ** 2 + y / p**2, 0)


def _prob_xent(q, y, normalized):
    Q, T = mpmath.fsum(q), mpmath.fsum(y)
    soft = sum(v != 0 for v in y) > 1
    if not normalized:
        value = -mpmath.fsum(v * mpmath.log(u) for v, u in zip(y, q, strict=True) if v)
        pairs = list(zip(y, q, strict=True))
        return (value, 0), [(-v / u, 0) for v, u in pairs], [(v / u**2, 0) for v, u in pairs]
    value = -mpmath.fsum(v * mpmath.log(u / Q) for v, u in zip(y, q, strict=True) if v)
    pairs = list(zip(y, q, strict=True))
    grad = [(T / Q - v / u, (T / Q + v / u) * soft) for v, u in pairs]
    return (value, 0), grad, [(v / u**2 - T / Q**2, (v / u**2 + T / Q**2) * soft) for v, u in pairs]


def _rows(form, z, y):
    e = [mpmath.exp(v) for v in z]
    S = mpmath.fsum(e)
    p = [v / S for v in e]
    first = [k == 0 for k in range(len(z))]
    if form == "softmax":
        grad = [(p[0] * (f - v), 0) for f, v in zip(first, p, strict=True)]
        hess = [(p[0] * (f - v) * (1 - 2 * v), p[0] * abs(f - v)) for f, v in zip(first, p, strict=True)]
        return [(v, 0) for v in p], grad, hess
    if form == "log_softmax":
        grad = [(f - v, 0) for f, v in zip(first, p, strict=True)]
        return [(mpmath.log(v), 0) for v in p], grad, [(-v * (1 - v), 0) for v in p]
    if form == "logsumexp":
        value, m = mpmath.log(S), max(z)
        return (value, 2 * abs(m) + abs(value)), [(v, 0) for v in p], [(v * (1 - v), 0) for v in p]
    T = mpmath.fsum(y)
    soft = sum(v != 0 for v in y) > 1
    value = -mpmath.fsum(v * mpmath.log(u) for v, u in zip(y, p, strict=True) if v)
    grad = [(T * u - v, (T * u + v) * soft) for v, u in zip(y, p, strict=True)]
    return (value, 0), grad, [(T * u * (1 - u), 0) for u in p]


def _samples(form, z, y):
    s = [_sigmoid(v) if t else 1 - _sigmoid(v) for v, t in zip(z, y, strict=True)]
    L = mpmath.fprod(s)
    slopes = [_sigmoid(v) - t for v, t in zip(z, y, strict=True)]
    if form == "bernoulli_log_likelihood":
        return (mpmath.log(L), 0), [(-d, 0) for d in slopes], [(-f * (1 - f), 0) for f in s]
    return (L, 0), [(-L * d, 0) for d in slopes], [(L * (1 - f) * (1 - 2 * f), 0) for f in s]


def exact(form, x, y, dtype, **options):
    """Exact (value, grad, hess) at one case: pairs (number, sum of absolute terms), or lists of pairs."""
    with mpmath.workprec(2600 if dtype == "float64" else 600):
        if np.ndim(x) == 0:
            y = 0 if y is None else mpmath.mpf(float(y))
            x = mpmath.mpf(float(x))
            return _prob_bce(x, y) if form == "prob_bce" else _binary(form, x, y)
        x = [mpmath.mpf(float(v)) for v in x]
        if y is not None and np.ndim(y) == 0:
            y = [float(k == int(y)) for k in range(len(x))]
        y = None if y is None else [mpmath.mpf(float(v)) for v in y]
        if form == "prob_xent":
            return _prob_xent(x, y, options.get("normalized", False))
        if form == "multilabel_bce":
            parts = [_binary("sigmoid_bce", *pair) for pair in zip(x, y, strict=True)]
            n = len(x) if options.get("over") == "mean" else 1
            grad, hess = ([(r / n, t / n) for r, t in (part[i] for part in parts)] for i in (1, 2))
            return (mpmath.fsum(part[0][0] for part in parts) / n, 0), grad, hess
        if form.startswith("bernoulli"):
            return _samples(form, x, y)
        return _rows(form, x, y)


@pytest.fixture(scope="session")
def oracle():
    """The exact values: `oracle(form, x, y, dtype, **options)`."""
    return exact


@pytest.fixture(scope="session")
def ulps():
    """Measures of (exact, dtype): `ulps.error(got, ...)`, `ulps.unit(...)` and `ulps.overflows(...)`."""

    class Ulps:
        error = staticmethod(ulp_error)
        unit = staticmethod(ulp_of)
        overflows = staticmethod(overflows)

    return Ulps


@pytest.fixture(scope="session")
def formats():
    """Name -> (numpy dtype, precision, smallest exponent, largest logit whose tail is representable)."""
    return {name: (DTYPES[name], *FORMATS[name]) for name in DTYPES}


@pytest.fixture(scope="session")
def engines():
    """Name -> what stands for `lossbench.native.choice.engine`; "numba" skips where there are no kernels."""
    from lossbench.native import choice

    class Engines(dict):
        def __missing__(self, name):
            if name == "numpy":
                return lambda: None
            if choice.implementation()[0] != "numba":
                pytest.skip(choice.implementation()[1])
            return choice.engine

    return Engines()


@pytest.fixture
def compute_with(engines):
    """A function that has "numba" or "numpy" compute from then on, to the end of the test."""
    from lossbench import native

    with ExitStack() as stack:

        def choose(name):
            assert engines[name]
            stack.enter_context(native.using(name))

        yield choose


@pytest.fixture
def load():
    """A function that imports a copy of `lossbench.native` with a change, see `copies`."""
    before = set(sys.modules)
    loaders = []

    def importing(change):
        for name in set(sys.modules) - before:
            if name.split(".")[0] == PACKAGE:
                del sys.modules[name]
        loaders.append(Loader(change))
        sys.meta_path.insert(0, loaders[-1])
        return importlib.import_module(PACKAGE)

    yield importing
    for loader in loaders:
        sys.meta_path.remove(loader)
    for name in set(sys.modules) - before:
        if name.split(".")[0] == PACKAGE:
            del sys.modules[name]
