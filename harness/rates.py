"""How fast the reference is: the certified path and the bulk tier against plain mpmath, as ratios in one run.

Plain mpmath is the first oracle alone: its formula at the precision of the target and one exact rounding, as a
reference written with mpmath would do. The contenders take turns, round by round, on the same cases in one thread; a
ratio is that of a round, so that what slows the machine slows both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossbench.reference import form_of
from lossbench.reference.bulk import attempt
from lossbench.reference.case import cases_of
from lossbench.reference.formats import format_of, to_nearest
from lossbench.reference.options import Options
from lossbench.reference.referee import Referee

#: Rounds; in each, plain mpmath takes this long or longer.
ROUNDS, ROUND_S = 5, 0.1
#: What each ratio is meant to reach: certified scalar and 1000 classes, bulk up to float32 and float64.
GOALS = {"certified": 4.0, "certified 1000": 10.0, "bulk": 200.0, "bulk float64": 20.0}


@dataclass(frozen=True)
class Rate:
    """Cases per second of plain mpmath, and how many times that a contender reached: median, least, most."""

    form: str
    dtype: str
    classes: int
    contender: str
    plain_per_s: float
    ratio: float
    least: float
    most: float
    goal: float


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rates() -> list[Rate]:
    """Measure every pair; about half a minute. Timing: nothing else should run."""
    found = []
    for form, dtype, classes in (
        ("sigmoid_bce", "float32", 1),
        ("sigmoid_bce", "float64", 1),
        ("softmax_xent", "float32", 10),
        ("softmax_xent", "float64", 10),
        ("softmax_xent", "float32", 1000),
        ("softmax_xent", "float64", 1000),
    ):
        found += _compare(form, dtype, classes)
    return found


def _compare(name: str, dtype: str, classes: int) -> list[Rate]:
    form, rng = form_of(name), np.random.default_rng(0)
    bulk_count = max(1, 200_000 // classes)
    shape = (bulk_count, classes) if form.class_axis else (bulk_count,)
    x = to_nearest(rng.normal(0, 10, shape), dtype)
    y = rng.integers(0, classes, bulk_count) if form.class_axis else rng.integers(0, 2, bulk_count).astype(float)
    referee = Referee(form, "value", Options(), format_of(dtype))
    few = 2 if classes > 100 else 200
    cases = cases_of(form, x[:few], y[:few], None, Options())
    once = _seconds(lambda: [referee.first.results(case) for case in cases]) / len(cases)
    count = min(bulk_count, max(few, int(ROUND_S / once)))
    cases = cases_of(form, x[:count], y[:count], None, Options())
    attempt(form, x, y, dtype, "value", Options())  # compiles
    ratios: dict[str, list[float]] = {"certified": [], "bulk": []}
    plain = []
    for _ in range(ROUNDS):
        slow = _seconds(lambda: [referee.first.results(case) for case in cases]) / count
        certified = _seconds(lambda: [referee.second.results(case) for case in cases]) / count
        bulk = _seconds(lambda: attempt(form, x, y, dtype, "value", Options())) / bulk_count
        plain.append(slow)
        ratios["certified"].append(slow / certified)
        ratios["bulk"].append(slow / bulk)
    goals = {
        "certified": GOALS["certified 1000" if classes == 1000 else "certified"],
        "bulk": GOALS["bulk float64" if dtype == "float64" else "bulk"],
    }
    plain_per_s = 1 / statistics.median(plain)
    return [
        Rate(name, dtype, classes, tier, plain_per_s, statistics.median(r), min(r), max(r), goals[tier])
        for tier, r in ratios.items()
    ]
