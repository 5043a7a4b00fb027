"""What a formula sees of its arguments: one element, and one row of elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from . import pair
from .elementary import Small
from .lanes import Lane, Mask, where
from .pair import Number, as_pair


class Element:
    """One element of the inputs, or a vector or array of them.

    z: its logit or probability, a lane. labels: (y,) or the pair of weights (a, b), numbers, or nothing.
    factor: what derivatives are multiplied with, or None for 1. wide: numbers are pairs.
    cancels: the form is one where cancellation is inherent, so its terms need all digits there are.
    """

    def __init__(
        self,
        z: Lane,
        labels: tuple[Number, ...] = (),
        factor: Number | None = None,
        *,
        wide: bool,
        cancels: bool = False,
        position: Lane = None,
    ) -> None:
        """Take what the text of the class names; position: where the element stands in its row."""
        self.z, self.labels, self.factor = z, labels, factor
        self.wide, self.cancels, self.position = wide, cancels, position
        self._known: dict[str, Any] = {}

    def bare(self) -> Element:
        """Return the element without its factor, and with what is known of it."""
        e = Element(self.z, self.labels, None, wide=self.wide, cancels=self.cancels, position=self.position)
        e._known = self._known
        return e

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what `compute` gives, computed at its first use."""
        if name not in self._known:
            self._known[name] = compute()
        return self._known[name]

    def number(self, x: Lane) -> Number:
        """Return a lane as a number of the arithmetic in use."""
        return as_pair(x) if self.wide else x

    def larger(self, a: Lane, b: float) -> Lane:
        """Return the larger of a and b, b where a is NaN."""
        return where(a > b, a, b)

    def weighted(self, x: Number) -> Number:
        """Return a coefficient of a derivative times the factor."""
        return x if self.factor is None else x * self.factor

    @property
    def label(self) -> Number:
        """The label y."""
        return self.labels[0]

    @property
    def weights(self) -> tuple[Number, Number]:
        """The weights (a, b) of log g and of log(1 - g)."""
        return self.once("weights", self._weights)  # type: ignore[no-any-return]

    def _weights(self) -> tuple[Number, Number]:
        if len(self.labels) == 2:
            return self.labels[0], self.labels[1]
        exact = self.wide and not isinstance(self.label, pair.Pair)
        return self.label, pair.exact_sum(1.0, -self.label) if exact else 1.0 - self.label

    @property
    def mass(self) -> Number | None:
        """The sum a + b, None for plain labels, where it is 1."""
        if len(self.labels) < 2:
            return None
        return self.once("mass", lambda: self.labels[0] + self.labels[1])

    def at(self, index: Lane) -> Mask:
        """Return where the element stands at an index of its row."""
        return self.position == index


class Uniform(NamedTuple):
    """Labels that are the same but for that of one class: its index, the label there and elsewhere, and their sum."""

    target: Lane
    on: Number
    off: Number
    mass: Number


class Row(Protocol):
    """A row of elements along the class axis, reduced in passes."""

    #: numbers are pairs
    wide: bool
    #: as in `Element`
    cancels: bool
    #: the class index that labels the row; None when it is labelled by numbers, or not at all
    index: Lane | None

    @property
    def uniform(self) -> Uniform | None:
        """The labels, where one number is that of all classes but one, whose label is not smaller."""

    @property
    def shrink(self) -> float:
        """A power of two; differences of logits times it do not overflow."""

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what `compute` gives, computed at its first use."""

    def number(self, x: Lane) -> Number:
        """Return a lane as a number of the arithmetic in use."""

    def maximum(self) -> Lane:
        """Return the largest z. NaN may be ignored: it comes back with the sums."""

    def positive(self) -> Lane:
        """Return 0 where all z are at least 0, else NaN."""

    def first(self, m: Lane) -> Lane:
        """Return the index of the first element with z = m."""

    def pick(self, index: Lane) -> Lane:
        """Return z at an index."""

    def gap(self, z: Lane, m: Lane) -> Number:
        """Return z - m, exactly where numbers are pairs; 0 where both are the same infinity."""

    def exp(self, z: Lane, m: Lane) -> Small:
        """Return exp(z - m) for z <= m; with an exponent where numbers are pairs and may be far below 1."""

    def label(self, e: Element) -> Number:
        """Return the label of an element; 1 at the class index and 0 elsewhere where there is one."""

    def label_at(self, index: Lane) -> Number:
        """Return the label at an index, of a row labelled by numbers."""

    def element(self, k: int) -> Element:
        """Return element k = 0 alone, without its label."""

    def limit(self, m: Lane, value: Lane) -> Lane:
        """Return the value of a row whose largest logit is m; m itself where that is infinite."""

    def totals(self, *terms: Callable[[Element], Number], skip: Lane | None = None) -> tuple[Number, ...]:
        """Return the sums of terms over the row, in one pass; skip: index that is left out of the first sum."""

    def small_total(
        self,
        term: Callable[[Element], Small],
        *others: Callable[[Element], Number],
        skip: Lane | None = None,
        keep: bool = False,
    ) -> tuple[Small, tuple[Number, ...]]:
        """Return the sum of a term that may be subnormal, and the sums of other terms, in one pass; none is below 0.

        skip: index that is left out of the first sum. keep: what the first term is stays for later passes, see
        `kept`.
        """

    def kept(self, e: Element) -> Small:
        """Return what `small_total` computed for this element and was told to keep."""

    def product(
        self, term: Callable[[Element], Number], *others: Callable[[Element], Number]
    ) -> tuple[Small, tuple[Number, ...]]:
        """Return the product of a term in [1, 2] over the row, and the sums of others, none below 0, in one pass."""
