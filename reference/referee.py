"""The referee: a result counts when the second oracle decides it and, where the first was asked, both agree.

Every result leaves with a certificate: how it was decided, with how many bits, how well its tail is known, and
which oracles agreed. A disagreement or an undecided point is an error, never a value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lossbench.reference.case import Case, Mean
from lossbench.reference.certificate import BOTH, EXACT, Certified
from lossbench.reference.first import First
from lossbench.reference.form import Form
from lossbench.reference.formats import Format
from lossbench.reference.options import Options
from lossbench.reference.rounding import TAIL_BITS, Rounded
from lossbench.reference.second import Second

#: What the first oracle's tail is good for, in ulps.
FIRST_RADIUS = 2.0**-TAIL_BITS


class DisagreementError(ArithmeticError):
    """Two oracles gave different results. One of them, or the rounding, is wrong: nothing is handed out."""


def agree(first: Rounded, second: Certified) -> bool:
    """Whether the two oracles' results are the same number: value, sign of a zero, ulp, and tails to their radii."""
    other = second.rounded
    if math.isnan(first.value) or math.isnan(other.value):
        return math.isnan(first.value) and math.isnan(other.value)
    if first.value != other.value or math.copysign(1, first.value) != math.copysign(1, other.value):
        return False
    if math.isinf(first.value) or (second.certificate.kind == EXACT and first.tail == other.tail):
        return True
    return (
        first.ulp_exponent == other.ulp_exponent
        and abs(first.tail - other.tail) <= second.certificate.radius + FIRST_RADIUS
    )


class Referee:
    """Decides a quantity of a form in a format. `check` asks the first oracle too."""

    def __init__(self, form: Form, quantity: str, options: Options, fmt: Format) -> None:
        self.name = f"{form.name} {quantity} {options} {fmt.name}"
        self.form = form
        self.first = First(form, quantity, options, fmt)
        self.second = Second(form, quantity, options, fmt)

    def _both(self, first: Sequence[Rounded], second: Sequence[Certified], where: object) -> list[Certified]:
        for i, (one, other) in enumerate(zip(first, second, strict=True)):
            if not agree(one, other):
                raise DisagreementError(f"{self.name}, component {i} of {where}: O1 says {one}, O2 says {other}")
        return [Certified(one.rounded, one.certificate._replace(oracles=BOTH)) for one in second]

    def results(self, case: Case, mean: Mean | None = None, check: bool = True) -> list[Certified]:
        """The components of a case; those of a mean's gradient when the mean is given."""
        second = self.second.results(case, mean)
        return self._both(self.first.results(case, mean), second, case) if check else second

    def total(self, cases: Sequence[Case], mean: Mean | None, components: int, check: bool = True) -> list[Certified]:
        """The sum of the values of all cases, or their mean."""
        second = self.second.total(cases, mean, components)
        if not check:
            return second
        return self._both(self.first.total(cases, mean, components), second, f"a reduction over {len(cases)} cases")
