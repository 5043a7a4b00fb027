"""Throughput: runs timing cells library by library, never in parallel, and turns what comes back to rows."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.harness import duel
from lossbench.harness.adapters import libraries
from lossbench.harness.cells import Cell, row_of
from lossbench.harness.processes import Event, python
from lossbench.harness.rows import Row
from lossbench.harness.scoring import Context
from lossbench.reference import evaluate, form_of
from lossbench.reference.formats import FORMATS
from lossbench.suites import throughput

#: Seconds a cell may be timed for, by tier; its duel takes half as long again.
BUDGET = {"quick": 0.01, "default": 0.05, "full": 0.5}
#: Way of calling native that a call duels with -> metric of the ratio.
DUELS = {"checked": "native_ratio", "prepared": "prepared_ratio"}


def write_inputs(cells: list[Cell], folder: Path, seed: int) -> dict[Cell, Path]:
    """Draw the inputs of the cells once; equal cells of different libraries share a file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for cell in cells:
        encoding = "none" if cell.encoding == "-" else cell.encoding
        path = folder / f"{cell.form}-{encoding}-{cell.dtype}-{'x'.join(map(str, cell.shape))}.npz"
        if not path.exists():
            x, y = throughput.inputs(form_of(cell.form), cell.encoding, cell.dtype, cell.shape, seed)
            arrays: dict[str, Any] = {"x": x, "sample": throughput.sample(cell.shape)}
            np.savez(path, **(arrays if y is None else {**arrays, "y": y}))
        paths[cell] = path
    return paths


def make_job(library: str, cells: list[Cell], paths: dict[Cell, Path], tier: str, folder: Path) -> dict[str, Any]:
    """The job file's contents for one library."""
    units = [
        {**asdict(cell), "id": cell.id, "shape": "x".join(map(str, cell.shape)), "inputs": str(paths[cell]),
         "out": str(folder / f"{library}-{i}.npz")}
        for i, cell in enumerate(cells)
    ]  # fmt: skip
    return {"library": library, "units": units, "budget": BUDGET[tier]}


def command(job_file: Path) -> list[str]:
    """The process that times a job: this module, which runs pytest and passes its events on."""
    return python("-m", "lossbench.harness.timing", str(job_file))


def main(job_path: str) -> int:
    """Run pytest-benchmark on a job; events go straight to standard output, so that none is lost by what comes next."""
    import pytest

    job_file = Path(job_path)
    job = json.loads(job_file.read_text(encoding="utf-8"))
    job["events"] = f"/dev/fd/{os.dup(1)}"
    os.dup2(2, 1)  # what pytest or a library prints is no event
    job_file.write_text(json.dumps(job), encoding="utf-8")
    os.environ["LOSSBENCH_JOB"] = str(job_file)
    module = importlib.util.find_spec("lossbench.harness.benchmark")
    assert module is not None and module.origin is not None
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(job_file.parent)]
    options += ["--import-mode=importlib", "-W", "ignore", "--benchmark-disable-gc", "--benchmark-columns=median"]
    options += [f"--benchmark-json={job_file.with_suffix('.benchmark.json')}", module.origin]
    code = pytest.main(options)
    return 0 if code in (0, 5) else int(code)


#: Exact results at sampled rows, by options and quantity.
Samples = dict[tuple[str, str], npt.NDArray[np.float64]]


def sampled_exact(cells: list[Cell], paths: dict[Cell, Path]) -> dict[Path, Samples]:
    """Exact results at the sampled rows of every input file that is used, by options and quantity."""
    results: dict[Path, Samples] = {}
    for cell in cells:
        entry = results.setdefault(paths[cell], {})
        form = form_of(cell.form)
        with np.load(paths[cell]) as file:
            rows = file["sample"]
            x = throughput.values(file["x"][rows], "", cell.dtype)
            y = throughput.values(file["y"][rows], cell.encoding, cell.dtype) if "y" in file else None
        for quantity in form.quantities[:2]:
            if (cell.options, quantity) not in entry:
                entry[cell.options, quantity] = evaluate(form, x, y, cell.dtype, quantity, cell.options).value
    return results


def disqualified(
    cell: Cell, exact: Samples, stored: dict[str, npt.NDArray[Any]], moments: tuple[str, ...] = ("before", "after")
) -> str:
    """Why a timed result is wrong, or "": infinities and NaN in other places than the exact result, or an
    error above 2^(-p/2) of the largest exact result, which is half of the digits. moments: what the results are
    stored as: those before and after timing, or one of native's."""
    form = form_of(cell.form)
    limit = 2.0 ** (-FORMATS[cell.dtype].precision / 2)
    for moment in moments:
        when = f"{moment} timing" if moment in ("before", "after") else f"{moment} call"
        for name, quantity in (("value", form.quantities[0]), ("grad", form.quantities[1])):
            got = stored.get(f"{moment}_{name}")
            if got is None:
                continue
            want = exact[cell.options, quantity]
            if got.shape != want.shape:
                return f"{name} has shape {got.shape}, expected {want.shape}"
            finite = np.isfinite(want)
            if not np.array_equal(np.where(np.isfinite(got), 0, got), np.where(finite, 0, want), equal_nan=True):
                return f"{name} is not finite where it should be, or not as it should be, {when}"
            if not finite.any():
                continue
            scale = max(float(np.abs(want[finite]).max()), FORMATS[cell.dtype].tiny)
            error = float(np.abs(got[finite] - want[finite]).max()) / scale
            if error > limit:
                return f"{name} is off by {error:.2g} of the largest result, {when}"
    return ""


def cell_rows(
    context: Context, cell: Cell, event: Event, exact: Samples, stored: dict[str, Any]
) -> list[Row]:
    """Rows of a finished timing cell."""
    row = row_of(context, cell)
    if "error" in event or event["event"] == "failed":
        status = event.get("status", "raised")
        return [replace(row, status=status, reason=event.get("error") or event["reason"])]
    times = event["seconds"]
    wrong = disqualified(cell, exact, stored)
    median = statistics.median(times)
    row = replace(row, verdict="disqualified" if wrong else "ok", reason=wrong, n=len(times))
    elements = float(np.prod(cell.shape))
    gigabytes = elements * FORMATS[cell.dtype].bits / 8e9 * (1 if cell.work == "F" else 2)
    rows = [
        replace(row, unit="s", value=median, lo=min(times), hi=max(times)),
        replace(row, metric="elements_per_s", unit="1/s", value=elements / median, lo=elements / max(times),
                hi=elements / min(times)),
        replace(row, metric="gb_per_s", unit="GB/s", value=gigabytes / median, lo=gigabytes / max(times),
                hi=gigabytes / min(times)),
        replace(row, metric="first_call_s", unit="s", value=event["first"], n=1),
    ]  # fmt: skip
    if wrong:
        return rows
    for name, ratios in event.get("ratios", {}).items():
        low, middle, high = duel.interval(ratios)
        won = replace(row, metric=DUELS[name], verdict=duel.verdict(low, high), n=len(ratios))
        own = _own_wrong(cell, exact, stored, name)
        won = replace(won, verdict="disqualified", reason=f"native's {own}") if own else won
        rows.append(replace(won, unit="1", value=middle, lo=low, hi=high))
    return rows


def _own_wrong(cell: Cell, exact: Samples, stored: dict[str, Any], name: str) -> str:
    """Why the result of native that a call was timed against does not count, or ""."""
    if wrong := disqualified(cell, exact, stored, (name,)):
        return wrong
    parts = [part for part in ("value", "grad") if f"{name}_{part}" in stored]
    same = all(np.array_equal(stored[f"{name}_{p}"], stored[f"checked_{p}"], equal_nan=True) for p in parts)
    return "" if same else f"{name} call gives another result than the checked one"


def keep_benchmark(jobs: Path, library: str, target: Path) -> None:
    """Keep pytest-benchmark's own JSON of a library, without host name and paths."""
    for path in sorted(jobs.glob(f"{library}-*.benchmark.json")):
        if not path.stat().st_size:
            continue  # the process ended before pytest-benchmark wrote it; the rows are there
        report = json.loads(path.read_text(encoding="utf-8"))
        report["machine_info"].pop("node", None)
        for entry in report["benchmarks"]:
            entry.pop("params", None)  # the cell stands in extra_info
        target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def by_library(cells: list[Cell]) -> dict[str, list[Cell]]:
    """Cells by library, in the order of the libraries."""
    return {name: mine for name in libraries() if (mine := [c for c in cells if c.library == name])}


def unavailable() -> str:
    """Why nothing can be timed here, or ""."""
    if importlib.util.find_spec("pytest_benchmark") is None:
        return "pytest-benchmark is not installed (extra `report`)"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
