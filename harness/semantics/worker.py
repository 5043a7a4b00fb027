"""The worker of the semantics job: one library in one process, asked one small batch at a time.

`python -m lossbench.harness.semantics.worker LIBRARY JOB` reports one JSON line an event, as `harness.worker` does.
A function is built once for each call and mode, so that equal shapes and dtypes are compiled once.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from lossbench.harness.adapters import adapter_of
from lossbench.harness.adapters.adapter import Adapter, Call
from lossbench.harness.execution import sentence
from lossbench.harness.plan import call_of
from lossbench.harness.rows import without_paths
from lossbench.harness.semantics.arguments import defaults_passed
from lossbench.harness.semantics.ask import packed, unpacked
from lossbench.harness.semantics.formulas import arrays
from lossbench.harness.semantics.texts import NUMPY, written
from lossbench.reference import form_of

#: What makes the pools of the libraries have one thread.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}  # fmt: skip
#: Warnings about a library's own future say nothing about the labels.
_NOT_MEANT = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning, ImportWarning)


class Library:
    """A loaded library and the functions that were built from it."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter, self.lib = adapter, adapter.load()
        self._built: dict[tuple[str, ...], Callable[..., Any]] = {}

    @functools.cached_property
    def names(self) -> dict[str, Any]:
        """What an expression may name: the library, its base, NumPy, and the arrays of the formulas."""
        known: dict[str, Any] = {"np": np}
        if (text := written(self.adapter.library)) is not None:
            exec(f"{NUMPY}\n{text.imports}", known)
        return known | {name: self._put(array) for name, array in arrays().items()}

    def _put(self, array: Any) -> Any:
        dtype = array.dtype.name
        return self.adapter.put(self.lib, array.view(np.uint16) if dtype == "bfloat16" else array, dtype, "cpu")

    def ask(self, unit: dict[str, Any]) -> dict[str, Any]:
        """Answer a unit; exceptions are answers too."""
        inputs = [unpacked(unit[name]) for name in ("x", "y") if name in unit]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = self._results(unit, inputs)
            except Exception as error:
                found = {"status": "raised", "reason": sentence(error)}
                if unit["by_row"]:
                    found = self._each(unit, inputs) or found
        told = [w for w in caught if not issubclass(w.category, _NOT_MEANT)]
        texts = dict.fromkeys(without_paths(f"{w.category.__name__}: {w.message}".splitlines()[0])[:200] for w in told)
        return {**found, "warned": list(texts)}

    def _results(self, unit: dict[str, Any], inputs: list[Any]) -> dict[str, Any]:
        if unit["expression"]:
            names = {**self.names, **dict(zip("xy", map(self._put, inputs), strict=False))}
            text = unit["expression"]
            if unit["defaults"]:
                text = defaults_passed(text, names)
            value, dtype = self._get(eval(text, names))  # our own texts
            return {"status": "measured", "dtype": dtype, "value": packed(value), "reason": text}
        if unit["tile"]:
            inputs = [np.concatenate([array] * unit["tile"]) for array in inputs]
        call = call_of(self.adapter, unit["form"], unit["call"], unit["encoding"], unit["options"])
        rows = len(inputs[0])
        pad = unit["pad"] if not call.rowwise and 1 < rows < unit["pad"] else 0
        inputs = [array[np.minimum(np.arange(pad), rows - 1)] for array in inputs] if pad else inputs
        function = self._function(unit, call, inputs)
        if call.rowwise and rows > 1:
            if any(len(array) != rows for array in inputs):
                raise ValueError("asked row by row, and there are not as many labels as rows")
            one = [function(*(self._put(array[i : i + 1]) for array in inputs)) for i in range(rows)]
            both: list[Any] = list(zip(*one, strict=True)) if unit["work"] == "FB" else [one]
            columns = [[self._get(part) for part in column] for column in both]
            joined = [np.concatenate([array for array, _ in column]) for column in columns]
            dtype = columns[0][0][1]
        else:
            result = function(*(self._put(array) for array in inputs))
            parts = [self._get(part) for part in (result if unit["work"] == "FB" else (result,))]
            joined, dtype = [array for array, _ in parts], parts[0][1]
        if pad:
            joined = [array[:rows] if len(array) == pad else array for array in joined]
        if unit["tile"]:
            joined = [_extremes(array, unit["tile"]) for array in joined[:1]]
        named = dict(zip(("value", "grad"), map(packed, joined), strict=False))
        return {"status": "measured", "dtype": dtype, **named}

    def _each(self, unit: dict[str, Any], inputs: list[Any]) -> dict[str, Any] | None:
        """A batch that was refused, row by row: rows refused again are NaN, with their reasons; None if all are."""
        rows: list[dict[str, Any] | str] = []
        for i in range(len(inputs[0])):
            try:
                rows.append(self._results(unit, [array[i : i + 1] for array in inputs]))
            except Exception as error:
                rows.append(sentence(error))
        good = [row for row in rows if isinstance(row, dict)]
        if not good:
            return None
        found: dict[str, Any] = {"status": "measured", "dtype": good[0]["dtype"]}
        found["errors"] = {str(i): row for i, row in enumerate(rows) if isinstance(row, str)}
        for name in ("value", "grad"):
            if name in good[0]:
                like = np.full(unpacked(good[0][name]).shape, np.nan)
                parts = [unpacked(row[name]) if isinstance(row, dict) else like for row in rows]
                found[name] = packed(np.concatenate(parts))
        return found

    def _get(self, result: Any) -> tuple[Any, str]:
        self.adapter.sync(self.lib, result)
        array, dtype = self.adapter.get(self.lib, result)
        return np.asarray(array, np.float64), dtype

    def _function(self, unit: dict[str, Any], call: Call, inputs: list[Any]) -> Callable[..., Any]:
        key = tuple(str(unit[name]) for name in ("form", "call", "encoding", "options", "mode", "work"))
        if unit["mode"].startswith("compile"):
            # one signature a function: torch.compile gives up after eight
            key += tuple(f"{array.dtype}{array.shape}" for array in inputs)
            if key not in self._built:
                self._built.clear()  # building resets the compiler
        if key not in self._built:
            vector = form_of(unit["form"]).vector_value
            mode, work = unit["mode"], unit["work"]
            self._built[key] = self.adapter.build(self.lib, replace(call), mode, work, vector)
        return self._built[key]


def _extremes(array: Any, tile: int) -> Any:
    """Smallest and largest result of each row of a batch that was repeated."""
    tiles = array.reshape(tile, -1, *array.shape[1:])
    return np.concatenate([tiles.min(0), tiles.max(0)])


def main(library: str, job_path: str) -> int:
    """Run a job; the exit status is 0 even when asks failed, because each failure was reported."""
    events: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the library may print what it likes

    def say(event: str, **facts: Any) -> None:
        events.write(json.dumps({"event": event, **facts}) + "\n")
        events.flush()

    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    if job["one_thread"]:
        os.environ.update(ONE_THREAD)  # before the library is loaded
    try:
        loaded = Library(adapter_of(library))
    except BaseException as error:
        say("unavailable", reason=f"{library} cannot be imported: {sentence(error)}")
        return 0
    for unit in job["units"]:
        say("start", unit=unit["id"])
        say("done", unit=unit["id"], answer=loaded.ask(unit))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
