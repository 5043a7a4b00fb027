"""Every suite keeps what it promises: regions as named, enough distinct inputs, the same bits from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.reference import FORMS
from lossbench.reference.formats import FORMATS, MEASURED, encode
from lossbench.suites import SUITES
from lossbench.suites.points import hard_points

COMBINATIONS = [
    pytest.param(suite, form, encoding, id=f"{suite.name}-{form.name}-{encoding}")
    for suite in SUITES
    for form in FORMS
    for encoding in form.encodings
    if suite.fits(form, encoding)
]


@pytest.mark.parametrize("dtype", MEASURED)
@pytest.mark.parametrize(("suite", "form", "encoding"), COMBINATIONS)
def test_regions_hold_and_are_covered(suite, form, encoding, dtype):
    for classes in suite.class_counts(form, "quick"):
        cases = suite.draw(form, encoding, dtype, classes, "quick", 0)
        encode(cases.x, dtype)  # every input is a number of the format
        assert len(cases.regions) == len(cases.x)
        assert (cases.y is None) == (encoding == "-")
        known = {region.name: region for region in suite.regions}
        for name in dict.fromkeys(cases.regions):
            region = known.get(name, known.get("*"))
            chosen = [i for i, r in enumerate(cases.regions) if r == name]
            for i in chosen:
                y = None if cases.y is None else cases.y[i]
                assert region.holds(np.atleast_1d(cases.x[i]), y, FORMATS[dtype]), (name, cases.x[i])
            distinct = np.unique(encode(cases.x[chosen], dtype), axis=0)
            assert len(distinct) >= min(region.at_least, len(chosen)), name
            if region.name != "*" and not (form.class_axis and classes <= 2):
                assert len(chosen) >= region.at_least, name


@pytest.mark.parametrize(("suite", "form", "encoding"), COMBINATIONS)
def test_labels_are_of_their_encoding_and_vary(suite, form, encoding):
    cases = suite.draw(form, encoding, "float32", suite.class_counts(form, "quick")[-1], "quick", 0)
    y = cases.y
    if encoding == "-":
        return
    allowed = {"binary": {0.0, 1.0}, "signed": {-1.0, 1.0}, "onehot": {0.0, 1.0}}
    if encoding == "index":
        assert y.dtype == np.int64 and y.min() >= 0 and y.max() < cases.x.shape[1]
    else:
        encode(y, "float32")
        assert np.all((y >= 0) | (encoding == "signed")) and np.all(y <= 1)
        if encoding in allowed:
            assert set(np.unique(y)) <= allowed[encoding]
        if encoding == "onehot":
            assert np.all(y.sum(axis=1) == 1)
    if suite.name != "landmarks":
        assert len(np.unique(y)) >= 2


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
def test_draws_are_reproducible_and_depend_on_the_seed(suite):
    form = next(f for f in FORMS if any(suite.fits(f, e) for e in f.encodings))
    encoding = next(e for e in form.encodings if suite.fits(form, e))
    classes = suite.class_counts(form, "quick")[0]
    first, again, other = (suite.draw(form, encoding, "float32", classes, "quick", s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    if suite.name not in ("landmarks", "saturated_sigmoids"):
        assert not np.array_equal(first.x, other.x, equal_nan=True)


def test_equal_forms_are_asked_the_same_questions():
    from lossbench.reference import form_of
    from lossbench.suites import suite_of

    suite = suite_of("label_conventions")
    bce = suite.draw(form_of("sigmoid_bce"), "binary", "float32", 1, "quick", 0)
    margin = suite.draw(form_of("margin_logistic"), "signed", "float32", 1, "quick", 0)
    np.testing.assert_array_equal(bce.x, margin.x)
    np.testing.assert_array_equal(2 * bce.y - 1, margin.y)
    index = suite.draw(form_of("softmax_xent"), "index", "float32", 4, "quick", 0)
    onehot = suite.draw(form_of("softmax_xent"), "onehot", "float32", 4, "quick", 0)
    np.testing.assert_array_equal(np.eye(4)[index.y], onehot.y)
    np.testing.assert_array_equal(index.x, onehot.x)


@pytest.mark.parametrize("dtype", MEASURED)
def test_random_bits_reach_far_above_and_below_one(dtype):
    from lossbench.reference import form_of
    from lossbench.suites import suite_of

    x = suite_of("random_bits").draw(form_of("sigmoid"), "-", dtype, 1, "default", 0).x
    finite = np.abs(x[np.isfinite(x) & (x != 0)])
    octaves = np.floor(np.log2(finite))
    fmt = FORMATS[dtype]
    assert octaves.max() > fmt.emax / 2 and octaves.min() < fmt.emin / 2
    assert len(np.unique(octaves)) >= min(len(octaves) / 3, (fmt.emax - fmt.emin) / 2)


def test_hard_points_are_read_from_the_text():
    assert hard_points()[9] == float.fromhex("0x1.4199999999999p+4") == np.nextafter(20.1, 0)
    assert len(hard_points()) == 26
