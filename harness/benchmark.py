"""The pytest-benchmark module: one test a timing cell, run by `lossbench.harness.timing` in a library's process.

The cells come from the job file named by LOSSBENCH_JOB. Every cell is written as one JSON line the moment it
is finished; pytest-benchmark's own JSON is kept beside it.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossbench.harness.adapters import adapter_of
from lossbench.harness.duel import duel
from lossbench.harness.execution import sentence
from lossbench.harness.plan import call_of
from lossbench.reference import form_of

_JOB: dict[str, Any] = json.loads(Path(os.environ["LOSSBENCH_JOB"]).read_text(encoding="utf-8"))


def _say(event: str, **facts: Any) -> None:
    with open(_JOB["events"], "a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **facts}) + "\n")


@pytest.fixture(scope="session")
def library() -> Any:
    """The adapter and its library, imported once and not timed with the cells, and why it is not available."""
    adapter = adapter_of(_JOB["library"])
    started = time.perf_counter()
    try:
        lib = adapter.load()
        away = adapter.devices(lib).get(_JOB["units"][0]["device"], "unknown device")
    except BaseException as error:
        return adapter, None, f"{adapter.library} cannot be imported: {sentence(error)}"
    _say("loaded", seconds=time.perf_counter() - started)
    return adapter, lib, away


def _rounds(seconds: float, budget: float) -> tuple[int, int]:
    """(rounds, iterations a round) that spend about `budget` seconds: rounds of at least 100 us, 3 to 50 of them."""
    iterations = max(1, round(1e-4 / max(seconds, 1e-9)))
    rounds = int(budget / max(seconds * iterations, 1e-9))
    return min(50, max(3, rounds)), iterations


def _sampled(adapter: Any, lib: Any, result: Any, work: str, rows: Any) -> dict[str, Any]:
    parts = result if work == "FB" else (result,)
    pieces = [np.asarray(adapter.get(lib, part)[0], np.float64) for part in parts]
    return {
        name: (piece[rows] if np.ndim(piece) else piece)
        for name, piece in zip(("value", "grad"), pieces, strict=False)
    }


def _prepare(adapter: Any, lib: Any, cell: dict[str, Any], name: str, mode: str) -> tuple[Callable[[], Any], Any]:
    """A call on the inputs of a cell that waits for its result, and the rows to sample."""
    call = call_of(adapter, cell["form"], name, cell["encoding"], cell["options"])
    vector = form_of(cell["form"]).vector_value
    function = adapter.build(lib, call, mode, cell["work"], vector)
    with np.load(cell["inputs"]) as file:
        dtypes = {"x": cell["dtype"], "y": "int64" if cell["encoding"] == "index" else cell["dtype"]}
        arrays = [adapter.put(lib, file[name], dtypes[name], cell["device"]) for name in ("x", "y") if name in file]
        rows = file["sample"]

    def run() -> Any:
        result = function(*arrays)
        adapter.sync(lib, result[0] if cell["work"] == "FB" else result)
        return result

    return run, rows


@pytest.fixture(scope="session")
def control() -> Any:
    """lossbench.native in this process, the opponent of every call, or None where it cannot run."""
    adapter = adapter_of("native")
    return None if adapter.installed() else (adapter, adapter.load())


def _against_native(cell: dict[str, Any], control: Any, run: Callable[[], Any], seconds: float) -> list[float]:
    """Times of a call over those of native's on the same work, block by block; none where native has no such call."""
    if control is None or cell["device"] != "cpu":
        return []
    adapter, lib = control
    asked = (cell["form"], cell["options"])
    if not any((c.form, c.options) == asked and cell["encoding"] in c.encodings for c in adapter.calls):
        return []
    own, _ = _prepare(adapter, lib, cell, cell["form"], adapter.modes[0])
    own()
    gc.disable()
    ratios = duel(run, own, seconds, _JOB["budget"] / 2, zlib.crc32(cell["id"].encode()))
    gc.enable()
    return ratios


@pytest.mark.parametrize("cell", _JOB["units"], ids=lambda cell: cell["id"])
def test_throughput(cell: dict[str, Any], library: Any, control: Any, benchmark: Any) -> None:
    """Time one cell, compile time kept out, alone and against native, with results sampled before and after."""
    adapter, lib, away = library
    _say("start", unit=cell["id"])
    if away:
        _say("done", unit=cell["id"], status="unavailable", error=away)
        pytest.skip(away)
    try:
        started = time.perf_counter()
        run, rows = _prepare(adapter, lib, cell, cell["call"], cell["mode"])
        result = run()
        first = time.perf_counter() - started
        before = _sampled(adapter, lib, result, cell["work"], rows)
        started = time.perf_counter()
        run()
        steady = time.perf_counter() - started
    except Exception as error:
        _say("done", unit=cell["id"], error=sentence(error))
        pytest.skip("raised; reported as such")
    rounds, iterations = _rounds(steady, _JOB["budget"])
    benchmark.group = f"{cell['form']}-{cell['work']}-{cell['dtype']}-{cell['shape']}"
    benchmark.extra_info.update({k: v for k, v in cell.items() if k not in ("inputs", "out")})
    gc.disable()
    result = benchmark.pedantic(run, rounds=rounds, iterations=iterations, warmup_rounds=1)
    gc.enable()
    after = _sampled(adapter, lib, result, cell["work"], rows)
    np.savez(
        cell["out"],
        **{f"before_{k}": v for k, v in before.items()},
        **{f"after_{k}": v for k, v in after.items()},
    )
    data = sorted(benchmark.stats.stats.data)
    ratios = _against_native(cell, control, run, statistics.median(data))
    _say("done", unit=cell["id"], first=first, seconds=data, rounds=rounds, iterations=iterations, ratios=ratios)
