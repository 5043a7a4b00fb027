"""Results that are known without the reference: published, summed as fractions, or evaluated at 2000 bits."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import cache

import numpy as np

from lossbench.reference import form_of
from tests.reference import direct
from tests.reference.copies import Copy
from tests.reference.fractions_of import FORMATS, of_mpf, rounded, two

inf = math.inf

LONG = [2.0**120, *(2.0 ** (24 * k) - 2.0 ** (24 * k - 24) for k in (4, 3, 2, 1))]

# form, x, label, format, quantity, value: where published references or careless evaluation are wrong
PUBLISHED = [
    ("log_sigmoid", 500.0, None, "float64", "value", -7.124576406741286e-218),
    ("log_sigmoid", 710.0, None, "float64", "value", -4.47628622567513e-309),
    ("log_sigmoid", 725.0, None, "float64", "value", -1.36930634e-315),
    ("log_sigmoid", 735.0, None, "float64", "value", -6.217e-320),
    ("sigmoid_bce", 232.8, 1.0, "float64", "grad:z", -7.874892118601447e-102),
    ("softmax_xent", [2.0**24, -1.0], 1, "float32", "value", 16777218.0),
    ("log_softmax", [2.0**24, -1.0], None, "float32", "value", [-0.0, -16777218.0]),
    ("softmax_xent", [1e308, -1e308], 1, "float64", "value", inf),
    ("softmax_xent", [8e307, -8e307], 1, "float64", "value", 1.6e308),
    ("softmax_xent", [1e308, -1e308], 0, "float64", "grad:z", [-0.0, 0.0]),
    ("softmax_xent", [40.0, 0.0], 0, "float64", "grad:z", [-4.248354255291589e-18, 4.248354255291589e-18]),
    ("sigmoid", -100.0, None, "float32", "value", 3.783505853677006e-44),
    ("sigmoid", 5000.0, None, "float32", "hess_diag:z", -0.0),
    ("sigmoid_mse", 5000.0, 1.0, "float32", "value", 0.0),
    ("log_sigmoid", 5000.0, None, "float32", "value", -0.0),
    ("softmax", [0.0, 1e-300], None, "float64", "value", [0.5, 0.5]),
    ("multilabel_bce", [2.0**120, 2.0**96, 128.0], [0.0] * 3, "float32", "value", 2.0**120 + 2.0**97),
    # 2^120 + 2^96 - 1, of which 91 bits are a tie
    ("bernoulli_log_likelihood", LONG, [0.0] * 5, "float32", "value", -(2.0**120)),
]


def check_published(copy: Copy) -> str | None:
    """Values that others have wrong, with the signs of zeros."""
    for name, x, y, dtype, quantity, want in PUBLISHED:
        got = copy.reference.exact(name, x, y, dtype=dtype, quantity=quantity).value
        if not (np.array_equal(got, want) and np.array_equal(np.signbit(got), np.signbit(want))):
            return f"{name} {quantity} at {x}, {y} is {got}, not {want}"
    below = copy.reference.exact("softmax", [0.0, 1e-300], dtype="float64").ulp_exponent.tolist()
    return None if below == [-54, -53] else f"just below and above 1/2, the ulps are 2^{below}"


@cache
def _summands(dtype: str) -> list[list[Fraction]]:
    """Sums that end on ties, beside them by more than float64 holds, at edges, among subnormals, beyond the end."""
    precision, emin, largest = FORMATS[dtype]
    ulp, least = two(1 - precision), two(emin - precision + 1)
    half_end = two(math.floor(math.log2(largest)) - precision)
    tails = [] if dtype == "float64" else [two(-140)]
    heads = [[1, ulp / 2], [1 + ulp, ulp / 2], [Fraction(1, 4), Fraction(3, 4)], [least, least / 2], [least / 2]]
    heads += [[3 * least, least * (Fraction(1, 2) - two(-20))], [largest], [largest, half_end], [two(emin) - least]]
    heads += [[2 - ulp, ulp * (Fraction(1, 2) + two(-9))], [1, ulp * (Fraction(1, 2) - two(-30))]]
    sums = [[Fraction(part) for part in head] for head in heads]
    return sums + [[*head, tail * max(least, min(head))] for head in sums for tail in tails]


def _representable(weights: list[Fraction]) -> bool:
    return all(w < two(1024) and Fraction(float(w)) == w for w in weights)


def check_sums(copy: Copy) -> str | None:
    """Sums and means of weights times 1/8, which is the squared error of a sigmoid at 0 with a label of 0 or 1."""
    for dtype in ("float8_e4m3fn", "float32", "float64"):
        for i, summands in enumerate(_summands(dtype)):
            weights = [8 * part for part in summands]
            if not _representable(weights):
                continue
            x, y = np.zeros(len(weights)), np.arange(len(weights)) % 2.0
            given = [float(w) for w in weights]
            for reduction, by in (("sum", "N"), ("mean", ("N", "sum_w")[i % 2]))[: 2 if i % 3 == 0 else 1]:
                r = sum(summands) / (1 if reduction == "sum" else len(weights) if by == "N" else sum(weights))
                keywords = {"reduction": reduction, "denominator": by, "sample_weight": given}
                got = copy.evaluate("sigmoid_mse", x, y, dtype, "value", **keywords)
                want = rounded(r, dtype)
                if not _equal(got.value[()], got.ulp_exponent[()], got.tail[()], want, 2.0**-40):
                    return f"{reduction} of {summands} by {by} in {dtype} is {got.value}, {got.tail}, not {want}"
    return _infinite(copy) or _nothing(copy)


def _infinite(copy: Copy) -> str | None:
    """Sums with infinities and NaN, and with weights of zero on them."""
    table = [
        ("log_sigmoid", [-inf, 1.0], [1.0, 1.0], -inf),
        ("softplus", [inf, 0.0], [0.5, 1.0], inf),
        ("sigmoid", [math.nan, 0.0], [1.0, 1.0], math.nan),
        ("sigmoid", [math.nan, 0.0], [0.0, 1.0], math.nan),
        ("softplus", [inf, -inf], [0.0, 1.0], 0.0),
    ]
    for name, x, weights, want in table:
        got = copy.evaluate(name, x, None, "float32", "value", reduction="sum", sample_weight=weights).value
        if not np.array_equal(got, want, equal_nan=True):
            return f"the sum of {name} at {x} with weights {weights} is {got}"
    return None


def _nothing(copy: Copy) -> str | None:
    """A batch that asks for nothing costs nothing; over no rows a sum is 0 and a mean is NaN."""
    for by, weights in itertools.product(("N", "sum_w"), ([0.0, 0.0], [0.0, 2.0])):
        keywords = {"options": "ignore_index=5", "reduction": "mean", "denominator": by, "sample_weight": weights}
        for quantity in ("value", "grad:z"):
            if copy.evaluate(
                "softmax_xent", [[1.0, 2.0], [math.nan, 0.0]], [0, 5], "float32", quantity, **keywords
            ).value.any():
                return f"a batch without weight costs something by {by}"
        none = np.zeros((0, 2)), np.zeros(0, int), "float32"
        empty = [copy.evaluate("softmax_xent", *none, reduction=r, denominator=by).value for r in ("sum", "mean")]
        if empty[0] != 0 or not np.isnan(empty[1]):
            return f"no rows have the sum {empty[0]} and the mean {empty[1]} by {by}"
    return None


def _equal(value: float, exponent: int, tail: float, want: tuple[float, int, float], slack: float) -> bool:
    if not math.isfinite(want[0]):
        return value == want[0] or (math.isnan(value) and math.isnan(want[0]))
    return value == want[0] and exponent == want[1] and abs(tail - want[2]) <= slack


#: Logits and probabilities of three classes, numbers of every format that is asked.
ROWS = [[1.5, -0.25, 3.0], [-7.0, 0.5, 0.5], [12.0, 0.0, -4.0]]
SHARES = [[0.25, 0.125, 0.625], [0.5, 0.03125, 0.46875], [0.75, 0.125, 0.25]]
SOFT = [[0.25, 0.5, 0.25], [0.0, 0.75, 0.125], [0.5, 0.5, 0.0]]
SCALARS, UNITS, LABELS = [-3.0, 0.625, 7.5, 30.0], [0.125, 0.5, 0.75, 0.9375], [1.0, 0.0, 0.25, 1.0]
ALONE = {
    "margin_logistic": (SCALARS, [1.0, -1.0, -1.0, 1.0]),
    "prob_bce": (UNITS, LABELS),
    "bernoulli_likelihood": (ROWS, [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
    "bernoulli_log_likelihood": (ROWS, [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
}
OPTIONS = {
    "softmax_xent": (
        "weight=0.5;0.0;3.0",
        "label_smoothing=0.25,smoothing=K-1,weight=1.0;2.5;0.5",
        "label_smoothing=0.3",
    ),
    "prob_xent": ("weight=0.5;2.0;3.0", "label_smoothing=0.1,normalized,weight=1.0;2.0;0.5"),
    "sigmoid_bce": ("pos_weight=2.5", "label_smoothing=0.1,pos_weight=0.3"),
    "prob_bce": ("pos_weight=2.5", "label_smoothing=0.1"),
    "sigmoid_mse": ("label_smoothing=0.1",),
    "multilabel_bce": ("pos_weight=0.5;1.0;3.0,weight=1.0;2.0;0.25", "label_smoothing=0.1,over=mean,pos_weight=2.0"),
}


def _labels(name: str, x: list) -> tuple:
    if name in ALONE:
        return ALONE[name][1:]
    if form_of(name).encodings == ("-",):
        return (None,)
    if not form_of(name).class_axis:
        return (LABELS[: len(x)],)
    return (SOFT,) if name == "multilabel_bce" else (SOFT, [0, 2, 1])


def _inputs(name: str) -> list:
    form = form_of(name)
    return ALONE[name][0] if name in ALONE else SHARES if form.wrt == "q" else ROWS if form.class_axis else SCALARS


@cache
def _known() -> tuple:
    """Arguments, and for every case and component what it is, rounded, by the textbook's formulas at many bits."""
    found = []
    for name in dict.fromkeys(name for name, _ in direct.VALUES):
        form, x = form_of(name), _inputs(name)
        for y, options in itertools.product(_labels(name, x), ("", *OPTIONS.get(name, ()))):
            for order, quantity in enumerate(form.quantities):
                mp = direct.context(700 if order else direct.BITS)
                exact = [
                    [of_mpf(part) for part in direct.quantity(name, options, mp, a, None if y is None else y[i], order)]
                    for i, a in enumerate(x)
                ]
                for dtype in ("float32", "float64") if order == 0 else ("float32",):
                    # what is left of an exact zero by differencing is zero
                    want = [[rounded(r if abs(r) > two(-180) else Fraction(0), dtype) for r in row] for row in exact]
                    found.append((name, x, y, dtype, quantity, options, want))
    return tuple(found)


def check_direct(copy: Copy) -> str | None:
    """Every form, quantity and option at ordinary points; batches of classes with weights and an ignored row."""
    for name, x, y, dtype, quantity, options, wants in _known():
        got = copy.evaluate(name, x, y, dtype, quantity, options)
        for i, want in enumerate(wants):
            parts = [np.atleast_1d(part[i]) for part in (got.value, got.ulp_exponent, got.tail)]
            for k, one in enumerate(zip(*parts, strict=True)):
                slack = float(np.atleast_1d(got.certificates["radius"][i])[k]) + 2.0**-50
                if not _equal(*one, want[k], slack if quantity == "value" else 2.0**-30):
                    return f"{name} {quantity} {options} at {x[i]}, {y and y[i]} in {dtype} is {one}, not {want[k]}"
            if len(parts[0]) != len(want):
                return f"{name} {quantity} has {len(parts[0])} components"
    return _batches(copy)


@cache
def _reduced() -> tuple:
    """Batches of index labels with an ignored row, class weights and sample weights, as fractions of logarithms."""
    mp, weights, samples = direct.context(), [0.5, 2.0, 3.0], [1.5, 0.0, 0.25]
    x, y = [*ROWS, [9.0, 9.0, 0.0]], [0, 2, 1, -100]
    losses = [
        of_mpf(direct.quantity("softmax_xent", "weight=0.5;2.0;3.0", mp, a, t, 0)[0])
        for a, t in zip(ROWS, y, strict=False)
    ]
    total = sum(Fraction(s) * loss for s, loss in zip(samples, losses, strict=True))
    mass = sum(Fraction(s) * Fraction(weights[t]) for s, t in zip(samples, y, strict=False))
    wants = {("sum", "N"): total, ("mean", "N"): total / 3, ("mean", "sum_w"): total / mass}
    slopes = [direct.quantity("softmax_xent", "weight=0.5;2.0;3.0", direct.context(700), ROWS[0], 0, 1)]
    first = Fraction(samples[0]) * of_mpf(slopes[0][0]) / mass
    return x, y, [*samples, 4.0], {key: rounded(r, "float32") for key, r in wants.items()}, rounded(first, "float32")


def _batches(copy: Copy) -> str | None:
    x, y, samples, wants, slope = _reduced()
    said = "ignore_index=-100,weight=0.5;2.0;3.0"
    for (reduction, by), want in wants.items():
        keywords = {"reduction": reduction, "denominator": by, "sample_weight": samples}
        got = copy.evaluate("softmax_xent", x, y, "float32", "value", said, **keywords)
        if not _equal(got.value[()], got.ulp_exponent[()], got.tail[()], want, 2.0**-30):
            return f"{reduction} by {by} is {got.value}, not {want}"
    got = copy.evaluate("softmax_xent", x, y, "float32", "grad:z", said, **keywords)
    if not _equal(got.value[0, 0], got.ulp_exponent[0, 0], got.tail[0, 0], slope, 2.0**-30) or got.value[3].any():
        return f"the gradient of a mean is {got.value[[0, 3]]}"
    return None
