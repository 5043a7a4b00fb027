"""The referee: a result counts when the second oracle decides it and, where the first was asked, both agree.

Every result leaves with a certificate: how it was decided, with how many bits, how well its tail is known, and
which oracles agreed. A disagreement or an undecided point is an error, never a value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lossbench.reference.case import Case, Mean
from lossbench.reference.first import First
from lossbench.reference.form import Form
from lossbench.reference.formats import Format
from lossbench.reference.options import Options
from lossbench.reference.rounding import Rounded
from lossbench.reference.second import Decision, Second

#: What the first oracle's tail is good for, in ulps (first._GUARD_BITS less its error bits and those of K).
FIRST_RADIUS = 2.0**-44
#: Oracles that stand behind a result.
SECOND, BOTH = "O2", "O1+O2"


class DisagreementError(ArithmeticError):
    """Two oracles gave different results. One of them, or the rounding, is wrong: nothing is handed out."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a result is right.

    kind: "exact" (a rational, an infinity or NaN), "enclosure" (a number beside a rational, on a proved side),
        "ball" (Ziv's test on a ball of Arb) or "filter" (double-word arithmetic with a proved bound).
    precision: bits of the ball, 0 elsewhere. radius: bound on the error of the tail, in ulps of the result.
    oracles: "O2", or "O1+O2" where the first oracle gave the same.
    """

    kind: str
    precision: int
    radius: float
    oracles: str

    def __str__(self) -> str:
        """One line for a report: `ball, 128 bits, O1+O2`."""
        bits = f", {self.precision} bits" if self.precision else ""
        return f"{self.kind}{bits}, {self.oracles}"


@dataclass(frozen=True, slots=True)
class Certified:
    """A correctly rounded result with its certificate."""

    rounded: Rounded
    certificate: Certificate


def agree(first: Rounded, second: Decision) -> bool:
    """Whether the two oracles' results are the same number: value, ulp, and tails within their radii."""
    other = second.rounded
    if math.isnan(first.value) or math.isnan(other.value):
        return math.isnan(first.value) and math.isnan(other.value)
    if first.value != other.value:
        return False
    if math.isinf(first.value) or (second.kind == "exact" and first.tail == other.tail):
        return True
    return first.ulp_exponent == other.ulp_exponent and abs(first.tail - other.tail) <= second.radius + FIRST_RADIUS


class Referee:
    """Decides a quantity of a form in a format. `check` asks the first oracle too."""

    def __init__(self, form: Form, quantity: str, options: Options, fmt: Format) -> None:
        self.name = f"{form.name} {quantity} {options} {fmt.name}"
        self.form = form
        self.first = First(form, quantity, options, fmt)
        self.second = Second(form, quantity, options, fmt)

    def _certified(self, first: Sequence[Rounded] | None, second: list[Decision], where: str) -> list[Certified]:
        if first is None:
            return [Certified(d.rounded, Certificate(d.kind, d.precision, d.radius, SECOND)) for d in second]
        for i, (one, other) in enumerate(zip(first, second, strict=True)):
            if not agree(one, other):
                raise DisagreementError(f"{self.name}, component {i} of {where}: O1 says {one}, O2 says {other}")
        return [Certified(d.rounded, Certificate(d.kind, d.precision, d.radius, BOTH)) for d in second]

    def results(self, case: Case, mean: Mean | None = None, check: bool = True) -> list[Certified]:
        """The components of a case; those of a mean's gradient when the mean is given."""
        first = self.first.results(case, mean) if check else None
        return self._certified(first, self.second.results(case, mean), f"{case}")

    def total(self, cases: Sequence[Case], mean: Mean | None, components: int, check: bool = True) -> list[Certified]:
        """The sum of the values of all cases, or their mean."""
        first = self.first.total(cases, mean, components) if check else None
        second = self.second.total(cases, mean, components)
        return self._certified(first, second, f"a reduction over {len(cases)} cases")
