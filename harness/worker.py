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
from lossbench.harness.adapters.adapter import Adapter, Call
from lossbench.harness.execution import Execution, sentence
from lossbench.reference.formats import FORMATS, encode


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
        say("unavailable", reason=f"{library} cannot be imported: {sentence(error)}")
        return 0
    say("loaded", seconds=time.perf_counter() - started, devices=devices, pools=thread_pools())
    if devices.get(job["device"], "unknown device"):
        say("unavailable", reason=devices.get(job["device"], f"{library} knows no device {job['device']}"))
        return 0
    for mode, dtype in job.get("probes", []):
        try:
            say("probe", mode=mode, dtype=dtype, **probe_flush(adapter, lib, mode, dtype, job["device"]))
        except Exception as error:
            say("probe", mode=mode, dtype=dtype, error=sentence(error))
    for unit in job["units"]:
        say("start", unit=unit["id"])
        began = time.perf_counter()
        with np.load(unit["cases"]) as file:
            execution = Execution(adapter, lib, unit, {name: file[name] for name in file.files})
        execution.run()
        np.savez(unit["out"], **execution.stored)
        say("done", unit=unit["id"], spent=time.perf_counter() - began, **execution.facts)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
