"""What a kernel's arrays hold, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Memory:
    """Addresses of a kernel's arrays, and its bounds: LLVM values of type int64."""

    x: Any
    labels: tuple[Any, ...]
    value: Any
    grad: Any
    hess: Any
    sample: Any
    cotangent: Any
    weight: Any
    positive: Any
    factor: tuple[Any, ...]
    value_low: Any
    flags: Any
    scratch: Any
    start: Any
    stop: Any
    classes: Any
    group: Any
    divisor: Any
    check: Any
    ignore: Any
    inner: Any


@dataclass(frozen=True)
class Layout:
    """What a kernel's arrays hold.

    dtype: of x and of the results. labels: "" none, "index", "smoothed" or "spared" (an index, and four float64: the
    label at the index and elsewhere, as pairs, where that is not larger, or larger), "plain" (in dtype), "blended" or
    "spread" (in dtype, and four float64, pairs c, d: the label is c y + d, or c y + d (1-y)), "linear" (in dtype, and
    eight float64: the weights a and b of label 1, then of label 0, as pairs), "lanes" or "pairs" (float64, one number
    an element), "two lanes" or "two pairs" (a and b).
    factor: "" none, or "one". value: "rounded", "averaged" (over the class axis, then rounded), or
    "lanes"/"pairs" of float64 that are rounded later, "sums": a pair a group of cases, or "whole": over `divisor`, a
    pair in memory, then rounded, the sum of all cases, which are one group.
    weights: what else results are multiplied with, "name:dtype" of their arrays. sample: one a case; cotangent: one a
    case, for derivatives only; class: one a class, of its label; neuron: one a class, of the binary loss there;
    positive: one for all, positives: one a class, of the label 1 of binary losses; ignore: a class index whose rows
    have the value 0 and derivatives 0.
    order: how rows lie in memory and are computed: "" one after another, one by one; "columns" side by side, `inner` of
    them, the class axis before that; "turned" one after another, but turned around to be computed side by side.
    """

    dtype: str
    labels: str
    factor: str
    value: str
    weights: tuple[str, ...] = ()
    order: str = ""

    @property
    def indexed(self) -> bool:
        """Whether labels are class indices, smoothed or not."""
        return self.labels == "index" or self.smooths

    @property
    def smooths(self) -> bool:
        """Whether labels are smoothed class indices."""
        return self.labels in ("smoothed", "spared")

    @property
    def summed(self) -> bool:
        """Whether values are added up."""
        return self.value in ("sums", "whole")

    @property
    def wide(self) -> bool:
        """Whether the arithmetic is that of pairs."""
        return self.dtype == "float64"

    def weighs(self, *names: str) -> str:
        """Return the dtype of the weights of one of these names, "" where there are none."""
        return next((dtype for name, dtype in (one.split(":") for one in self.weights) if name in names), "")
