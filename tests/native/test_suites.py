"""Every form on every suite, by both implementations, against the certified reference.

Bounds are those that the docstrings claim. Where a form cancels by its nature, 2^-40 (float64: 2^-80) of the sum
of its absolute terms is allowed besides; the terms are looked up only for points beyond the plain bound.
"""

import numpy as np
import pytest

from lossbench import native
from lossbench.reference import evaluate
from lossbench.reference.formats import encode
from lossbench.reference.forms import FORMS
from lossbench.suites.catalog import SUITES

KEYWORDS = {"": {}, "over=mean": {"over": "mean"}, "normalized": {"normalized": True}}
BOUNDS = {"float16": 0.51, "bfloat16": 0.51, "float32": 0.51, "float64": 1.0}
CASES = [
    (form, encoding, options)
    for form in FORMS
    for encoding in form.encodings
    for options in form.variants
    if options in KEYWORDS
]


def name(case):
    form, encoding, options = case
    return "-".join([form.name, encoding.replace("-", "x"), *filter(None, [options])])


def errors(got, exact):
    """Errors in ulps of finite results; asserts that the others are what they should be."""
    finite = np.isfinite(exact.value)
    np.testing.assert_array_equal(got[~finite], exact.value[~finite])
    assert np.isfinite(got[finite]).all()
    scale = exact.ulp_exponent.astype(int)[finite]
    off = np.ldexp(got[finite] - exact.value[finite], -scale // 2)
    return finite, np.abs(np.ldexp(off, -scale - -scale // 2) - exact.tail[finite])


def beyond(got, exact, bound):
    """(case indices, errors) of results beyond the bound."""
    finite, error = errors(got, exact)
    whole = np.zeros(got.shape)
    whole[finite] = error
    return np.argwhere(whole > bound), whole


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("case", CASES, ids=name)
def test_suites(case, dtype, compute_with, formats, oracle, ulps):
    form, encoding, options = case
    op, keywords = getattr(native, form.name), KEYWORDS[options]
    for suite in SUITES:
        for classes in suite.class_counts(form, "quick") if suite.fits(form, encoding) else ():
            drawn = suite.draw(form, encoding, dtype, classes, "quick", 0)
            x = encode(drawn.x, dtype).view(formats[dtype][0])
            y = drawn.y if drawn.y is None or encoding == "index" else encode(drawn.y, dtype).view(x.dtype)
            args = (x,) if y is None else (x, y)
            results = []
            for engine in ("numba", "numpy"):
                compute_with(engine)
                results.append([*op.value_and_grad(*args, **keywords), op.hess_diag(*args, **keywords)])
            for q, quantity in enumerate(form.quantities[:3]):
                exact = evaluate(form, drawn.x, drawn.y, dtype, quantity, options)
                for result in results:
                    got = result[q].astype(np.float64)
                    for at, error in zip(*_excess(got, exact, BOUNDS[dtype]), strict=True):
                        here = oracle(form.name, x[at[0]], None if y is None else y[at[0]], dtype, **keywords)[q]
                        want, terms = here if len(at) == 1 else here[at[1]]
                        allowed = (2.0**-80 if dtype == "float64" else 2.0**-40) * terms / ulps.unit(want, dtype)
                        assert error <= BOUNDS[dtype] + float(allowed), (suite.name, quantity, x[at[0]], got[tuple(at)])


def _excess(got, exact, bound):
    where, whole = beyond(got, exact, bound)
    return where, [whole[tuple(at)] for at in where]


def test_the_measure_of_errors_measures():
    """One unit of the last place off is an error of one ulp, whatever the binade."""
    from lossbench.reference import form_of

    z = np.array([-745.0, -30.0, 0.5, 40.0])
    exact = evaluate(form_of("softplus"), z, None, "float64")
    _, right = errors(exact.value, exact)
    _, off = errors(exact.value + np.ldexp(1.0, exact.ulp_exponent), exact)
    assert (right <= 0.5).all()
    np.testing.assert_array_equal(off, np.abs(1 - exact.tail))
