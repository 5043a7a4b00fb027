"""Why a result is right: how it was decided, with how many bits, and which oracles agreed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lossbench.reference.rounding import Rounded

#: How a result was decided.
EXACT, ENCLOSURE, BALL, FILTER = "exact", "enclosure", "ball", "filter"
KINDS = (EXACT, ENCLOSURE, BALL, FILTER)
#: Oracles that stand behind a result: the second alone, both, or the bulk filter.
SECOND, BOTH, BULK = "O2", "O1+O2", "bulk"
ORACLES = (SECOND, BOTH, BULK)
#: One certificate of an array: indices into KINDS and ORACLES, bits, and radius in ulps.
CERTIFICATE = np.dtype([("kind", "u1"), ("oracles", "u1"), ("precision", "i4"), ("radius", "f8")])


class Certificate(NamedTuple):
    """Why a result is right.

    kind: "exact" (a rational, an infinity or NaN), "enclosure" (a number beside a rational, on a proved side),
        "ball" (Ziv's test on a ball of Arb) or "filter" (double-word arithmetic with a proved bound).
    precision: bits of the ball, 0 elsewhere. radius: bound on the error of the tail, in ulps of the result.
    oracles: "O2", "O1+O2" where the first oracle gave the same, or "bulk".
    """

    kind: str
    precision: int
    radius: float
    oracles: str

    def __str__(self) -> str:
        """One line for a report: `ball, 128 bits, O1+O2`."""
        bits = f", {self.precision} bits" if self.precision else ""
        return f"{self.kind}{bits}, {self.oracles}"


class Certified(NamedTuple):
    """A correctly rounded result with its certificate."""

    rounded: Rounded
    certificate: Certificate
