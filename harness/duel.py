"""Two implementations on the same work in one process: how many times as long one takes as the other.

They take turns in blocks, ABBA or BAAB by chance, so that a slower or faster minute of the machine weighs on both;
a block gives one ratio of times, and resampling the blocks gives the interval. Against itself an implementation
shows the resolution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: Blocks of a duel, as the budget allows.
FEWEST, MOST = 5, 40
#: A turn repeats its call until it takes this long.
TURN_S = 1e-4
#: Ratio up to which two times are called the same: runs of one thing on one machine differ by as much.
SAME = 1.10
_RESAMPLES = 2000


def duel(a: Callable[[], Any], b: Callable[[], Any], a_s: float, budget: float, seed: int) -> list[float]:
    """Ratios time of a / time of b, one a block. a_s: seconds that a call of a takes; budget: seconds in all.

    Both have been called before: nothing is compiled on the clock.
    """
    b_s = _turn(b, 1)
    repeats = [max(1, math.ceil(TURN_S / max(seconds, 1e-9))) for seconds in (a_s, b_s)]
    block_s = 2 * (a_s * repeats[0] + b_s * repeats[1])
    blocks = min(MOST, max(FEWEST, int(budget / max(block_s, 1e-9))))
    rng = np.random.default_rng(seed)
    ratios = []
    for a_first in rng.integers(0, 2, blocks).astype(bool):
        order = (a, b, b, a) if a_first else (b, a, a, b)
        spent = {a: 0.0, b: 0.0}
        for run in order:
            spent[run] += _turn(run, repeats[0] if run is a else repeats[1])
        ratios.append(spent[a] / repeats[0] / (spent[b] / repeats[1]))
    return ratios


def _turn(run: Callable[[], Any], repeats: int) -> float:
    began = time.perf_counter()
    for _ in range(repeats):
        run()
    return time.perf_counter() - began


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """(low, middle, high): the geometric mean of the ratios with its 95 % interval by resampling the blocks."""
    logs = np.log(np.asarray(ratios, np.float64))
    rng = np.random.default_rng(len(logs))
    means = rng.choice(logs, (_RESAMPLES, len(logs))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(np.exp(low)), float(np.exp(logs.mean())), float(np.exp(high))


def verdict(low: float, high: float) -> str:
    """FAST, SLOW or SAME for b when the whole interval of a / b says so, else AMBIGUOUS."""
    if low > SAME:
        return "FAST"
    if high < 1 / SAME:
        return "SLOW"
    return "SAME" if low >= 1 / SAME and high <= SAME else "AMBIGUOUS"
