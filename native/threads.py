"""Threads that share the cases of one call: static parts, a pool that is started at first use.

A part is a range of cases and every case is computed the same way wherever it stands, so results do not depend on
the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

#: elements below which one thread is faster than waking a second: it takes about 50 us, a kernel 1 ns an element
WORTHWHILE = 1 << 17

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def available() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parts(cases: int, elements: int, wanted: int | None, unit: int) -> list[tuple[int, int]]:
    """Return ranges of cases, one a thread; bounds are multiples of `unit`. elements: cases times classes.

    wanted: at most so many threads; None for as many as there are processors.
    """
    count = min(available() if wanted is None else wanted, max(1, elements // (WORTHWHILE // 2)))
    units = -(-cases // unit)
    bounds = [min(cases, units * k // count * unit) for k in range(count)] + [cases]
    return [(low, high) for low, high in zip(bounds, bounds[1:], strict=False) if low < high]


def share(work: Callable[[int, int], int], ranges: list[tuple[int, int]]) -> int:
    """Run work(start, stop) on every range, the first one here, and return the sum of what it gives."""
    if len(ranges) == 1:
        return work(*ranges[0])
    key = os.getpid(), len(ranges) - 1  # a forked child has the pool's object but not its threads
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(key[1], thread_name_prefix="lossbench-native")
    others = [_pools[key].submit(work, *r) for r in ranges[1:]]
    return work(*ranges[0]) + sum(other.result() for other in others)
