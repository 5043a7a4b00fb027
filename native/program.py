"""What a kernel computes: a formula, its quantities, and what its arrays hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .element import Element
from .formula import Formula, Quick, Stage
from .layout import Layout
from .margin import Margin
from .near import Approximation


@dataclass(frozen=True)
class Program:
    """What a kernel computes: a formula, its quantities, what the arrays hold, and the kind of labels."""

    formula: Formula
    quantities: tuple[str, ...]
    layout: Layout
    labels: str

    @property
    def cancels(self) -> bool:
        """Whether a quantity always needs all digits of its terms."""
        stages = self.stages if self.formula.rows else {}
        exact = [q for q in self.quantities if self.formula.exact(q, self.layout.labels == "index")]
        return any(q not in stages or stages[q].clear is None for q in exact)

    @property
    def stages(self) -> dict[str, Stage]:
        """How the quantities of a row come about."""
        if len(self.quantities) == 1 and self.quantities[0] in self.formula.alone:
            return {q: self.formula.alone[q] for q in self.quantities}
        return {q: self.formula.row(q, self.layout.labels == "index") for q in self.quantities}

    @property
    def light(self) -> bool:
        """Whether it takes next to no time an element."""
        return self.formula.rows and all(stage.light for stage in self.stages.values())

    @property
    def hot(self) -> Program | None:
        """The same for rows with one-hot labels, which a class index says with less effort; None where it does not."""
        indexed = all(q in self.formula.indexed for q in self.quantities)
        if self.layout.labels != "plain" or not indexed:
            return None
        return replace(self, layout=replace(self.layout, labels="index"))

    @property
    def near(self) -> Approximation | None:
        """What is tried first, where there is one number a row and nothing else."""
        layout = self.layout
        alone = self.quantities == ("value",) and (layout.value == "rounded" or layout.summed) and not layout.wide
        alone = alone and layout.labels != "lanes" and not layout.order
        if layout.summed and not self.labels:
            return None  # values of either sign, whose sum may be small beside the bound of its error
        return self.stages["value"].near if self.formula.rows and alone else None

    @property
    def margin(self) -> Margin | None:
        """What pairs of the format itself compute the quantities from, where the arrays and the formula allow it."""
        layout, margin = self.layout, self.formula.margin
        plain = layout.labels in ("", "plain") and layout.dtype in ("float32", "float64")
        return margin if margin and plain and margin.covers(self.quantities) else None

    @property
    def hard(self) -> Callable[[Element], Quick] | None:
        """What computes the quantities for labels 0 and 1, where the arrays and the formula allow it."""
        return self.formula.hard if self.layout.labels == "plain" else None
