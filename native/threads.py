"""Threads that share the cases of one call: static parts, a pool that is started at first use.

A part is a range of cases and every case is computed the same way wherever it stands, so results do not depend on
the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from threading import Lock, Thread

#: elements a thread at the least: waking one takes 20 to 50 us, and a kernel 1 to 5 ns an element
WORTHWHILE = 1 << 15

Work = Callable[[int, int], int]


class Helper:
    """A thread that waits for work. Its locks are its mailbox: `asked` is released to start it, `done` when it is.

    A pool of the standard library takes twice as long to wake up.
    """

    def __init__(self) -> None:
        """Start the thread; it ends with the process."""
        self._asked, self._done = Lock(), Lock()
        self._asked.acquire()
        self._done.acquire()
        self._job: tuple[Work, int, int] | None = None
        self._result: int | BaseException = 0
        Thread(target=self._serve, name="lossbench-native", daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._asked.acquire()
            assert self._job is not None
            work, start, stop = self._job
            try:
                self._result = work(start, stop)
            except BaseException as error:
                self._result = error
            self._job = None
            self._done.release()

    def start(self, work: Work, start: int, stop: int) -> None:
        """Begin work(start, stop) there."""
        self._job = work, start, stop
        self._asked.release()

    def finish(self) -> int:
        """Wait, and return what the work gave, or raise what it raised."""
        self._done.acquire()
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


#: idle helpers of this process; a forked child has the objects but not the threads
_idle: dict[int, list[Helper]] = {}


def available() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parts(cases: int, elements: int, wanted: int | None, unit: int) -> list[tuple[int, int]]:
    """Return ranges of cases, one a thread; bounds are multiples of `unit`. elements: cases times classes.

    wanted: at most so many threads; None for as many as there are processors.
    """
    if not cases:
        return []
    count = 1
    if elements >= 2 * WORTHWHILE and wanted != 1:
        count = max(1, min(available() if wanted is None else wanted, elements // WORTHWHILE))
    units = -(-cases // unit)
    bounds = [min(cases, units * k // count * unit) for k in range(count)] + [cases]
    return [(low, high) for low, high in pairwise(bounds) if low < high]


def share(work: Work, ranges: list[tuple[int, int]]) -> int:
    """Run work(start, stop) on every range, the first one here, and return the sum of what it gives."""
    if len(ranges) == 1:
        return work(*ranges[0])
    idle = _idle.setdefault(os.getpid(), [])
    helpers = []
    for others in ranges[1:]:
        try:
            helper = idle.pop()
        except IndexError:
            helper = Helper()
        helper.start(work, *others)
        helpers.append(helper)
    total = work(*ranges[0])
    for helper in helpers:
        total += helper.finish()
        idle.append(helper)
    return total
