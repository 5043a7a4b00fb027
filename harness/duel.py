"""One call against others on the same work in one process: how many times as long it takes as each of them.

They take turns in blocks, in an order that chance picks and then backwards (ABBA for two, BCAACB for three), so that
a slower or faster minute of the machine weighs on all alike; a block gives one ratio of times for each opponent, and
resampling the blocks gives the interval. Against itself an implementation shows the resolution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

#: Blocks of a duel, as the budget allows; fewer where one call takes longer than `LONG_S`, whose times vary less.
FEWEST, FEWEST_LONG, MOST = 5, 3, 40
LONG_S = 0.05
#: A turn repeats its call until it takes this long.
TURN_S = 1e-4
#: Ratio up to which two times are called the same: runs of one thing on one machine differ by as much.
SAME = 1.10
_RESAMPLES = 2000


def duel(
    run: Callable[[], Any], opponents: Mapping[str, Callable[[], Any]], run_s: float, budget: float, seed: int
) -> dict[str, list[float]]:
    """Ratios time of run / time of each opponent, one a block. run_s: seconds that a call of run takes; budget:
    seconds in all.

    All have been called before: nothing is compiled on the clock.
    """
    names = list(opponents)
    calls = [run, *opponents.values()]
    seconds = [run_s, *(_turn(call, 1) for call in opponents.values())]
    repeats = [max(1, math.ceil(TURN_S / max(each, 1e-9))) for each in seconds]
    block_s = 2 * sum(each * count for each, count in zip(seconds, repeats, strict=True))
    fewest = FEWEST if max(seconds) < LONG_S else FEWEST_LONG
    blocks = min(MOST, max(fewest, int(budget / max(block_s, 1e-9))))
    rng = np.random.default_rng(seed)
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(blocks):
        order = rng.permutation(len(calls)).tolist()
        spent = [0.0] * len(calls)
        for i in (*order, *reversed(order)):
            spent[i] += _turn(calls[i], repeats[i]) / repeats[i]
        for name, other in zip(names, spent[1:], strict=True):
            ratios[name].append(spent[0] / other)
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
    """FAST, SLOW or SAME for the opponent when the whole interval says so, else AMBIGUOUS."""
    if low > SAME:
        return "FAST"
    if high < 1 / SAME:
        return "SLOW"
    return "SAME" if low >= 1 / SAME and high <= SAME else "AMBIGUOUS"
