"""The worker: one library in one process. It knows NumPy, its library's adapter, and the job it was given.

`python -m lossbench.harness.worker LIBRARY JOB` reads the job file, runs its units in order, writes each
result as an .npz file and reports one JSON line an event on its original standard output; whatever the
library prints goes to standard error.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from lossbench.harness.adapters import adapter_of
from lossbench.harness.adapters.adapter import Adapter, Array, Call, Unsupported
from lossbench.harness.plan import call_of
from lossbench.reference import form_of
from lossbench.reference.formats import FORMATS, encode

#: Rows that a call which only returns a mean is asked for, one call a row.
ROWWISE_LIMIT = 200


def run_call(
    adapter: Adapter, lib: Any, call: Call, unit: dict[str, Any], arrays: dict[str, Array], work: str
) -> list[tuple[Array, str]]:
    """Run one call on whole arrays; returns [(value, dtype)] or [(value, dtype), (gradient, dtype)]."""
    vector = form_of(unit["form"]).vector_value
    function = adapter.build(lib, call, unit["mode"], work, vector)
    dtypes = {"x": unit["dtype"], "y": "int64" if unit["encoding"] == "index" else unit["dtype"]}
    inputs = [adapter.put(lib, array, dtypes[name], unit["device"]) for name, array in arrays.items()]
    result = function(*inputs)
    adapter.sync(lib, result[0] if work == "FB" else result)
    return [adapter.get(lib, part) for part in (result if work == "FB" else (result,))]


def _by_rows(*args: Any) -> list[tuple[Array, str]]:
    """The same, one row at a time, for calls that reduce; rows beyond the limit stay NaN."""
    adapter, lib, call, unit, arrays, work = args
    count = min(ROWWISE_LIMIT, len(arrays["x"]))
    chosen = np.linspace(0, len(arrays["x"]) - 1, count).astype(int)
    pieces = []
    for i in chosen:
        row = {name: array[i : i + 1] for name, array in arrays.items()}
        pieces.append(run_call(adapter, lib, call, unit, row, work))
    columns = []
    for column in zip(*pieces, strict=True):
        columns.append((np.stack([np.reshape(a, np.shape(a)[1:] if np.ndim(a) > 1 else ()) for a, _ in column]),
                        column[0][1]))
    return columns


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def _by_suites(
    adapter: Adapter,
    lib: Any,
    call: Call,
    unit: dict[str, Any],
    arrays: dict[str, Array],
    work: str,
    facts: dict[str, Any],
    names: tuple[str, ...],
) -> list[tuple[Array, str]]:
    """Run a call that refused the batch on each suite alone: it may only refuse NaN. [] if it refuses all."""
    if call.rowwise or unit["mode"].startswith("compile") or len(unit["slices"]) < 2:
        return []
    pieces: dict[str, list[tuple[Array, str]]] = {}
    for suite, (start, stop) in unit["slices"].items():
        part = {name: array[start:stop] for name, array in arrays.items()}
        try:
            results = run_call(adapter, lib, call, unit, part, work)
            if any(np.shape(array)[:1] != (stop - start,) for array, _ in results):
                raise ValueError(f"returned shape {np.shape(results[0][0])} for {stop - start} cases")
            pieces[suite] = results
        except Exception as error:
            for name in names:
                facts["errors"].setdefault(name, {})[suite] = _sentence(error)
    if not pieces:
        return []
    merged = []
    for column, (model, dtype) in enumerate(next(iter(pieces.values()))):
        whole = np.full((len(arrays["x"]), *np.shape(model)[1:]), np.nan)
        for suite, results in pieces.items():
            start, stop = unit["slices"][suite]
            whole[start:stop] = results[column][0]
        merged.append((whole, dtype))
    return merged


def _execute(adapter: Adapter, lib: Any, unit: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Value and gradient of a unit: arrays to store, and dtypes or errors by quantity."""
    call = call_of(adapter, unit["form"], unit["call"], unit["encoding"], unit["options"])
    with np.load(unit["cases"]) as file:
        arrays = {name: file[name] for name in file.files}
    run = _by_rows if call.rowwise else run_call
    stored: dict[str, Any] = {}
    facts: dict[str, Any] = {"dtypes": {}, "errors": {}, "unsupported": {}}
    if call.rowwise:
        count = min(ROWWISE_LIMIT, len(arrays["x"]))
        stored["index"] = np.linspace(0, len(arrays["x"]) - 1, count).astype(int)

    def attempt(work: str, names: tuple[str, ...]) -> None:
        try:
            results = run(adapter, lib, call, unit, arrays, work)
        except Exception as error:
            results = _by_suites(adapter, lib, call, unit, arrays, work, facts, names)
            if not results:
                facts["errors"].update({name: {"*": _sentence(error)} for name in names})
                return
        for name, (array, dtype) in zip(("value", "grad"), results, strict=False):
            if name in names:
                stored[name] = np.asarray(array, np.float64)
                facts["dtypes"][name] = dtype

    unit_vector = form_of(unit["form"]).vector_value
    gradient = not isinstance(call.gradient, Unsupported)
    if not gradient:
        facts["unsupported"]["grad"] = call.gradient.reason  # type: ignore[union-attr]
    if unit["mode"].startswith("compile") and gradient and not unit_vector:
        attempt("FB", ("value", "grad"))  # one compilation serves both: it costs seconds
        if "value" not in stored:
            facts["errors"].pop("value", None)
            attempt("F", ("value",))
    else:
        attempt("F", ("value",))
        if gradient:
            attempt("FB", ("grad",))
    return stored, facts


def thread_pools() -> list[dict[str, Any]]:
    """The thread pools of native libraries in this process, as threadpoolctl sees them; without paths."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return []
    from threadpoolctl import threadpool_info

    wanted = ("user_api", "internal_api", "num_threads", "version")
    return [{name: pool.get(name) for name in wanted} for pool in threadpool_info()]


def probe_flush(adapter: Adapter, lib: Any, mode: str, dtype: str, device: str) -> dict[str, Any]:
    """Whether multiplication flushes subnormal results or inputs to zero, alone or in a long vector."""
    fmt = FORMATS[dtype]
    call = Call("probe", "multiply", lambda lib, x, y: x * y, ("binary",))
    flushed = []
    for count in (1, 4096):
        for what, a, b in (("results", fmt.tiny, 0.5), ("inputs", fmt.tiny / 4, 2.0**8)):
            # bfloat16 and float16 are computed in float32 by most libraries, where 2^-14 / 4 is not subnormal
            x, y = (adapter.put(lib, encode(np.full(count, v), dtype), dtype, device) for v in (a, b))
            product = adapter.build(lib, call, mode, "F", False)(x, y)
            adapter.sync(lib, product)
            if np.any(adapter.get(lib, product)[0] == 0):
                flushed.append(f"{what} of length {count}")
    return {"flushes": bool(flushed), "what": ", ".join(flushed)}


def main(library: str, job_path: str) -> int:
    """Run a job; the exit status is 0 even when units failed, because each failure was reported."""
    events: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the library may print what it likes

    def say(event: str, **facts: Any) -> None:
        events.write(json.dumps({"event": event, **facts}) + "\n")
        events.flush()

    warnings.simplefilter("ignore")
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    adapter = adapter_of(library)
    started = time.perf_counter()
    try:
        lib = adapter.load()
        devices = adapter.devices(lib)
    except BaseException as error:
        say("unavailable", reason=f"{library} cannot be imported: {_sentence(error)}")
        return 0
    say("loaded", seconds=time.perf_counter() - started, devices=devices, pools=thread_pools())
    if devices.get(job["device"], "unknown device"):
        say("unavailable", reason=devices.get(job["device"], f"{library} knows no device {job['device']}"))
        return 0
    for mode, dtype in job.get("probes", []):
        try:
            say("probe", mode=mode, dtype=dtype, **probe_flush(adapter, lib, mode, dtype, job["device"]))
        except Exception as error:
            say("probe", mode=mode, dtype=dtype, error=_sentence(error))
    for unit in job["units"]:
        say("start", unit=unit["id"])
        began = time.perf_counter()
        stored, facts = _execute(adapter, lib, unit)
        np.savez(unit["out"], **stored)
        say("done", unit=unit["id"], spent=time.perf_counter() - began, **facts)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
