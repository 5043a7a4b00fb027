"""The mathematics of a form as the functions that compute its quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .element import Element, Row
from .lanes import Mask
from .margin import Margin
from .near import Approximation
from .pair import Number


@dataclass(frozen=True)
class Stage:
    """How a quantity of a row comes about.

    prepare(row) reduces the row to a state. finish(state) is one number a row, or, where `vector`,
    finish(state, element) one an element. near: the same number with less effort and a bound of its error, which a
    kernel may try first; see `near`. clear(state, number): of a number that cancels, where it has not; a kernel takes
    all digits there are where it has, and only there. keeps: finish looks at what the reduction kept of each element.
    light: elements are looked at, not computed with, in a tenth of the time or less.
    """

    prepare: Callable[[Row], Any]
    finish: Callable[..., Number]
    vector: bool = True
    near: Approximation | None = None
    clear: Callable[[Any, Number], Mask] | None = None
    keeps: bool = True
    light: bool = False


def unreduced(row: Row) -> Row:
    """Prepare nothing: the state is the row."""
    return row


def each(finish: Callable[..., Number]) -> Stage:
    """A quantity of a row's elements that needs no reduction."""
    return Stage(unreduced, finish)


class Quick(Protocol):
    """The quantities of an element with less effort."""

    #: where they are as exact as they have to be
    good: Mask

    def quantity(self, q: str) -> Number:
        """Return a quantity."""


@dataclass(frozen=True)
class Formula:
    """A form: its quantities "value", "grad", "hess" and, with a value of class axis, "vjp".

    elements: quantity -> function of an Element, for forms of single elements. stages: quantity -> Stage, for
    forms of rows; indexed: those that differ for a class index; alone: those that differ in a kernel of nothing else.
    cancels: quantities that cancel by their nature, or add up errors, and get all digits there are. margin: the form as
    one of a margin, or of rows as the sum of such, which pairs of the format compute. hard: the form for labels 0 and
    1, where that is less effort and kernels therefore do it. logits: exps are taken beside the row's largest number.
    """

    elements: Mapping[str, Callable[[Element], Number]] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)
    indexed: Mapping[str, Stage] = field(default_factory=dict)
    alone: Mapping[str, Stage] = field(default_factory=dict)
    cancels: frozenset[str] = frozenset()
    margin: Margin | None = None
    hard: Callable[[Element], Quick] | None = None
    logits: bool = False

    @property
    def rows(self) -> bool:
        """Whether the form is one of rows."""
        return bool(self.stages)

    def element(self, name: str) -> Callable[[Element], Number]:
        """Return the function of a quantity."""
        return self.elements[name]

    def exact(self, name: str, index: bool) -> bool:
        """Whether the terms of a quantity need all digits there are; a class index cancels nothing."""
        return name in self.cancels and not index

    def row(self, name: str, index: bool) -> Stage:
        """Return how a quantity of a row comes about; index: the label is a class index."""
        return self.indexed[name] if index and name in self.indexed else self.stages[name]

    def kept(self, name: str) -> bool:
        """Whether a quantity has the shape of the input, not one number a case."""
        return not self.rows or self.stages[name].vector
