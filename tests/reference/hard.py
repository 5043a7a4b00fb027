"""A compact set of hard points: where terms cancel, tails vanish, limits decide, classes tie, and batches are mixed."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from lossbench.reference import form_of
from lossbench.reference.formats import FORMATS, to_nearest

inf = math.inf
LN2 = math.log(2)


@dataclass(frozen=True)
class Batch:
    """The arguments of one call of `evaluate`."""

    form: str
    x: Any
    y: Any
    dtype: str
    quantity: str
    options: str = ""
    keywords: dict[str, Any] = field(default_factory=dict)

    def ask(self, copy: Any) -> Any:
        """What a copy of the reference says."""
        return copy.evaluate(self.form, self.x, self.y, self.dtype, self.quantity, self.options, **self.keywords)


def _numbers(values: Any, dtype: str) -> np.ndarray:
    """The values that the format can hold, rounded to it."""
    rounded = to_nearest(np.asarray(values, float), dtype)
    return rounded[np.isfinite(rounded) | ~np.isfinite(values)]


def _logits(dtype: str) -> np.ndarray:
    """Zero, the ends of the format, where sigmoids saturate and vanish, and both sides of where limits begin."""
    fmt = FORMATS[dtype]
    edges = [
        fmt.subnormal,
        fmt.tiny,
        fmt.maxfinite,
        fmt.precision * LN2,
        -fmt.emin * LN2,
        LN2 * (fmt.precision - fmt.emin),
    ]
    usual = [2.0**-fmt.precision, 0.5, 1.1052913665771484, 5.0, 20.1, 88.8, 300.0, 4096.0, 4104.0, 2.0**24, inf]
    points = np.array([0.0, *edges, *usual])
    return _numbers(np.concatenate([points, -points[1:], [math.nan]]), dtype)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def _scalars(dtype: str) -> Iterator[Batch]:
    z = _logits(dtype)
    met = np.nan_to_num(to_nearest(_sigmoid(z), dtype))  # soft labels that g(z) all but meets
    soft = to_nearest(np.full(len(z), 0.3), dtype)
    p = _numbers([0.0, FORMATS[dtype].subnormal, 1e-3, 0.3, 0.5, 1 - 2.0 ** -FORMATS[dtype].precision, 1.0], dtype)
    for name in ("sigmoid", "log_sigmoid", "softplus", "margin_logistic", "sigmoid_bce", "sigmoid_mse", "prob_bce"):
        form = form_of(name)
        x = p if form.wrt == "p" else z
        signs = [np.full(len(x), s) for s in ((-1.0, 1.0) if name == "margin_logistic" else (0.0, 1.0))]
        labels = [None] if form.encodings == ("-",) else signs
        if "soft" in form.encodings:
            labels += [np.full(len(x), 0.25)] if form.wrt == "p" else [met, soft]
        for y, quantity in itertools.product(labels, form.quantities):
            yield Batch(name, x, y, dtype, quantity)
        said = {"sigmoid_mse": ("label_smoothing=0.1",), "prob_bce": ("pos_weight=2.7", "label_smoothing=0.1")}
        said["sigmoid_bce"] = ("label_smoothing=0.1,pos_weight=0.3", "pos_weight=2.7")
        for options, quantity in itertools.product(said.get(name, ()), form.quantities):
            yield Batch(name, x[::2], np.arange(len(x[::2])) % 2.0, dtype, quantity, options)


def _rows(dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Logits with their class: every way that three can tie, be near, far or gone; more of the far; other widths."""
    far, farther = (-6000.0, -7000.0) if dtype != "float16" else (-6000.0, -7008.0)
    three = [row for row in itertools.product((0.0, -1.5, far, -inf), repeat=3) if max(row) == 0]
    three += [(0.0, far, farther), (farther, 0.0, far), (far, farther, 0.0), (1.0, 2.0, 3.0), (-LN2, -LN2, -inf)]
    three += [(inf, 0.0, 1.0), (inf, inf, 0.0), (-inf,) * 3, (0.0, FORMATS[dtype].subnormal, 0.0), (math.nan, 0.0, inf)]
    three += [(9.0, -1.0, 8.875), (40.0, 0.0, -40.0)]
    four = [*set(itertools.permutations((0.0, 0.0, 0.0, far))), *set(itertools.permutations((0.0, 0.0, far, farther)))]
    four += [(0.0, far, far, farther), (0.0, 0.0, 0.0, -30.0), (0.0,) * 4]
    four += [
        (far, 0.0, -0.25, -0.25),
        (far, -0.25, 0.0, -0.25),
        (0.00390625, 1.5, 2.5, 4096.0),
        (-(2.0**22), 1.5, 2.5, 4096.0),
        (0.0, 0.25, 2048.0, 6144.0),
    ]
    two = [(2.0 ** FORMATS[dtype].precision, -1.0), (-LN2, -LN2), (0.0, 16.635), (30.0, -30.0)]
    two += [(FORMATS[dtype].maxfinite, s * FORMATS[dtype].maxfinite) for s in (-1.0, 1.0)]
    two += [(2.0**25, 2.0**25 - 4.0), (1e4, 1e4)] if dtype != "float16" else [(1e4, 1e4)]
    alike = [[-inf] * 3 + [1.0, 2.0] + [-inf] * 2]  # classes 3 and 4 have equal components in the direction of `hvp`
    alike += [[low, -inf, -inf, 0.0, far, 0.0, -inf] for low in (-inf, far - 2000.0, 2 * far - 8.0)]
    groups = [to_nearest(np.array(sorted(rows)), dtype) for rows in (three, four, two, alike, [(7.0,)])]
    return [(rows, np.arange(len(rows)) % rows.shape[1]) for rows in groups]


def _class_rows(dtype: str, few: bool = False) -> Iterator[Batch]:
    for (z, t), name in itertools.product(_rows(dtype), ("softmax_xent", "softmax", "log_softmax", "logsumexp")):
        if few and len(z) > 8:
            z, t = z[::5], t[::5]
        form, size = form_of(name), z.shape[1]
        for quantity in form.quantities:
            yield Batch(name, z, t if name == "softmax_xent" else None, dtype, quantity)
            if name == "softmax_xent":
                soft = np.where(np.eye(size)[t] == 1, 0.5, 0.5 / max(1, size - 1) if size < 4 else 0.125)
                soft[::3, -1] = 0.0
                yield Batch(name, z, soft, dtype, quantity)
                met = to_nearest(
                    [
                        [math.exp(x - max(row)) if -inf < x <= max(row) < inf else 0.0 for x in row]
                        for row in z.tolist()
                    ],
                    dtype,
                )
                yield Batch(name, z[::2], np.clip(met, 0, 1)[::2] / 2, dtype, quantity)
                if size == 3:
                    yield Batch(
                        name, z[::3], t[::3], dtype, quantity, "label_smoothing=0.3,smoothing=K-1,weight=1.0;0.0;2.5"
                    )
                    yield Batch(name, z[::4], t[::4], dtype, quantity, "label_smoothing=0.1,weight=0.5;3.0;0.1")


def _probabilities(dtype: str) -> Iterator[Batch]:
    fmt = FORMATS[dtype]
    q = to_nearest([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.0, 0.0], [1.0, 1.0, fmt.tiny],
                    [fmt.subnormal, 1.0, 0.0], [1.0, 2.0**-30, 0.0], [0.0] * 3,
                    [math.nan, 0.5, 0.5], [0.75, 2.0**-60, 0.0]], dtype)  # fmt: skip
    labels = [np.arange(len(q)) % 3, np.tile([0.25, 0.75, 0.0], (len(q), 1))]
    for quantity, y in itertools.product(form_of("prob_xent").quantities, labels):
        for options in ("", "normalized", "weight=0.5;0.0;3.0", "normalized,weight=2.0;0.0;0.5"):
            yield Batch("prob_xent", q, y, dtype, quantity, options)


def _outputs(dtype: str) -> Iterator[Batch]:
    """Two outputs that are zero, near, far or infinite, right and wrong."""
    kinds = (0.0, -0.75, 2.0, 30.0, 6000.0, -6000.0, inf, -inf)
    z = to_nearest(list(itertools.product(kinds, repeat=2)), dtype)
    right = (np.indices(z.shape).sum(0) + np.arange(len(z))[:, None] // 3) % 2.0
    options = ("over=mean", "label_smoothing=0.1,pos_weight=2.0;0.5,weight=0.0;3.0")
    for name in ("multilabel_bce", "bernoulli_likelihood", "bernoulli_log_likelihood"):
        for quantity in form_of(name).quantities:
            for y in (right, 1 - right):
                yield Batch(name, z, y, dtype, quantity)
            if name == "multilabel_bce":
                for said in options:
                    yield Batch(name, z[::3], right[::3], dtype, quantity, said)
                yield Batch(name, z[::3], np.full(z[::3].shape, 0.25), dtype, quantity)


def _wide_sums(dtype: str) -> Iterator[Batch]:
    """An exact head longer than the working precision, that rounds up for its last bit."""
    if dtype == "float32":
        z = [[2.0**120, 2.0**96, 128.0]]
        for name in ("multilabel_bce", "bernoulli_log_likelihood"):
            yield Batch(name, z, [[0.0] * 3], dtype, "value")
        yield Batch("softmax_xent", [[2.0**24, -1.0, -(2.0**-126)]], [[0.0, 1.0, 1.0]], dtype, "value")


def _reductions(dtype: str) -> Iterator[Batch]:
    """Batches with weights, a weightless row, and where labels are classes an ignored row that holds NaN."""
    weights = [0.3, 1.0, 0.0, 2.5, 1.0]
    z = to_nearest([0.5, -3.0, math.nan, 0.0, 8.0], dtype)
    rows = to_nearest([[1.0, 2.0, 0.5], [0.0, 0.0, -6000.0], [3.0, -3.0, 0.0], [math.nan] * 3, [0.0, 0.25, 0.0]], dtype)
    z[2], shares = 6000.0, np.exp(rows) / np.exp(rows).sum(-1, keepdims=True)
    shares = to_nearest(np.where(np.isnan(shares), 0.25, shares), dtype)
    hard = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    asked = [
        ("softmax_xent", rows, [0, 1, 2, -100, 1], "ignore_index=-100,weight=1.0;2.0;0.5"),
        ("softmax_xent", rows, [0, 1, 2, -100, 1], "ignore_index=-100"),
        ("softmax_xent", rows[:3], shares[:3], "label_smoothing=0.1,weight=0.5;3.0;0.1"),
        ("prob_xent", shares, [2, 0, 1, 1, 0], "weight=1.0;2.0;0.5"),
        ("sigmoid_bce", z, hard, "pos_weight=2.7"),
        ("sigmoid_mse", z, hard, ""),
        ("sigmoid", z, None, ""),
        ("log_softmax", rows[[0, 1, 2, 4]], None, ""),
        ("multilabel_bce", rows[[0, 1, 2, 4]], np.tile([0.0, 1.0, 0.5], (4, 1)), "over=mean"),
    ]
    for (name, x, y, options), (reduction, by) in itertools.product(
        asked, (("none", "N"), ("sum", "N"), ("mean", "N"), ("mean", "sum_w"))
    ):
        weighted = {"reduction": reduction, "denominator": by, "sample_weight": weights[: len(x)]}
        for quantity in form_of(name).quantities[:2]:
            if reduction != "sum" or quantity == "value":
                yield Batch(name, x, y, dtype, quantity, options, weighted)


@cache
def batches() -> tuple[Batch, ...]:
    """All of them, every quantity of every form in turn."""
    found = [b for dtype in ("float32", "float64") for part in (_reductions, _scalars, _wide_sums) for b in part(dtype)]
    found += [b for dtype in ("float32",) for part in (_probabilities, _outputs, _class_rows) for b in part(dtype)]
    found += [b for b in _scalars("float16") if b.quantity == "value"]
    found += [b for part in (_probabilities, lambda d: _class_rows(d, few=True)) for b in part("float64")]
    turns: Counter[tuple[str, str]] = Counter()
    ordered = []
    for i, batch in enumerate(found):
        ordered.append((turns[batch.form, batch.quantity], i))
        turns[batch.form, batch.quantity] += 1
    return tuple(found[i] for _, i in sorted(ordered))
