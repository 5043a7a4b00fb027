"""What labels and options ask of a row, for the second oracle: rationals, straight from the definitions.

The first oracle clears the denominators instead (`targets`); nothing is shared but the meaning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flint import fmpq

from lossbench.reference.options import Options

#: A weight: a float as it was given, or an exact fraction that options made of it.
Weight = Any


def rational(value: Weight) -> fmpq:
    """The exact fraction of a finite float; a fraction stays what it is."""
    return value if isinstance(value, fmpq) else fmpq(*float(value).as_integer_ratio())


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one case, by what a form wants of them.

    raw: as given, an index as its one-hot row. classes: weight of each -log p_k. pairs: weights of -log g and
    -log(1 - g) of each output. plain: the single label.
    """

    raw: Sequence[float]
    classes: Sequence[Weight] = ()
    pairs: Sequence[tuple[Weight, Weight]] = ()
    plain: Weight = 0.0

    @property
    def undefined(self) -> bool:
        """Whether a label is NaN."""
        return any(map(math.isnan, self.raw))


def _binary(y: Weight, options: Options, k: int) -> tuple[Weight, Weight]:
    if math.isnan(y):
        return y, y
    positive, negative = y, (1.0 - y if y in (0, 1) else 1 - rational(y))
    if options.label_smoothing:
        eps = rational(options.label_smoothing)
        positive = rational(y) * (1 - eps) + eps / 2
        negative = 1 - positive
    c = options.pos_weight
    if c is not None:
        positive = rational(c[k] if isinstance(c, tuple) else c) * rational(positive)
    if options.weight is not None:
        w = rational(options.weight[k])
        positive, negative = w * rational(positive), w * rational(negative)
    return positive, negative


def _classes(y: Sequence[float], options: Options) -> Sequence[Weight]:
    weights: Sequence[Weight] = y
    if any(map(math.isnan, y)):
        return weights
    if options.label_smoothing:
        eps, size = rational(options.label_smoothing), len(y)
        if options.smoothing == "K":
            weights = [(1 - eps) * rational(x) + eps / size for x in y]
        else:
            weights = [(1 - eps) * rational(x) + eps / (size - 1) * (1 - rational(x)) for x in y]
    if options.weight is not None:
        weights = [rational(w) * rational(x) for w, x in zip(options.weight, weights, strict=True)]
    return weights


def row_weight(y: Sequence[float], options: Options) -> fmpq:
    """What a row of class labels adds to the denominator "sum_w" of a mean."""
    weight = (1.0,) * len(y) if options.weight is None else options.weight
    return sum((rational(w) * rational(x) for w, x in zip(weight, y, strict=True)), fmpq(0))


def labels_of(name: str, y: Any, size: int, options: Options) -> Labels:
    """Return the labels of a case of the form called `name`; y is a number, `size` numbers, or an index."""
    if name in ("softmax_xent", "prob_xent"):
        raw = [float(k == y) for k in range(size)] if isinstance(y, int) else y
        return Labels(raw, classes=_classes(raw, options))
    if name in ("multilabel_bce", "bernoulli_log_likelihood"):
        return Labels(y, pairs=[_binary(x, options, k) for k, x in enumerate(y)])
    if name == "bernoulli_likelihood":
        return Labels(y)
    if name in ("sigmoid_bce", "prob_bce"):
        return Labels([y], pairs=[_binary(y, options, 0)])
    if options.label_smoothing and not math.isnan(y):
        eps = rational(options.label_smoothing)
        return Labels([y], plain=(1 - eps) * rational(y) + eps / 2)
    return Labels([y], plain=y)
