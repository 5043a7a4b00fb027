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
from functools import lru_cache
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


#: Seconds of a call from which on it is not repeated more often than it must be.
LONG_S = 0.1


def _rounds(seconds: float, budget: float) -> tuple[int, int]:
    """(rounds, iterations a round) that spend about `budget` seconds: rounds of at least 100 us, 3 to 50 of them,
    2 of a long call."""
    iterations = max(1, round(1e-4 / max(seconds, 1e-9)))
    rounds = int(budget / max(seconds * iterations, 1e-9))
    return min(50, max(3 if seconds < LONG_S else 2, rounds)), iterations


def _sampled(when: str, adapter: Any, lib: Any, result: Any, work: str, rows: Any) -> dict[str, Any]:
    """Results at the sampled rows, as `<when>_value` and `<when>_grad`."""
    parts = result if work == "FB" else (result,)
    pieces = [np.asarray(adapter.get(lib, part)[0]) for part in parts]
    return {
        f"{when}_{name}": (piece[rows] if piece.ndim else piece).astype(np.float64)
        for name, piece in zip(("value", "grad"), pieces, strict=False)
    }


@lru_cache(maxsize=1)
def _inputs(path: str) -> tuple[dict[str, Any], Any]:
    """The inputs of a cell, each array on a boundary of 64 bytes, and the rows to sample; kept for the next cell."""
    with np.load(path) as file:
        return {name: _aligned(file[name]) for name in ("x", "y") if name in file}, file["sample"]


def _aligned(array: Any) -> Any:
    space = np.empty(array.nbytes + 64, np.uint8)
    start = -space.ctypes.data % 64
    copy = space[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _put(adapter: Any, lib: Any, cell: dict[str, Any], arrays: dict[str, Any]) -> list[Any]:
    dtypes = {"x": cell["dtype"], "y": "int64" if cell["encoding"] == "index" else cell["dtype"]}
    return [adapter.put(lib, array, dtypes[name], cell["device"]) for name, array in arrays.items()]


def _bound(adapter: Any, lib: Any, cell: dict[str, Any], inputs: list[Any]) -> Callable[[], Any]:
    """The cell's call on its inputs, which waits for its result."""
    call = call_of(adapter, cell["form"], cell["call"], cell["encoding"], cell["options"])
    function = adapter.build(lib, call, cell["mode"], cell["work"], form_of(cell["form"]).vector_value)
    pair = cell["work"] == "FB"

    def run() -> Any:
        result = function(*inputs)
        adapter.sync(lib, result[0] if pair else result)
        return result

    return run


@pytest.fixture(scope="session")
def control() -> Any:
    """lossbench.native in this process, the opponent of every call, or None where it cannot run."""
    adapter = adapter_of("native")
    return None if adapter.installed() else (adapter, adapter.load())


def _opponents(cell: dict[str, Any], control: Any, arrays: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """native's checked call on the same arrays, and its prepared one; none where native has no such call."""
    if control is None or cell["device"] != "cpu":
        return {}
    adapter, lib = control
    asked = (cell["form"], cell["options"])
    if not any((c.form, c.options) == asked and cell["encoding"] in c.encodings for c in adapter.calls):
        return {}
    call = call_of(adapter, cell["form"], cell["form"], cell["encoding"], cell["options"])
    inputs = _put(adapter, lib, cell, arrays)
    function = adapter.build(lib, call, lib.implementation()[0], cell["work"], form_of(cell["form"]).vector_value)
    prepared = adapter.prepared(lib, call, cell["work"], inputs)
    return {"checked": lambda: function(*inputs), "prepared": prepared}


@pytest.mark.parametrize("cell", _JOB["units"], ids=lambda cell: cell["id"])
def test_throughput(cell: dict[str, Any], library: Any, control: Any, benchmark: Any) -> None:
    """Time one cell, compile time kept out, alone and against native, with results sampled before and after."""
    adapter, lib, away = library
    _say("start", unit=cell["id"])
    if away:
        _say("done", unit=cell["id"], status="unavailable", error=away)
        pytest.skip(away)
    try:
        arrays, rows = _inputs(cell["inputs"])
        inputs = _put(adapter, lib, cell, arrays)
        started = time.perf_counter()
        run = _bound(adapter, lib, cell, inputs)
        result = run()
        first = time.perf_counter() - started
        stored = _sampled("before", adapter, lib, result, cell["work"], rows)
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
    result = benchmark.pedantic(run, rounds=rounds, iterations=iterations, warmup_rounds=int(steady < LONG_S))
    gc.enable()
    stored |= _sampled("after", adapter, lib, result, cell["work"], rows)
    data = sorted(benchmark.stats.stats.data)
    ratios: dict[str, list[float]] = {}
    opponents = _opponents(cell, control, arrays)
    if opponents:
        for name, opponent in opponents.items():
            stored |= _sampled(name, control[0], control[1], opponent(), cell["work"], rows)
        gc.disable()
        seed = zlib.crc32(cell["id"].encode())
        ratios = duel(run, opponents, statistics.median(data), _JOB["budget"] / 2, seed)
        gc.enable()
    np.savez(cell["out"], **stored)
    _say("done", unit=cell["id"], first=first, seconds=data, rounds=rounds, iterations=iterations, ratios=ratios)
