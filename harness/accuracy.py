"""Accuracy of one library: its worker's events turned to rows, unit by unit."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.harness import equivalence
from lossbench.harness.cases import Batch, BatchKey
from lossbench.harness.plan import Unit
from lossbench.harness.processes import Event, python, run_worker
from lossbench.harness.record import Record
from lossbench.harness.rows import Row
from lossbench.harness.scoring import Context, blank, unit_rows
from lossbench.reference import Exact, form_of

#: Exact results by batch, options and quantity.
Answers = dict[tuple[BatchKey, str, str], Exact]


class LibraryAccuracy:
    """One library's units, measured in its own process.

    append: called with a unit's id and its rows as soon as they are there.
    spent: (where, seconds) of every finished unit, for the prediction of later plans.
    """

    def __init__(
        self,
        library: str,
        device: str,
        units: list[Unit],
        batches: dict[BatchKey, Batch],
        exact: Answers,
        context: Context,
        record: Record,
        append: Callable[[str, Iterable[Row]], None],
        work: Path,
    ) -> None:
        self.library, self.device, self.units, self.batches, self.exact = library, device, units, batches, exact
        self.context, self.record, self.append, self.work = context, record, append, work
        self.spent: dict[str, float] = {}
        self._by_id = {unit.id: unit for unit in units}
        outputs = work / "outputs"
        outputs.mkdir(parents=True, exist_ok=True)
        self._paths = {unit.id: outputs / f"{library}-{i}.npz" for i, unit in enumerate(units)}
        self._left = set(self._by_id)
        self._flushes: dict[tuple[str, str], bool] = {}
        self._probes: list[Row] = []

    def measure(
        self, alive: Callable[[subprocess.Popen[str]], None], combinations: Iterable[tuple[str, str]]
    ) -> list[Row]:
        """Run every unit; returns the rows of the library's probes, made in (mode, dtype) `combinations`."""
        self._flushes = dict.fromkeys(combinations, False)
        run_worker(
            lambda job_file: python("-m", "lossbench.harness.worker", self.library, str(job_file)),
            self.library,
            self._job(),
            self.work / "jobs",
            self._listen,
            alive=alive,
        )
        return self._probes

    def _job(self) -> dict[str, Any]:
        units = [
            {
                **asdict(unit),
                "id": unit.id,
                "cases": str(self.work / "cases" / f"{unit.batch.name}.npz"),
                "out": str(self._paths[unit.id]),
                "slices": self.batches[unit.batch].slices,
            }
            for unit in self.units
        ]
        return {"device": self.device, "probes": list(self._flushes), "units": units}

    def _listen(self, event: Event) -> None:
        match event["event"]:
            case "loaded":
                self.record.note(self.library, devices=event["devices"], pools=event["pools"])
                if not self._probes:
                    row = self._probe("import_s")
                    self._probes.append(replace(row, value=event["seconds"], unit="s", n=1))
            case "probe":
                self._flushes[event["mode"], event["dtype"]] = bool(event.get("flushes"))
                self._probes.append(self._flush_row(event))
            case "unavailable":
                self.record.note(self.library, event["reason"])
                for unit in self.units:
                    if unit.id in self._left:  # it may have been available before a crash
                        self._finish(unit, {"failure": ("unavailable", event["reason"])}, {})
            case "failed":
                self._finish(self._by_id[event["unit"]], {"failure": (event["status"], event["reason"])}, {})
            case "done":
                unit = self._by_id[event["unit"]]
                where = f"{self.library} {unit.mode} {unit.dtype}"
                self.spent[where] = self.spent.get(where, 0.0) + event["spent"]
                with np.load(self._paths[unit.id]) as file:
                    stored = {name: file[name] for name in file.files}
                self._paths[unit.id].unlink()
                self._finish(unit, event, stored)

    def _finish(self, unit: Unit, facts: dict[str, Any], stored: dict[str, Any]) -> None:
        self._left.discard(unit.id)
        batch = self.batches[unit.batch]
        exact = {q: self.exact[unit.batch, unit.options, q] for q in form_of(unit.form).quantities[:2]}
        flushes = {(self.library, *key): flushed for key, flushed in self._flushes.items()}
        equivalence.keep(self.work / "equivalence", unit, batch, exact, stored)
        self.append(unit.id, unit_rows(replace(self.context, flushes=flushes), unit, batch, exact, stored, facts))

    def _probe(self, metric: str, **key: Any) -> Row:
        facts = {"form": "-", "encoding": "-", "call": "-", "quantity": "probe"}
        return blank(self.context, **facts, library=self.library, device=self.device, metric=metric, **key)

    def _flush_row(self, event: Event) -> Row:
        row = self._probe("ftz", mode=event["mode"], dtype=event["dtype"])
        if "error" in event:
            return replace(row, status="raised", reason=event["error"])
        return replace(row, value=float(event["flushes"]), unit="1", n=4, reason=event["what"])
