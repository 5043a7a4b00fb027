"""The suites and checks notice every bug of `mutants`, and nothing in the code as it is."""

from functools import cache

import mpmath
import numpy as np
import pytest

import lossbench.native
from lossbench.native import choice
from lossbench.reference import evaluate, form_of
from lossbench.reference.formats import encode
from lossbench.suites.catalog import SUITES

from .copies import Change
from .mutants import HELPERS, MUTANTS


@cache
def points(form, encoding, dtype):
    """The suites' points of a form and what value and gradient are there."""
    form = form_of(form)
    found = []
    for suite in SUITES:
        for classes in (form.class_axis and (1, 4)) or (1,):
            if suite.fits(form, encoding) and suite.name != "many_classes":
                drawn = suite.draw(form, encoding, dtype, classes, "quick", 0)
                exact = [evaluate(form, drawn.x, drawn.y, dtype, q) for q in form.quantities[:2]]
                found.append((drawn, exact))
    return found


def suites(native, form):
    """Whether the suites find an error above the bound or a wrong special value in a form."""
    bound = {"float64": 1.0, "float32": 0.51}
    with np.errstate(all="ignore"):
        for encoding in form_of(form).encodings[:2]:
            for dtype in bound:
                for drawn, exact in points(form, encoding, dtype):
                    x = encode(drawn.x, dtype)
                    y = drawn.y if drawn.y is None or encoding == "index" else encode(drawn.y, dtype)
                    got = getattr(native, form).value_and_grad(*((x,) if y is None else (x, y)))
                    for result, want in zip(got, exact, strict=True):
                        if differs(result.astype(np.float64), want, bound[dtype], encoding == "soft"):
                            return True
    return False


def differs(got, want, bound, soft):
    finite = np.isfinite(want.value)
    if not np.array_equal(got[~finite], want.value[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return True
    scale = want.ulp_exponent[finite].astype(int)
    off = np.ldexp(np.ldexp(got[finite] - want.value[finite], -(scale // 2)), scale // 2 - scale)
    return not soft and bool((np.abs(off - want.tail[finite]) > bound).any())


Z, T = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 0.0], [3.0, 0.0, 1.0]]), np.array([0, 2, 1])


def ignored(native):
    kept = native.softmax_xent(Z[:2], T[:2], reduction="mean")
    return native.softmax_xent(Z, np.array([0, 2, -1]), ignore_index=-1, reduction="mean") != kept


def denominator(native):
    weight = np.array([0.5, 1.0, 3.0])
    total = native.softmax_xent(Z, T, weight=weight, reduction="sum")
    mean = native.softmax_xent(Z, T, weight=weight, reduction="mean", denominator="sum_w")
    return abs(mean * weight[T].sum() / total - 1) > 2.0**-50


def smoothing(native):
    smooth = 0.7 * np.eye(3)[T] + 0.1
    want = native.softmax_xent(Z, smooth)
    return (np.abs(native.softmax_xent(Z, T, label_smoothing=0.3) / want - 1) > 2.0**-50).any()


def pos_weight(native):
    return not np.array_equal(
        native.sigmoid_bce(Z[0], [1.0, 0.0, 1.0], pos_weight=2.0), native.sigmoid_bce(Z[0], [1.0, 0.0, 1.0]) * [2, 1, 2]
    )


def cotangents(native):
    weight, given = np.array([0.5, 2.0, 4.0]), np.array([2.0, -1.0, 8.0])
    got = native.softmax_xent.grad(Z, T, sample_weight=weight, grad_out=given)
    return not np.array_equal(got, native.softmax_xent.grad(Z, T) * (weight * given)[:, None])


def denominator_of_the_gradient(native):
    got = native.softmax_xent.grad(Z, T, sample_weight=[0.5, 0.5, 1.0], reduction="mean", denominator="sum_w")
    return not np.array_equal(got, native.softmax_xent.grad(Z, T) * np.array([0.25, 0.25, 0.5])[:, None])


def refusals(native):
    for call in (
        lambda: native.softmax_xent(Z, np.array([0, -1, 1])),
        lambda: native.softmax_xent(Z, np.array([0, 3, 1])),
        lambda: native.sigmoid_bce(Z[:, 0], np.ones((3, 1))),
    ):
        try:
            call()
        except ValueError:
            continue
        return True
    return False


def running_sum(native):
    return native.softplus(np.zeros(3_000_000, np.float32), reduction="mean") != np.float32(np.log(2))


def alone(native):
    """Whether an element's result depends on how many there are."""
    x = np.random.default_rng(0).normal(0, 10, 480)
    return any(
        native.softplus(z[i : i + 1])[0] != native.softplus(z)[i]
        for z in (x, x.astype(np.float32))
        for i in range(0, 480, 7)
    )


def tail(native):
    """1000 classes of which each exp is lost and their sum is not, and a row of 4 among others."""
    x = np.concatenate([[0.0], np.full(999, -746.0)])[None]
    some = np.tile(Z[:1, [0, 1, 2, 0]], (9, 1))
    some[3] = x[0, :4]
    lost = native.softmax_xent(some, np.zeros(9, int))[3] != 5e-324
    return lost or native.softmax_xent(x, np.array([0]))[0] != 1.04e-321


def spared(native):
    """Whether the loss is off by more than an ulp where smoothing leaves next to nothing to the class index."""
    eps = 1 - 2.0**-53
    z = np.random.default_rng(0).normal(0, 20, (300, 2))
    got = native.softmax_xent(z, np.zeros(300, int), label_smoothing=eps, smoothing="K-1")
    with mpmath.workprec(300):
        rows = [[mpmath.mpf(float(x)) for x in row] for row in z]
        want = [mpmath.log(mpmath.exp(a) + mpmath.exp(b)) - (1 - mpmath.mpf(eps)) * a - eps * b for a, b in rows]
        off = [abs(x - exact) / float(np.spacing(float(exact))) for x, exact in zip(got.tolist(), want, strict=True)]
    return max(off) > 1


def soft_labels(native):
    z, y = np.array([3.0, -2.0, 0.5, 1.0], np.float32), np.array([0.0, 0.25, 0.5, 1.0], np.float32)
    form = form_of("sigmoid_bce")
    exact = [evaluate(form, z.astype(float), y.astype(float), "float32", q) for q in form.quantities[:2]]
    got = native.sigmoid_bce.value_and_grad(z, y)
    return any(differs(a.astype(float), want, 0.51, False) for a, want in zip(got, exact, strict=True))


def at_once(native):
    """Whether a value found by Ziv's test is another one than that beside a gradient, which is not."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, scale, (2000, 40)) for scale in (1.0, 5.0, 1.0)]).astype(np.float32)
    x[4000:, 0] = -2200.0
    y = rng.integers(0, 40, len(x))
    return not np.array_equal(native.softmax_xent(x, y), native.softmax_xent.value_and_grad(x, y)[0])


def lone_label(native):
    """Whether half of a one-hot row gives something else than half of the loss."""
    return not np.array_equal(2.0 * native.softmax_xent(Z, 0.5 * np.eye(3)[T]), native.softmax_xent(Z, T))


def cancelled(native):
    """Whether a logarithm of exps near 0 is off by 2^-40 of its terms, twice the largest logit."""
    form, one = form_of("logsumexp"), np.linspace(-3, -0.1, 400)
    z = np.stack([one, np.log(-np.expm1(one))], axis=1).astype(np.float32)
    exact = evaluate(form, z.astype(np.float64), None, "float32", "value").value
    return (np.abs(native.logsumexp(z) - exact) > 2.0**-39 * np.abs(z.max(axis=1))).any()


QUESTIONS = {
    "cancelled": cancelled,
    "lone label": lone_label,
    "at once": at_once,
    "ignored": ignored,
    "denominator": denominator,
    "smoothing": smoothing,
    "refusals": refusals,
    "pos_weight": pos_weight,
    "cotangents": cotangents,
    "denominator of the gradient": denominator_of_the_gradient,
    "sum": running_sum,
    "alone": alone,
    "tail": tail,
    "spared": spared,
    "soft labels": soft_labels,
}


def asked(native, question):
    return QUESTIONS[question](native) if question in QUESTIONS else suites(native, question)


@pytest.mark.parametrize("question", sorted({mutant.question for mutant in MUTANTS}))
@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_the_code_as_it_is_passes(question, engine, engines):
    engines[engine]
    with lossbench.native.using(engine):
        assert not asked(lossbench.native, question)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_noticed(mutant, load, engines):
    engine = mutant.engine
    if engine == "float32 arithmetic":
        engine = "numba"
        engines[engine]()
        from lossbench.native import kernels

        if not kernels.register():
            pytest.skip("the target permutes no registers: no kernel is in float32 arithmetic")
    engines[engine]
    native = load(Change(mutant.module, mutant.old, mutant.new, HELPERS.get(mutant.module, "")))
    assert native.choice is not choice
    with native.using(engine):
        assert asked(native, mutant.question)
