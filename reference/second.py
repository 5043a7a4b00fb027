"""The second oracle at cases: limits where they decide, elsewhere balls at doubled precision until they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flint import arb, ctx, fmpq

from lossbench.reference import balls, limits, probability_limits, row_limits
from lossbench.reference.ball_rounding import round_ball, round_limit
from lossbench.reference.case import Case, Mean
from lossbench.reference.certificate import BALL, ENCLOSURE, EXACT, SECOND, Certificate, Certified
from lossbench.reference.first import UndecidedError
from lossbench.reference.form import Form
from lossbench.reference.formats import Format
from lossbench.reference.limits import FAR, FAR_EXPONENT, NAN, ZERO, Limit
from lossbench.reference.options import Options
from lossbench.reference.rationals import Labels, labels_of, rational, row_weight

#: Where the doubling of precision ends, loudly.
CAP = 1 << 16


def _settled(limit: Limit, fmt: Format) -> Certified:
    kind = EXACT if limit.sign == 0 else ENCLOSURE
    return Certified(round_limit(limit, fmt), Certificate(kind, 0, 0.0, SECOND))


class Second:
    """A quantity of a form at cases, through Arb."""

    def __init__(self, form: Form, quantity: str, options: Options, fmt: Format) -> None:
        self.form, self.options, self.fmt = form, options, fmt
        self.quantity = quantity.split(":")[0]
        self._known: dict[float, Labels] = {}

    def _limits(self, case: Case, labels: Labels) -> list[Limit | None]:
        if case.ignored:
            size = len(case.x) if self.form.class_axis else 1
            return [Limit(ZERO)] * self.form.components(self.quantity, size)
        if self.form.name == "prob_bce":
            return [probability_limits.scalar(self.quantity, case.x, labels)]
        if self.form.name == "prob_xent":
            return probability_limits.rows(self.quantity, case.x, labels, self.options.normalized)
        if self.form.class_axis:
            return row_limits.rows(self.form.name, self.quantity, case.x, labels, self.options)
        return [limits.scalar(self.form.name, self.quantity, case.x, labels)]

    def _balls(self, case: Case, labels: Labels) -> list[Any]:
        if self.form.class_axis:
            return balls.rows(self.form.name, self.quantity, case.x, labels, self.options)
        return [balls.scalar(self.form.name, self.quantity, case.x, labels)]

    def _labels(self, case: Case) -> Labels:
        if case.y is None or case.ignored:
            return Labels(())
        if self.form.class_axis:
            return labels_of(self.form.name, case.y, len(case.x), self.options)
        labels = self._known.get(case.y)
        if labels is None:
            labels = labels_of(self.form.name, case.y, 1, self.options)
            if case.y in (-1.0, 0.0, 1.0):
                self._known[case.y] = labels
        return labels

    def _start(self, case: Case) -> int:
        """Bits to begin with: naive formulas of a logit lose about |z| / log 2 bits to cancellation."""
        wanted = self.fmt.precision + 36.0
        if not self.form.class_axis and abs(case.x) <= FAR:
            wanted += 1.45 * abs(case.x)
        precision = 64
        while precision < wanted:
            precision *= 2
        return precision

    def _divisor(self, mean: Mean | None) -> fmpq | None:
        """What a mean divides by; None where it is no number at all."""
        if mean is None:
            return fmpq(1)
        if not mean.cases:
            return None
        if not mean.by_weight:
            return fmpq(len(mean.kept))
        heavy = self.options.weight is not None and self.form.by_class
        weights = [
            rational(case.weight) * (row_weight(case.label_row(len(case.x)), self.options) if heavy else fmpq(1))
            for case in mean.kept
        ]
        return sum(weights, ZERO)

    def _ball(self, case: Case, labels: Labels) -> Certified:
        """The only component of a case, from balls."""
        precision = self._start(case)
        while precision <= CAP:
            ctx.prec = precision
            rounded = round_ball(self._balls(case, labels)[0], self.fmt)
            if rounded is not None:
                return Certified(rounded[0], Certificate(BALL, precision, rounded[1], SECOND))
            precision *= 2
        raise UndecidedError(f"undecided at {CAP} bits: {case}")

    def results(self, case: Case, mean: Mean | None = None) -> list[Certified]:
        """The components of a case; those of a mean's gradient when the mean is given."""
        labels = self._labels(case)
        found = self._limits(case, labels)
        if len(found) == 1 and found[0] is None and mean is None and case.weight == 1:
            return [self._ball(case, labels)]
        factor = None
        if mean is not None or case.weight != 1:
            factor = _factor(case, self._divisor(mean))
            found = [None if limit is None and factor.value != 0 else _scaled(limit, factor) for limit in found]
        decided = {i: _settled(limit, self.fmt) for i, limit in enumerate(found) if limit is not None}
        precision = 0 if len(decided) == len(found) else self._start(case)
        while len(decided) < len(found):
            if precision > CAP:
                missing = len(found) - len(decided)
                raise UndecidedError(f"{missing} of {len(found)} results undecided at {CAP} bits: {case}")
            ctx.prec = precision
            answers = self._balls(case, labels)
            for i, limit in enumerate(found):
                if limit is None and i not in decided:
                    ball = answers[i] if factor is None else answers[i] * arb(factor.value)
                    rounded = round_ball(ball, self.fmt)
                    if rounded is not None:
                        decided[i] = Certified(rounded[0], Certificate(BALL, precision, rounded[1], SECOND))
            precision *= 2
        return [decided[i] for i in range(len(found))]

    def total(self, cases: Sequence[Case], mean: Mean | None, components: int) -> list[Certified]:
        """The sum of the values of all cases, or their mean."""
        divisor = self._divisor(mean)
        if divisor is None:
            return [_settled(NAN, self.fmt)] * components
        rows = []
        for case in cases:
            labels, factor = self._labels(case), _factor(case, divisor)
            found = [
                None if a is None and factor.value != 0 else _scaled(a, factor) for a in self._limits(case, labels)
            ]
            rows.append((case, labels, factor, found))
        return [self._column(rows, i) for i in range(components)]

    def _column(self, rows: list[Any], i: int) -> Certified:
        known = [found[i] for *_, found in rows if found[i] is not None]
        special = sum(limit.value for limit in known if isinstance(limit.value, float))
        if special != 0:  # an infinity, or a NaN
            return _settled(Limit(special), self.fmt)
        exact = sum((limit.value for limit in known), ZERO)
        sides = {limit.sign for limit in known} - {0}
        if len(known) == len(rows) and len(sides) < 2:
            return _settled(Limit(exact, sides.pop() if sides else 0), self.fmt)
        precision = 64 if self.fmt.precision < 32 else 128
        spread = sum((factor.value for _, _, factor, found in rows if found[i] is not None), ZERO)
        while precision <= CAP:
            ctx.prec = precision
            half = arb(spread) * arb(2) ** (FAR_EXPONENT - 1)
            width = arb(half.mid(), half.upper())  # 0 .. 2 half: the side is known, and may decide the sign
            ball = arb(exact) + sum((arb(side) * width for side in sides), arb(0))
            for case, labels, factor, found in rows:
                if found[i] is None:
                    ball += self._balls(case, labels)[i] * arb(factor.value)
            rounded = round_ball(ball, self.fmt)
            if rounded is not None:
                return Certified(rounded[0], Certificate(BALL, precision, rounded[1], SECOND))
            precision *= 2
        raise UndecidedError(f"a sum over {len(rows)} cases is undecided at {CAP} bits")


def _factor(case: Case, divisor: fmpq | None) -> Limit:
    """The weight of a case over the divisor, as a number; 0 where a mean divides by nothing."""
    if divisor is None:
        return NAN
    return Limit(rational(case.weight) / divisor if divisor != 0 else ZERO)


def _scaled(limit: Limit | None, factor: Limit) -> Limit:
    """A limit times a weight: zero selects, but for a NaN."""
    if factor.undefined or (limit is not None and limit.undefined):
        return NAN
    if limit is None or factor.value == 0:
        return Limit(ZERO)
    return Limit(limit.value if isinstance(limit.value, float) else limit.value * factor.value, limit.sign)
