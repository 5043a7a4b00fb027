"""The run: draws cases, has them computed exactly, drives the workers, scores, and writes rows as they come."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lossbench.harness import cells, environment, equivalence, timing
from lossbench.harness.accuracy import Answers, LibraryAccuracy
from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.cases import Batch, BatchKey, compute_exact, draw_batch, save_batch
from lossbench.harness.plan import Filters, Plan, Unit, make_plan, predicted_work
from lossbench.harness.processes import Event, end, run_worker
from lossbench.harness.record import Record
from lossbench.harness.rows import Row, RowFile
from lossbench.harness.scoring import Context, absence_row

#: Library processes that measure accuracy at a time. Timing never runs in parallel.
WORKERS = 2


class Progress(Protocol):
    """How a run tells what it does."""

    def stage(self, name: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def advance(self, steps: int = 1) -> None:
        """Steps of the current stage are finished."""

    def say(self, sentence: str) -> None:
        """Something the user should know."""


class Run:
    """One run in one folder. Everything finished is on disk; `resume` goes on from there."""

    def __init__(self, folder: Path, plan: Plan, progress: Progress, seconds_before: float = 0.0) -> None:
        self.folder, self.plan, self.progress = folder.resolve(), plan, progress
        self.rows, self.record = RowFile(folder / "rows.jsonl"), Record(folder)
        self.finished = self.rows.finished()
        self.cells = cells.lay_out(plan)
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._stopping = False
        self._spent: dict[str, float] = {}
        self._spent_timing: dict[str, float] = {}
        self._before, self._started = seconds_before, time.monotonic()
        found = {name: adapter_of(name) for name in libraries()}
        self.context = Context(
            run_id=self.folder.name,
            platform=environment.platform_name(),
            tier=plan.tier,
            seed=plan.seed,
            versions={name: "" if a.installed() else a.version() for name, a in found.items()},
            flushes={},
        )

    @property
    def predicted_seconds(self) -> float:
        """Predicted wall time of the whole plan."""
        accuracy = self.plan.predicted_seconds(environment.cores())
        return accuracy + cells.predicted_seconds(self.cells, timing.BUDGET[self.plan.tier])

    def measure(self) -> None:
        """Measure what is not measured yet. Interrupted, it leaves what is finished on disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.record.environment(self.context.run_id)
        self._describe()
        work = self.folder / "work"
        try:
            self._absences()
            self._accuracy(work)
            self._timing(work)
        except BaseException:
            self._stop()
            raise
        finally:
            self._describe()
        shutil.rmtree(work, ignore_errors=True)

    def _describe(self) -> None:
        self.record.plan(
            {
                **self.plan.to_json(),
                "timing_cells": len(self.cells),
                "predicted_s": round(self.predicted_seconds, 1),
                "measured_s": round(self._before + time.monotonic() - self._started, 1),
                "device": self.plan.filters.device,
                "complete": self._left() == 0,
                "accuracy_spent_s": _rounded(self._spent),
                "timing_spent_s": _rounded(self._spent_timing),
            }
        )

    def _left(self) -> int:
        ids = {unit.id for unit in self.plan.scored} | {cell.id for cell in self.cells}
        return len(ids - self.finished)

    # -- rows

    def _append(self, unit: str, rows: Iterable[Row]) -> None:
        with self._lock:
            if not self._stopping:
                self.rows.append(unit, rows)
                self.finished.add(unit)

    def _absences(self) -> None:
        if "absences" in self.finished:
            return
        rows: list[Row] = []
        if self.plan.filters.measures("accuracy"):
            device = self.plan.filters.device
            rows += [absence_row(self.context, absence, device) for absence in self.plan.absences]
        if self.plan.filters.measures("throughput"):
            rows += cells.absences(self.plan, self.context)
        self._append("absences", rows)

    # -- accuracy

    def _accuracy(self, work: Path) -> None:
        units = [unit for unit in self.plan.scored if unit.id not in self.finished]
        if units:
            self._measure_accuracy(units, work)
        if "equivalences" not in self.finished:
            rows = equivalence.compare(work / "equivalence", self.plan.scored, self.context)
            self._append("equivalences", rows)

    def _measure_accuracy(self, units: list[Unit], work: Path) -> None:
        batches: dict[BatchKey, Batch] = {}
        suites = self.plan.batches
        for key in {unit.batch for unit in units}:
            batches[key] = draw_batch(key, suites[key], self.plan.tier, self.plan.seed)
            save_batch(batches[key], work / "cases")
        wanted = {(unit.batch, unit.options) for unit in units}
        self.progress.stage("exact values", 2 * len(wanted))
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(WORKERS, environment.cores()), mp_context=spawn) as executor:
            try:
                exact, provenance = compute_exact(batches, wanted, executor, self.progress.advance)
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise
        self.record.exact(provenance)
        self.progress.stage("accuracy", len(units))
        mine = {name: [u for u in units if u.library == name] for name in libraries()}
        slowest_first = sorted((name for name in mine if mine[name]), key=lambda name: -predicted_work(mine[name]))
        with ThreadPoolExecutor(WORKERS) as pool:
            jobs = [pool.submit(self._library, name, mine[name], batches, exact, work) for name in slowest_first]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                self._stop()  # leaving the pool waits for its threads, and they for their processes
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _library(
        self, library: str, units: list[Unit], batches: dict[BatchKey, Batch], exact: Answers, work: Path
    ) -> None:
        def append(unit: str, rows: Iterable[Row]) -> None:
            self._append(unit, rows)
            self.progress.advance()

        device = self.plan.filters.device
        part = LibraryAccuracy(library, device, units, batches, exact, self.context, self.record, append, work)
        probes = part.measure(self._alive, [(u.mode, u.dtype) for u in self.plan.scored if u.library == library])
        self._spent.update(part.spent)
        if f"probe/{library}" not in self.finished:
            self._append(f"probe/{library}", probes)

    # -- throughput

    def _timing(self, work: Path) -> None:
        left = [cell for cell in self.cells if cell.id not in self.finished]
        if not left:
            return
        if why := timing.unavailable():
            self.progress.say(f"throughput is not measured: {why}")
            for cell in left:
                event = {"event": "failed", "status": "unavailable", "reason": why}
                self._append(cell.id, timing.cell_rows(self.context, cell, event, {}, {}))
            return
        folder = work / "timing"
        paths = timing.write_inputs(left, folder, self.plan.seed)
        self.progress.stage("exact samples", 1)
        exact = timing.sampled_exact(left, paths)
        self.progress.advance()
        self.progress.stage("throughput", len(left))
        for library, mine in timing.by_library(left).items():
            job = timing.make_job(library, mine, paths, self.plan.tier, folder)
            by_id = {cell.id: (cell, Path(entry["out"])) for cell, entry in zip(mine, job["units"], strict=True)}

            def listen(event: Event, by_id: dict[str, Any] = by_id) -> None:
                if event["event"] not in ("done", "failed"):
                    return
                cell, out = by_id[event["unit"]]
                stored: dict[str, Any] = {}
                if out.exists():
                    with np.load(out) as file:
                        stored = {name: file[name] for name in file.files}
                    out.unlink()
                rows = timing.cell_rows(self.context, cell, event, exact[paths[cell]], stored)
                self._append(cell.id, rows)
                self.progress.advance()

            began = time.monotonic()
            run_worker(timing.command, library, job, work / "timing-jobs", listen, alive=self._alive)
            self._spent_timing[library] = time.monotonic() - began
            timing.keep_benchmark(work / "timing-jobs", library, self.folder / f"benchmark-{library}.json")

    # -- processes

    def _alive(self, process: subprocess.Popen[str]) -> None:
        with self._lock:
            self._processes.add(process)
            stopping = self._stopping
        if stopping:
            end(process)

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            running = list(self._processes)
        for process in running:
            end(process)


def _rounded(spent: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds, 2) for name, seconds in sorted(spent.items())}


def new_run(folder: Path, tier: str, seed: int, filters: Filters, progress: Progress) -> Run:
    """A run in a folder that holds none yet; FileExistsError where it does."""
    if (folder / "rows.jsonl").exists():
        raise FileExistsError(f"out: {folder} holds a run already; --resume {folder} goes on with it")
    return Run(folder, make_plan(tier, seed, filters), progress)


def resumed_run(folder: Path, progress: Progress) -> Run:
    """The run that a folder holds, to be gone on with; FileNotFoundError where there is none."""
    saved = Record(folder).saved_plan()
    narrowed = {
        name: tuple(value) for name, value in saved["filters"].items() if name != "device" and value is not None
    }
    filters = Filters(**narrowed, device=saved["device"])
    plan = make_plan(saved["tier"], saved["seed"], filters)
    return Run(folder, plan, progress, saved.get("measured_s", 0.0))

