"""Values that are tried with less effort first: Ziv's rounding test (1991).

An approximation and a bound of its error say what interval the exact value lies in. Where both ends of it round to
the same number of the format, that number is the result; elsewhere the value is computed again, with all digits. The
bound covers the error of that second way, too, so that both ways give the same number: whether a value was found at
once changes no bit of it. Values that are added up are not rounded one by one: there the bounds are added up, too, and
the sum of a group of rows is computed again where theirs is too large beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .lanes import Lane
from .pair import Number

#: exp, of which sums are made: at most that far from it, relative to it, and what the sums of the other way lack
EXP = 2.0**-28.9 + 2.0**-33
#: the same where values are added up, and what the error of a sum may be relative to it: an eighth of an ulp of float32
CLOSER, ENOUGH = 2.0**-33.9, 2.0**-27
#: a logarithm and the operations after it, relative to the terms; so much more for each class that is summed
TERMS, EACH = 2.0**-42, 2.0**-54
#: what is summed is of this size at most, or the other way is taken
LARGEST = 710.0
#: below it the test fails more often than it pays
SMALL = 0.25


@dataclass(frozen=True)
class Sums:
    """What one pass finds of a row: log sum_k exp(z_k), z at a class index, and sums of y_k and y_k z_k of labels."""

    log: Lane
    target: Lane = None
    mass: Lane = None
    linear: Lane = None


@dataclass(frozen=True)
class Near:
    """An approximation; log_terms: how many times the logarithm is in it, terms: sum of the sizes of its terms."""

    value: Lane
    log_terms: Number
    terms: Lane


Approximation = Callable[[Sums], Near]
