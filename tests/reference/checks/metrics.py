"""The scores of results: categories in their order, errors in ulps of the exact value, and what follows from them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from lossbench.harness.rows import CATEGORIES
from tests.reference.copies import Copy
from tests.reference.fractions_of import FORMATS, rounded, two, ulp_exponent

inf, nan = math.inf, math.nan
ONE, SUB = Fraction(1), two(-149)
MAX64 = FORMATS["float64"][2]

# got, exact, whether the form is a loss, category; the error in ulps follows
FLOAT32 = [
    (1.0, ONE, True, "CR"),
    (1.0, 1 + two(-24), True, "CR"),
    (1 + 2.0**-23, 1 + two(-24), True, "FAITHFUL"),
    (1 + 2.0**-23, 1 + two(-30), True, "FAITHFUL"),
    (1 + 2.0**-23, ONE, True, "FINITE"),
    (1 - 2.0**-24, 1 - two(-30), False, "FAITHFUL"),
    (1 + 2.0**-23, 1 - two(-30), False, "FINITE"),
    (1024.0, ONE, True, "FINITE"),
    (-1 - 2.0**-22, -ONE, False, "FINITE"),
    (-1.0, ONE, False, "SIGN"),
    (-1.0, ONE, True, "NEG_LOSS"),
    (-(2.0**-149), Fraction(0), True, "NEG_LOSS"),
    (-(2.0**-149), Fraction(0), False, "FINITE"),
    (0.0, two(-100), True, "LOST"),
    (-0.0, -two(-100), False, "LOST"),
    (-0.0, Fraction(0), True, "CR"),
    (0.0, SUB / 4, True, "CR"),
    (2.0**-149, SUB / 4, True, "FAITHFUL"),
    (4 * 2.0**-149, 2 * SUB, True, "FINITE"),
    (inf, ONE, True, "SPURIOUS_INF"),
    (-inf, ONE, True, "SPURIOUS_INF"),
    (1.0, two(128), True, "MISSED_INF"),
    (0.0, two(128), True, "MISSED_INF"),
    (-1.0, two(128), True, "MISSED_INF"),
    (-inf, two(128), False, "MISSED_INF"),
    (inf, two(128), True, "CR"),
    (nan, ONE, True, "SPURIOUS_NAN"),
    (nan, inf, True, "SPURIOUS_NAN"),
    (1.0, nan, True, "MISSED_NAN"),
    (0.0, nan, True, "MISSED_NAN"),
    (-1.0, nan, True, "MISSED_NAN"),
    (inf, nan, True, "MISSED_NAN"),
    (nan, nan, True, "CR"),
]
FLOAT64 = [
    (float(MAX64), MAX64 - two(971), False, "FINITE"),
    (-float(MAX64), MAX64, False, "SIGN"),
    (float(MAX64), two(-1074), False, "FINITE"),
    (2.0**-1074, 3 * two(-1074), True, "FINITE"),
]


def _exact(copy: Copy, numbers: list, dtype: str):
    parts = [rounded(r, dtype) if isinstance(r, Fraction) else (r, 0, 0.0) for r in numbers]
    value, exponent, tail = (np.array(part) for part in zip(*parts, strict=True))
    return copy.reference.Exact(value, exponent.astype(np.int32), tail, np.zeros(len(value), np.void))


def _error(got: float, r: Fraction, dtype: str) -> float:
    if not (isinstance(r, Fraction) and math.isfinite(got) and math.isfinite(rounded(r, dtype)[0])):
        return nan
    error = abs(Fraction(got) - r) / two(ulp_exponent(r, dtype))
    return float(error) if error < MAX64 else inf


def _scores(copy: Copy) -> str | None:
    for dtype, rows in (("float32", FLOAT32), ("float64", FLOAT64)):
        for loss in (True, False):
            chosen = [row for row in rows if row[2] is loss]
            if not chosen:
                continue
            got = np.array([row[0] for row in chosen])
            scores = copy.metrics.score(got, _exact(copy, [row[1] for row in chosen], dtype), loss)
            for i, (value, r, _, category) in enumerate(chosen):
                if CATEGORIES[scores.codes[i]] != category:
                    return f"{value} for {r} is {CATEGORIES[scores.codes[i]]}, not {category}"
                if not np.array_equal(scores.ulps[i], _error(value, r, dtype), equal_nan=True):
                    return f"{value} for {r} is off by {scores.ulps[i]} ulp"
            if scores.bad().tolist() != [CATEGORIES.index(row[3]) < CATEGORIES.index("CR") for row in chosen]:
                return "defects are not what is bad"
            if sum(scores.counts().values()) != len(chosen):
                return f"{len(chosen)} results are counted as {scores.counts()}"
    return None


def _flushing(copy: Copy) -> str | None:
    rows = [
        (0.0, SUB * 1000),
        (-0.0, SUB - two(-126)),
        (0.0, two(-126)),
        (2.0**-149, SUB * 3),
        (0.0, two(-9)),
        (1.0, ONE),
    ]
    got, exact = np.array([row[0] for row in rows]), _exact(copy, [row[1] for row in rows], "float32")
    fmt = copy.reference.formats.FORMATS["float32"]
    lenient = copy.metrics.flush_tolerant(
        copy.metrics.score(got, exact, False), got, exact, fmt, np.array([0, 0, 0, 0, 1, 0], bool)
    )
    if [CATEGORIES[code] for code in lenient.codes] != ["CR", "CR", "LOST", "FINITE", "CR"]:
        return f"flushing is forgiven as {lenient.counts()}"
    return None if lenient.ulps.tolist() == [0.0, 0.0, 2.0**23, 2.0, 0.0] else f"flushing costs {lenient.ulps} ulp"


def _relative(copy: Copy) -> str | None:
    rows = [
        (1.5, ONE),
        (0.0, two(-100)),
        (-2.0, ONE),
        (2.0**-148, SUB),
        (1.0, Fraction(0)),
        (inf, ONE),
        (SUB, SUB * 5 / 8),
    ]
    got, exact = np.array([float(row[0]) for row in rows]), _exact(copy, [row[1] for row in rows], "float32")
    relative = copy.metrics.relative_errors(copy.metrics.score(got, exact, False), exact)
    if not np.array_equal(relative[:-1], [0.5, 1.0, 3.0, 1.0, nan, nan], equal_nan=True):
        return f"relative errors are {relative}"
    if abs(relative[-1] - 0.6) > 2.0**-50:
        return f"the relative error of 1 for 5/8 is {relative[-1]}"
    limits = [copy.metrics.hopeless(copy.reference.formats.FORMATS[d]) for d in ("bfloat16", "float32")]
    return None if limits == [16.0, 4096.0] else f"half of the digits are lost at {limits} ulp"


def _worst(copy: Copy) -> str | None:
    good, lost, spurious = (CATEGORIES.index(name) for name in ("CR", "LOST", "SPURIOUS_NAN"))
    table = [
        ([good] * 3, [0.1, 0.4, nan], [1, 2, 3], 1),
        ([good, lost, lost], [0.5, 9.0, 1.0], [1, 7, 3], 2),
        ([lost, spurious, good], [9.0, nan, 0.5], [1, 7, 3], 1),
        ([good, lost, lost], [0.0, 1.0, 1.0], [1, nan, 3], 2),
    ]
    for codes, ulps, mildness, worst in table:
        found = copy.metrics.Scores(np.array(codes, np.int8), np.array(ulps)).worst(np.array(mildness, float))
        if found != worst:
            return f"of {codes} with {ulps} ulp the worst is number {found}, not {worst}"
    return None


def check_metrics(copy: Copy) -> str | None:
    """Categories, errors, flushing, relative errors and the case that is shown, against fractions."""
    return _scores(copy) or _flushing(copy) or _relative(copy) or _worst(copy)
