"""Patience with a process that ends when it is in vain, so that tests of hanging are neither slow nor flaky."""

from __future__ import annotations

import os
import queue
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lossbench.harness import accuracy, controller, processes

#: Seconds that a process may take for anything else on a machine that is busy with other things.
PATIENCE = 30.0
_started = threading.local()


class Watching(queue.Queue):  # type: ignore[type-arg]
    """What the process says that this thread started last: nothing more once it has left the mark of hanging."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Wait for `timeout` seconds, or until the process is known to hang."""
        until = time.monotonic() + (timeout or 0.0)
        while True:
            try:
                return super().get(timeout=0.1)
            except queue.Empty:
                if time.monotonic() > until:
                    raise
                if Path(os.environ["LOSSBENCH_FAKES"], f"{_started.pid}.hangs").exists():
                    return super().get(timeout=1.0)  # what it said before may still be on its way


def run_worker(*arguments: Any, alive: Any, **more: Any) -> None:
    """`processes.run_worker` with this file's patience."""

    def note(process: Any) -> None:
        _started.pid = process.pid
        alive(process)

    processes.run_worker(*arguments, patience=PATIENCE, alive=note, **more)


def replace(patch: Any) -> None:
    """Let runs have this patience. patch: a MonkeyPatch."""
    patch.setattr(processes, "queue", SimpleNamespace(Queue=Watching, Empty=queue.Empty))
    for module in (accuracy, controller):
        patch.setattr(module, "run_worker", run_worker)
