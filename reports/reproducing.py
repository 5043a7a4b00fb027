"""Running reproducers, each in a process of its own, and holding what they print against what the findings claim."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.reference.formats import FORMATS
from lossbench.reports.defects import Finding
from lossbench.reports.scripts import Script

#: A number that was measured in a batch and comes alone may be this many ulps apart, and no more.
ULPS = 4.0
#: Seconds that a reproducer may take, imports and compilation included; processes at a time.
PATIENCE, WORKERS = 300.0, 2


def run_all(found: Sequence[Finding]) -> Iterator[tuple[Finding, str]]:
    """Each finding with a reproducer, and "" or what its reproducer shows instead of what is claimed."""
    written = [finding for finding in found if finding.script.text]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(differs, finding.script, Path(folder) / f"{finding.name}.py") for finding in written]
        for finding, result in zip(written, done, strict=True):
            yield finding, result.result()


def differs(script: Script, path: Path) -> str:
    """Run a script from a file; "" where it prints what is claimed, else a sentence that says what it does."""
    path.write_text(script.text, encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(path)], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"was not done after {PATIENCE:.0f} s"
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("got ", "expected ")))
    if script.ends:
        ended = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit status {done.returncode}"
        return "" if ended == script.ends and "got" not in said else f"ends with {ended}, not: {script.ends}"
    if done.returncode:
        return f"raises {(done.stderr.strip().splitlines() or ['nothing'])[-1]}"
    if set(said) != {"got", "expected"}:
        return f"prints {sorted(said)}"
    got, claimed = _value(said["got"]), script.got
    if why := _apart(got, claimed, script.dtype):
        return f"prints got {said['got']}, claimed is {claimed}: {why}"
    if isinstance(script.expected, str):
        return "" if said["expected"] == script.expected else f"prints expected {said['expected']}"
    expected = _value(said["expected"])
    if why := _apart(expected, script.expected, script.dtype):
        return f"prints expected {said['expected']}, claimed is {script.expected}: {why}"
    return "" if _apart(got, expected, script.dtype) else "prints got as expected: it shows nothing"


def _value(text: str) -> Any:
    """Numbers, and lists of them, as Python prints them."""
    return eval(text, {"__builtins__": {}, "nan": np.nan, "inf": np.inf})


def _apart(printed: Any, claimed: Any, dtype: str) -> str:
    """ "" where two nested lists have one shape and the same numbers, up to a few ulps; else the difference."""
    a, b = np.array(printed, float), np.array(claimed, float)
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    fmt = FORMATS[dtype]
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(np.abs(b))[1] - 1, fmt.emin)
        near = np.abs(a - b) <= ULPS * np.ldexp(1.0, exponent - fmt.precision + 1)
    same = (a == b) | (np.isnan(a) & np.isnan(b)) | (near & np.isfinite(a) & np.isfinite(b))
    if same.all():
        return ""
    place = tuple(int(i) for i in np.argwhere(~same)[0])
    return f"{a[place]:.9g} and {b[place]:.9g}" + (f" at {list(place)}" if place else "")
