"""The job: asks the libraries, each in its own process; keeps answers as they come, and goes on after a stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossbench.harness import environment
from lossbench.harness.adapters import adapter_of
from lossbench.harness.processes import Event, python, run_worker
from lossbench.harness.semantics import plan
from lossbench.harness.semantics.ask import Answer, Ask, answer_of
from lossbench.harness.semantics.laws import ONE_THREAD

#: Answers as they come, and what was judged from them, below the folder of a run.
ANSWERS, SEMANTICS = "semantics.jsonl", "semantics.json"
#: Library processes at a time, and the libraries that take longest, which start first.
WORKERS = 2
SLOWEST = ("keras", "tensorflow", "optax", "jax", "torch")
#: Seconds without a word from a worker after which its ask is given up.
PATIENCE = 120.0


@dataclass(frozen=True)
class Job:
    """What is asked: which implementations (None: all), and whether the slow modes too. Kept beside the answers."""

    folder: Path
    full: bool = False
    globs: tuple[str, ...] | None = None

    def asks(self) -> dict[str, list[Ask]]:
        """Asks by library, without those of libraries that are not installed."""
        found = {}
        for library in plan.everything():
            if not adapter_of(library).installed() and (own := plan.asks(library, self.full, self.globs)):
                found[library] = own
        return dict(sorted(found.items(), key=lambda item: SLOWEST.index(item[0]) if item[0] in SLOWEST else 9))

    def run(self, told: Callable[[str, int], None] = lambda library, count: None) -> dict[str, Answer]:
        """Ask what has no answer yet; returns every answer by the id of its ask. told: of each library that is done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stored = _read(self.folder / ANSWERS)
        lock = threading.Lock()
        with open(self.folder / ANSWERS, "a", encoding="utf-8") as file:

            def keep(ask: str, answer: dict[str, Any]) -> None:
                with lock:
                    stored[ask] = answer
                    file.write(json.dumps({"id": ask, "answer": answer}) + "\n")
                    file.flush()

            def one(library: str, own: list[Ask]) -> None:
                left = [ask for ask in own if ask.id not in stored]
                if left:
                    _library(library, left, self.folder / "workers", keep)
                told(library, len(own))

            with ThreadPoolExecutor(WORKERS) as pool:
                for done in [pool.submit(one, library, own) for library, own in self.asks().items()]:
                    done.result()
        return {ask: answer_of(answer) for ask, answer in stored.items()}


def facts() -> dict[str, Any]:
    """Versions and absences of the libraries, and the platform."""
    libraries = {}
    for library in plan.everything():
        adapter = adapter_of(library)
        away = adapter.installed()
        libraries[library] = {"version": "" if away else adapter.version(), "absent": away}
    return {"libraries": libraries, "platform": environment.platform_name()}


def _library(library: str, asks: Iterable[Ask], folder: Path, keep: Callable[[str, dict[str, Any]], None]) -> None:
    asks = list(asks)
    for one_thread in (False, True):
        units = [ask.unit() for ask in asks if (ask.case.name == ONE_THREAD) == one_thread]
        if units:
            _process(library, {"units": units, "one_thread": one_thread}, folder, keep)


def _process(library: str, job: dict[str, Any], folder: Path, keep: Callable[[str, dict[str, Any]], None]) -> None:
    left = {unit["id"] for unit in job["units"]}

    def listen(event: Event) -> None:
        match event["event"]:
            case "done":
                keep(event["unit"], event["answer"])
                left.discard(event["unit"])
            case "failed":
                keep(event["unit"], {"status": event["status"], "reason": event["reason"]})
                left.discard(event["unit"])
            case "unavailable":
                for ask in sorted(left):
                    keep(ask, {"status": "unavailable", "reason": event["reason"]})
                left.clear()

    run_worker(
        lambda path: python("-m", "lossbench.harness.semantics.worker", library, str(path)),
        library, job, folder.resolve(), listen, PATIENCE,
    )  # fmt: skip


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Answers of an earlier run; a line cut short by a kill is asked again."""
    if not path.exists():
        return {}
    found = {}
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[entry["id"]] = entry["answer"]
    if text and not text.endswith("\n"):
        path.write_text("".join(json.dumps({"id": i, "answer": a}) + "\n" for i, a in found.items()), encoding="utf-8")
    return found
