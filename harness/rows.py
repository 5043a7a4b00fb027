"""One result, one flat row: the schema, its documentation, and the file that rows are appended to.

Rows are written as JSON lines the moment a unit of work is finished, so a run that is killed loses
nothing finished; reports turn the file into Parquet and CSV.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

#: Raised whenever the meaning of a column changes; runs of unlike versions are never compared.
SCHEMA_VERSION = 2

#: Error categories of NUMERICS, in the order in which the first that matches wins.
CATEGORIES = (
    "RAISED",
    "SPURIOUS_NAN",
    "MISSED_NAN",
    "SPURIOUS_INF",
    "MISSED_INF",
    "LOST",
    "NEG_LOSS",
    "SIGN",
    "CR",
    "FAITHFUL",
    "FINITE",
)
#: The categories that are defects by themselves, whatever the size of the error; never folded into a maximum.
BAD = CATEGORIES[:8]


def _doc(text: str, default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"doc": text})


@dataclass(frozen=True)
class Row:
    """One measurement of one implementation. The first block of fields is the key, the second the values."""

    form: str = _doc("form, by its name in `lossbench list forms`")
    encoding: str = _doc(
        "how labels are written: index, onehot, soft, binary, signed, or - without labels; a=b for an equivalence"
    )
    options: str = _doc("canonical option string of the form, empty for none")
    quantity: str = _doc("value, or grad:z, grad:p, grad:q; `probe` for properties of a library")
    reduction: str = _doc("none, sum or mean")
    library: str = _doc("library that owns the call")
    call: str = _doc("public name, or a documented composition joined by +")
    mode: str = _doc("eager, jit, graph, xla, compile, compile-max-autotune, numba or numpy")
    device: str = _doc("cpu or cuda")
    threads: int = _doc("size of the thread pool that the library was given; 0 = its own default")
    dtype: str = _doc("format of the floating-point inputs")
    out_dtype: str = _doc("format of the result, empty when there is none")
    suite: str = _doc("suite that drew the cases, or `throughput`")
    suite_hash: str = _doc("hash of suite, form, encoding, dtype, tier, seed and the drawn bits")
    tier: str = _doc("quick, default or full")
    region: str = _doc("part of the suite's domain that the row covers")
    shape: str = _doc("shape of one case (accuracy) or of the whole batch (throughput), as AxB")
    work_class: str = _doc("F value only, FB value and gradient; empty for accuracy")
    cache: str = _doc("hot or cold for throughput; empty for accuracy")
    metric: str = _doc(
        "ulp, ulp_ftz, rel, equivalence, ftz; seconds, elements_per_s, gb_per_s, first_call_s, import_s; native_ratio, "
        "prepared_ratio: time of the call over that of lossbench.native's, checked every time or prepared once"
    )

    value: float | None = _doc("the measurement; for errors the maximum over finite cases", None)
    unit: str = _doc("unit of value", "")
    n: int = _doc("number of scored results (components count singly)", 0)
    counts: dict[str, int] = field(
        default_factory=dict, metadata={"doc": "number of results per error category"}
    )
    lo: float | None = _doc("lower end of the interval of value (seconds: fastest round; ratios: 95 % interval)", None)
    hi: float | None = _doc("upper end of the interval of value (seconds: slowest round; ratios: 95 % interval)", None)
    worst_input: str = _doc("input of the worst case: hex floats up to 16 numbers, else suite/seed/index", "")
    got: str = _doc("result at the worst case, repr", "")
    want: str = _doc("correctly rounded exact result at the worst case, repr", "")
    worst_category: str = _doc("category of the worst case", "")
    certificate: str = _doc(
        "why `want` is right: how it was decided, bits, oracles that agreed (see lossbench.reference.Certificate)", ""
    )
    bound: str = _doc("exhaustive: value is an upper bound; sampled: a lower bound", "")
    verdict: str = _doc(
        "ok, defect, or disqualified (throughput of a wrong result); of a ratio FAST, SLOW, SAME or AMBIGUOUS", ""
    )
    status: str = _doc("measured, unsupported, unavailable, raised, died or timeout", "measured")
    reason: str = _doc("why there is no measurement", "")
    library_version: str = _doc("version of the library", "")
    platform: str = _doc("os-arch-isa level, such as linux-x86_64-v3, and the vendor of the CPU", "")
    run_id: str = _doc("identifier of the run", "")


#: Columns that identify a measurement; two rows with equal keys measure the same thing.
KEY = tuple(f.name for f in fields(Row))[: [f.name for f in fields(Row)].index("value")]


def schema() -> dict[str, str]:
    """Column name -> meaning, as written into env.json."""
    return {f.name: f.metadata["doc"] for f in fields(Row)}


#: A row of nothing: what a column that was not written stands for.
_EMPTY: dict[str, Any] = {f.name: "" for f in fields(Row)} | {
    "threads": 0, "value": None, "n": 0, "counts": {}, "lo": None, "hi": None
}  # fmt: skip


def _compact(row: Row) -> dict[str, Any]:
    """The columns of a row that are not empty."""
    return {name: value for name, value in dataclasses.asdict(row).items() if value != _EMPTY[name]}


def implementation_id(library: str, call: str, mode: str, device: str) -> str:
    """`library:call:mode:device`, the name of an implementation on the command line and in reports."""
    return f"{library}:{call}:{mode}:{device}"


def without_paths(text: str) -> str:
    """A reason with every absolute path shortened to its last part: no path gets into a row."""
    return re.sub(r"(?<![\w.:/])/(?:[\w.+@~-]+/)+([\w.+@~-]*)", r"\1", text)


class RowFile:
    """Append-only rows of one run, grouped by unit of work; a unit is there whole or not at all.

    One line is one finished unit, `{"unit": id, "rows": [...]}`. A line cut short by a kill is ignored on
    reading and overwritten by the next append, so that the unit is measured again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, unit: str, rows: Iterable[Row]) -> None:
        """Write the rows of a finished unit and force them to the disk."""
        line = json.dumps({"unit": unit, "rows": [_compact(row) for row in rows]})
        with open(self.path, "ab+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # the run was killed in the middle of a line
                    file.write(b"\n")
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def units(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield (unit id, rows as dictionaries) for every finished unit."""
        if not self.path.exists():
            return
        with open(self.path, encoding="utf-8") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue
                yield entry["unit"], [{**_EMPTY, **row} for row in entry["rows"]]

    def finished(self) -> set[str]:
        """Ids of the units that need not be measured again."""
        return {unit for unit, _ in self.units()}
