"""One case as both oracles get it, and the rows of a batch with their weights and what they are divided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from lossbench.reference.form import Form
from lossbench.reference.options import Options

#: What a mean divides by: the rows that are not ignored, or the sum of their weights.
DENOMINATORS = ("N", "sum_w")
REDUCTIONS = ("none", "sum", "mean")


@dataclass(frozen=True, slots=True)
class Case:
    """A point: x a float or a list of floats; y a float, a list, an index, or None.

    weight: sample weight. ignored: the label is `ignore_index`, and the case counts for nothing.
    """

    x: Any
    y: Any
    weight: float = 1.0
    ignored: bool = False

    def label_row(self, size: int) -> list[float]:
        """The label as one number a class: an index as its one-hot row."""
        return [float(k == self.y) for k in range(size)] if isinstance(self.y, int) else list(self.y)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over the kept cases: what it divides by is counted, or summed from their weights, by each oracle."""

    cases: Sequence[Case]
    by_weight: bool

    @property
    def kept(self) -> list[Case]:
        """The cases that are not ignored."""
        return [case for case in self.cases if not case.ignored]


def cases_of(
    form: Form,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any] | None,
    sample_weight: npt.NDArray[Any] | None,
    options: Options,
) -> list[Case]:
    """The cases of arrays whose first axis is the case."""
    by_index = y is not None and form.class_axis and y.ndim == 1
    inputs = x.tolist()
    if y is None:
        labels: Any = [None] * len(inputs)
    elif by_index:
        labels = [int(label) for label in y]
    else:
        labels = y.astype(float).tolist()
    weights = [1.0] * len(inputs) if sample_weight is None else sample_weight.tolist()
    return [
        Case(a, b, w, by_index and options.ignore_index is not None and b == options.ignore_index)
        for a, b, w in zip(inputs, labels, weights, strict=True)
    ]
