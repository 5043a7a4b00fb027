"""The first oracle: the stable formulas of the forms in mpmath, the definition of truth.

Precision follows from the argument: it starts at what the target format and the number of classes need and
grows until Ziv's test decides (`rounding`). There is no fixed number of digits anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath

from lossbench.reference.case import Case, Mean
from lossbench.reference.form import Form
from lossbench.reference.formats import Format
from lossbench.reference.options import Options
from lossbench.reference.real import NAN, ONE, ZERO, Context, Mpf, Real, add, exactly, total
from lossbench.reference.rounding import Rounded, nearest
from lossbench.reference.targets import row_weight

#: Beyond the format and log2 K, so that the tail is good to 2^-46 ulp.
_GUARD_BITS = 64
#: Bits of the working precision that rounding errors of the formulas may have spoilt, beyond log2 K.
_ERROR_BITS = 16


class UndecidedError(ArithmeticError):
    """An oracle could not decide a rounding. It says so instead of guessing."""


def _ladder(fmt: Format, size: int) -> list[int]:
    """Working precisions to try. A number beside an exact one is a tail of its own, so that what remains to be told
    from a midpoint is a difference of inputs as small as 2^(emin - p), and the square of one."""
    start = fmt.precision + _GUARD_BITS + size.bit_length()
    return [start, 4 * start, 16 * start, 2 * (fmt.precision - fmt.emin) + 32 * start]


def decide(mp: Context, evaluate: Callable[[], list[Real]], fmt: Format, size: int) -> list[Rounded]:
    """Evaluate at growing precision until every component of the result is decided."""
    decided: dict[int, Rounded] = {}
    count = 0
    ladder = _ladder(fmt, size)
    for precision in ladder:
        mp.prec = precision
        parts = evaluate()
        count = len(parts)
        error_bits = precision - _ERROR_BITS - size.bit_length()
        for i, part in enumerate(parts):
            if i not in decided:
                result = nearest(part, fmt, error_bits)
                if result is not None:
                    decided[i] = result
        if len(decided) == count:
            return [decided[i] for i in range(count)]
    raise UndecidedError(f"{count - len(decided)} of {count} results undecided at {ladder[-1]} bits")


def _convert(mp: Context, values: Any) -> Any:
    return [mp.mpf(x) for x in values] if isinstance(values, list) else mp.mpf(values)


class First:
    """A quantity of a form at cases, through mpmath."""

    def __init__(self, form: Form, quantity: str, options: Options, fmt: Format) -> None:
        self.form, self.quantity, self.options, self.fmt = form, quantity, options, fmt
        self.mp = mpmath.MPContext()

    def parts(self, case: Case) -> list[Real]:
        """The components at one case, at the precision of `mp`."""
        mp, form = self.mp, self.form
        if case.ignored:
            return [exactly(ZERO)] * form.components(self.quantity, len(case.x))
        y = None
        if case.y is not None:
            y = _convert(mp, case.label_row(len(case.x)) if form.class_axis else case.y)
        parts = form.evaluate(self.quantity, mp, _convert(mp, case.x), y, self.options)
        return parts if case.weight == 1 else [part.scaled(mp, mp.mpf(case.weight)) for part in parts]

    def _divisor(self, mean: Mean | None) -> Mpf | None:
        """What a mean divides by; None where it is no number at all."""
        mp = self.mp
        if mean is None:
            return ONE
        if not mean.by_weight:
            return mp.mpf(len(mean.kept)) if mean.cases else None
        weights = []
        for case in mean.kept:
            row = ONE
            if self.options.weight is not None and self.form.by_class:
                labels = _convert(mp, case.label_row(len(case.x)))
                row = row_weight(mp, labels, self.options)
            weights.append(mp.fmul(mp.mpf(case.weight), row, exact=True))
        return add(mp, weights) if mean.cases else None

    def _divided(self, parts: list[Real], divisor: Mpf | None) -> list[Real]:
        if divisor is None:
            return [NAN] * len(parts)
        if divisor == 0:
            return [part if self.mp.isnan(part.head) else exactly(ZERO) for part in parts]
        return parts if divisor == 1 else [part.over(self.mp, divisor) for part in parts]

    def results(self, case: Case, mean: Mean | None = None) -> list[Rounded]:
        """The components of a case; those of a mean's gradient when the mean is given."""
        size = len(case.x) if isinstance(case.x, list) else 1
        return decide(self.mp, lambda: self._divided(self.parts(case), self._divisor(mean)), self.fmt, size)

    def total(self, cases: Sequence[Case], mean: Mean | None, components: int) -> list[Rounded]:
        """The sum of the values of all cases, or their mean."""
        size = max((len(case.x) if isinstance(case.x, list) else 1 for case in cases), default=1)

        def reduced() -> list[Real]:
            columns = list(zip(*(self.parts(case) for case in cases), strict=True))
            sums = [_sum(self.mp, column) for column in columns] or [exactly(ZERO)] * components
            return self._divided(sums, self._divisor(mean))

        return decide(self.mp, reduced, self.fmt, size * max(1, len(cases)))


def _sum(mp: Context, parts: Sequence[Real]) -> Real:
    """Sum of numbers whose denominators are equal, but for exact zeros."""
    felt = [part for part in parts if not (part.head == 0 and part.tail == 0)]
    return total(mp, felt) if felt else exactly(ZERO)
