"""The suites there are, one name a line."""

from __future__ import annotations

import difflib

from lossbench.suites.inputs import LABEL_CONVENTIONS, NON_FINITE, RANDOM_BITS
from lossbench.suites.landmarks import LANDMARKS
from lossbench.suites.logits import CONFIDENT, EXTREME_LOGITS, MANY_CLASSES, SATURATED_SIGMOIDS, SHIFTED
from lossbench.suites.suite import Suite

SUITES: tuple[Suite, ...] = (
    EXTREME_LOGITS,
    SATURATED_SIGMOIDS,
    LABEL_CONVENTIONS,
    CONFIDENT,
    SHIFTED,
    MANY_CLASSES,
    NON_FINITE,
    RANDOM_BITS,
    LANDMARKS,
)


def suite_of(name: str) -> Suite:
    """Return the suite called `name`; ValueError gives the nearest names."""
    for suite in SUITES:
        if suite.name == name:
            return suite
    names = [suite.name for suite in SUITES]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names
    raise ValueError(f"suite: got {name!r}, nearest are {', '.join(near)}")
