"""Options that change what is computed: weights, smoothing, ignored rows, denominators.

- weight: w_k >= 0, shape (K,). softmax_xent and prob_xent: sum_k w_k y'_k (-log p_k). multilabel_bce: neuron k's
  term is multiplied with w_k.
- label_smoothing = eps in [0, 1], smoothing = "K": y' = (1-eps) y + eps/K; "K-1": y' = (1-eps) y + eps/(K-1) (1-y).
  Binary labels: y' = (1-eps) y + eps/2. Smoothing comes before weights.
- pos_weight: c >= 0, a number, or shape (K,) for multilabel_bce: -(c y' log g + (1-y') log(1-g)).
- ignore_index: rows with this class index have value 0 and gradient 0, whatever they hold, and are not counted.
- sample_weight: s_n >= 0, the shape of the cases. Weight 0 silences an infinite loss, not a NaN.
- denominator of the mean: "N", the rows that are not ignored; "sum_w", the sum over these rows of s_n times w_t for
  a class index, sum_k w_k y_k (y not smoothed) for other labels of classes, 1 for binary labels, whose weights are
  factors of single outputs. A denominator of 0 gives 0 if there are rows and NaN if there are none.
- over ("sum", "mean") and normalized (False, True): see `multilabel_bce` and `prob_xent`.

Weights are exact numbers: they are floats at their stored bits, and products of them are kept in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import check, pair
from .pair import Pair, exact_sum
from .rounding import F64, Array

#: option -> its values, the default first
CHOICES: Mapping[str, tuple[object, ...]] = {
    "over": ("sum", "mean"),
    "normalized": (False, True),
    "smoothing": ("K", "K-1"),
    "denominator": ("N", "sum_w"),
}
#: options of every loss
COMMON = ("sample_weight", "denominator")


class Options:
    """The options of one call, checked; weights as float64 arrays, or None where they are not given."""

    def __init__(
        self, name: str, known: tuple[str, ...], given: Mapping[str, object], classes: int, cases: tuple[int, ...]
    ) -> None:
        """Check what was given. classes: K, 1 without a class axis; cases: shape of the cases."""
        for option in given:
            if option not in known:
                wants = ", ".join(sorted(known)) or "none"
                raise TypeError(f"{name}: got an unknown option {option!r}; its options: {wants}")
        for option, allowed in CHOICES.items():
            if option in given:
                check.choice(f"{name}: {option}", given[option], allowed)
        self.over = given.get("over", "sum")
        self.normalized = given.get("normalized", False)
        self.smoothing = given.get("smoothing", "K")
        self.denominator = given.get("denominator", "N")
        self.eps = check.fraction(f"{name}: label_smoothing", given.get("label_smoothing", 0.0))
        if self.eps and self.smoothing == "K-1" and classes == 1:
            raise ValueError(f"{name}: smoothing: got 'K-1' with one class; wants at least two classes")
        self.weight = self._weight(name, "weight", given, [(classes,)])
        rows = classes if "over" in known else 1
        self.pos_weight = self._weight(name, "pos_weight", given, [(), (rows,)] if "over" in known else [()])
        #: the caller's array, read anew at every use
        self.sample_weight: Array | None = None
        if given.get("sample_weight") is not None:
            self.sample_weight = check.numbers(f"{name}: sample_weight", given["sample_weight"])  # type: ignore[arg-type]
            check.same_shape(f"{name}: sample_weight", self.sample_weight, cases, "the shape of the cases")
        ignore = given.get("ignore_index")
        if ignore is not None and (isinstance(ignore, bool) or not isinstance(ignore, int | np.integer)):
            raise TypeError(f"{name}: ignore_index: got {ignore!r}; wants None or an int")
        self.ignore = None if ignore is None else int(ignore)

    @staticmethod
    def _weight(name: str, option: str, given: Mapping[str, Any], shapes: list[tuple[int, ...]]) -> F64 | None:
        if given.get(option) is None:
            return None
        where = f"{name}: {option}"
        array = check.numbers(where, given[option])
        if array.shape not in shapes:
            raise ValueError(f"{where}: got shape {array.shape}; wants {' or '.join(map(str, shapes))}")
        wide = np.array(array, dtype=np.float64)
        check.contents(where, wide, "weights")
        return wide

    def arrays(self, kind: str) -> dict[str, F64]:
        """Return the weights of classes and neurons by the names of `layout.Layout`; kind: of the labels."""
        arrays = {}
        if self.weight is not None:
            arrays["class" if kind == "classes" else "neuron"] = self.weight
        if self.pos_weight is not None:
            arrays["positive" if self.pos_weight.size == 1 else "positives"] = self.pos_weight
        return arrays

    def read_sample_weight(self, name: str) -> F64 | None:
        """Return the sample weights as they stand now, checked and flat."""
        if self.sample_weight is None:
            return None
        wide = self.sample_weight.astype(np.float64, order="C")
        check.contents(f"{name}: sample_weight", wide, "weights")
        return wide.reshape(-1)

    def smoothed(self, y: F64, classes: int) -> Pair:
        """Return y', the smoothed labels."""
        if not self.eps:
            return Pair(y, np.zeros_like(y))
        keep = exact_sum(np.float64(1.0), np.float64(-self.eps))
        if self.smoothing == "K-1":
            rest = exact_sum(np.ones_like(y), -y)
            return keep * y + (pair.as_pair(np.float64(self.eps)) / np.float64(classes - 1)) * rest
        return keep * y + pair.as_pair(np.float64(self.eps)) / np.float64(classes)

    def table(self, kind: str, index: bool, classes: int) -> tuple[str, F64 | None]:
        """Return how kernels smooth labels of a kind, a value of `layout.Layout.labels`, and their table for that.

        It lacks the weights. index: the labels are class indices.
        """
        if not self.eps:
            return "index" if index else "plain", None
        if kind == "classes" and not index:
            keep = exact_sum(np.float64(1.0), np.float64(-self.eps))
            more = pair.as_pair(np.float64(self.eps)) / np.float64(classes - (self.smoothing == "K-1"))
            name = "spread" if self.smoothing == "K-1" else "blended"
            return name, np.array([keep.high, keep.low, more.high, more.low])
        a = self.smoothed(np.array([1.0, 0.0]), classes if index else 2)
        if index:
            return "smoothed" if a.high[0] >= a.high[1] else "spared", np.stack([a.high, a.low], axis=1).reshape(-1)
        b = (-a) + np.ones(2)
        return "linear", np.stack([a.high, a.low, b.high, b.low], axis=1).reshape(-1)

    def class_labels(self, y: F64) -> Pair:
        """Return w_k y'_k of a block of distributions (n, K)."""
        smooth = self.smoothed(y, y.shape[-1])
        return smooth if self.weight is None else smooth * self.weight

    def binary_weights(self, y: F64) -> tuple[Pair, Pair]:
        """Return the weights (a, b) of log g and log(1-g) of a block of binary labels."""
        a = self.smoothed(y, 2)
        b = (-a) + np.ones_like(y)
        if self.pos_weight is not None:
            a = a * self.pos_weight
        if self.weight is not None:
            a, b = a * self.weight, b * self.weight
        return a, b

    def masses(self, y: npt.NDArray[Any], index: bool, classes: int) -> Pair | None:
        """Return what one row adds to the denominator "sum_w" before its sample weight; None for 1."""
        if index:
            return None if self.weight is None else Pair(self.weight[y], np.zeros(len(y)))
        weight = np.ones(classes) if self.weight is None else self.weight
        from .arrays import total

        masses = total(Pair(y, np.zeros_like(y)) * weight, y.shape)
        return Pair(masses.high[:, 0], masses.low[:, 0])
