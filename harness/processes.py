"""Worker processes: started, listened to, timed out, and restarted after a crash until their units are done."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lossbench.harness.adapters import adapter_of
from lossbench.harness.rows import without_paths

Event = dict[str, Any]

#: Seconds without a word from a worker after which its current unit is given up.
PATIENCE = 180.0


def worker_environment(library: str) -> dict[str, str]:
    """Environment of a library's process: pools idle passively, and what its adapter asks for."""
    passive = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **passive, **adapter_of(library).environ}


def _lines(process: subprocess.Popen[str], patience: float) -> Iterator[Event | None]:
    """Yield events as they come; None when the process said nothing for too long."""
    lines: queue.Queue[str | None] = queue.Queue()

    def pump() -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=patience)
        except queue.Empty:
            yield None
            return
        if line is None:
            return
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # not ours: something wrote to a descriptor that it should not have
        if isinstance(event, dict) and "event" in event:
            yield event


def end(process: subprocess.Popen[str]) -> None:
    """Kill a worker and whatever it started: it leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def last_words(log: Path) -> str:
    """Last line that a process left on standard error, as a reason."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return without_paths(lines[-1])[-200:] if lines else ""


def run_worker(
    command: Callable[[Path], list[str]],
    library: str,
    job: dict[str, Any],
    folder: Path,
    listen: Callable[[Event], None],
    patience: float = PATIENCE,
    alive: Callable[[subprocess.Popen[str]], None] = lambda process: None,
) -> None:
    """Run a job's units in a worker process, and in fresh ones after a crash or a hang.

    command: job file -> argument list. listen: called with every event; a unit that ends the process comes as
    {"event": "failed", "unit", "status", "reason"}. alive: told of each process, so that it can be ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    units = list(job["units"])
    attempt = 0
    while True:
        job_file, log = folder / f"{library}-{attempt}.json", folder / f"{library}-{attempt}.log"
        job_file.write_text(json.dumps({**job, "units": units}), encoding="utf-8")
        current, done, over = None, set(), False
        with open(log, "w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command(job_file), stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
                encoding="utf-8", errors="replace", env=worker_environment(library), cwd=folder,
                start_new_session=True,  # an interrupt from the keyboard ends the run, not the measurement
            )  # fmt: skip
            alive(process)
            status = "died"
            for event in _lines(process, patience):
                if event is None:
                    status = "timeout"
                    end(process)
                    break
                if event["event"] == "start":
                    current = event["unit"]
                elif event["event"] == "done":
                    done.add(event["unit"])
                    current = None
                elif event["event"] == "unavailable":
                    over = True
                listen(event)
            code = process.wait()
        units = [unit for unit in units if unit["id"] not in done]
        if over or not units:
            return
        reason = f"no answer within {patience:.0f} s" if status == "timeout" else _ending(code, log)
        if current is None and done:  # it ended between two units: go on with the rest
            job = {**job, "probes": []}
            attempt += 1
            continue
        if current is None:  # it never came as far as a unit: trying again would not help
            for unit in units:
                listen({"event": "failed", "unit": unit["id"], "status": status, "reason": reason})
            return
        listen({"event": "failed", "unit": current, "status": status, "reason": reason})
        units = [unit for unit in units if unit["id"] != current]
        job = {**job, "probes": []}
        attempt += 1
        if not units:
            return


def _ending(code: int, log: Path) -> str:
    how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
    words = last_words(log)
    return f"{how}: {words}" if words else how


def python(*arguments: str) -> list[str]:
    """A Python command line that does not put the working directory on the import path."""
    return [sys.executable, "-P", *arguments]
