"""A real number as the forms return it: (head + tail) / den, exact but for the tail.

head and den are exact dyadic numbers; tail carries a relative error of the working precision. Losses are
often an exact number plus something that may lie millions of bits below it (float32 logits [2^24, -1]
with the second class right: 16777217 + exp(-16777217), a midpoint and a little more). Kept apart, the two
can be rounded correctly without writing out the bits in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import mpmath

#: An mpmath number, and an mpmath context. mpmath ships no types.
Mpf = Any
Context = Any


@dataclass(frozen=True, slots=True)
class Real:
    """The number (head + tail) / den.

    scale: magnitude that the error of the tail is relative to; the tail itself unless terms cancelled in it.
    An infinite or NaN head stands for the whole.
    """

    head: Mpf
    tail: Mpf
    den: Mpf
    scale: Mpf

    def over(self, mp: Context, divisor: Mpf) -> Real:
        """Return the number divided by an exact positive dyadic."""
        return Real(self.head, self.tail, mp.fmul(self.den, divisor, exact=True), self.scale)

    def scaled(self, mp: Context, factor: Mpf) -> Real:
        """Return the number multiplied by an exact dyadic >= 0; zero selects, but for a NaN."""
        if factor == 0 and not (mp.isnan(self.head) or mp.isnan(self.tail)):
            return Real(ZERO, ZERO, ONE, ZERO)
        return Real(times(mp, factor, self.head), factor * self.tail, self.den, factor * self.scale)


# mpmath rounds `a + b` to the precision of the context that made `a`: the constants come from a context whose
# precision is above every working precision, so that they spoil nothing when they stand on the left.
_FIXED = mpmath.MPContext()
_FIXED.prec = 1 << 14
ZERO = _FIXED.mpf(0)
ONE = _FIXED.mpf(1)
HALF = _FIXED.mpf(0.5)
NAN = Real(_FIXED.nan, ZERO, ONE, ZERO)


def exactly(head: Mpf, den: Mpf = ONE) -> Real:
    """The exact rational head / den, or an infinity or NaN."""
    return Real(head, ZERO, den, ZERO)


def split(head: Mpf, tail: Mpf, scale: Mpf | None = None) -> Real:
    """The number head + tail; `scale` when the tail is a difference of larger terms."""
    return Real(head, tail, ONE, tail if scale is None else scale)


def about(tail: Mpf, scale: Mpf | None = None) -> Real:
    """A number known to working precision only."""
    return split(ZERO, tail, scale)


def add(mp: Context, terms: Iterable[Mpf]) -> Mpf:
    """Exact sum of dyadic numbers."""
    total = ZERO
    for term in terms:
        total = mp.fadd(total, term, exact=True)
    return total


def sub(mp: Context, a: Mpf, b: Mpf) -> Mpf:
    """Exact difference of dyadic numbers."""
    return mp.fsub(a, b, exact=True)


def times(mp: Context, weight: Mpf, term: Mpf) -> Mpf:
    """Exact weight * term, where a zero weight selects: 0 * inf is 0, and 0 * NaN stays NaN."""
    if mp.isnan(term) or mp.isnan(weight):
        return mp.nan
    if weight == 0:
        return ZERO
    return mp.fmul(weight, term, exact=True)


def total(mp: Context, parts: Iterable[Real]) -> Real:
    """Sum of numbers; NaN when one of them is, or when infinities clash."""
    parts = list(parts)
    dens = list(dict.fromkeys(part.den for part in parts))
    others = {den: mp.fprod(other for other in dens if other is not den) for den in dens}
    common = dens[0]
    for den in dens[1:]:
        common = mp.fmul(common, den, exact=True)
    return Real(
        add(mp, (times(mp, others[part.den], part.head) for part in parts)),
        mp.fsum(others[part.den] * part.tail for part in parts),
        common,
        mp.fsum(others[part.den] * abs(part.scale) for part in parts),
    )


def negate(part: Real) -> Real:
    """Minus the number."""
    # unary minus on an mpf rounds to the context's precision; fneg with exact does not
    return Real(_FIXED.fneg(part.head, exact=True), _FIXED.fneg(part.tail, exact=True), part.den, part.scale)
