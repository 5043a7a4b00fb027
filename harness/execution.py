"""One unit of work inside a worker: a call asked on a whole batch, row by row, or suite by suite."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossbench.harness.adapters.adapter import Adapter, Array, Call, Unsupported
from lossbench.harness.plan import call_of
from lossbench.harness.rows import without_paths
from lossbench.reference import form_of

#: Rows that a call which only returns a mean is asked for, one call a row.
ROWWISE_LIMIT = 200
#: Suites with no more cases than this are asked whole all the same: every landmark counts.
SMALL_SUITE = 16

#: Results of one call: (array, dtype) of the value, and of the gradient when it was asked.
Results = list[tuple[Array, str]]


def sentence(error: BaseException) -> str:
    """An exception as a reason: its type and the first line of its text."""
    lines = str(error).strip().splitlines()
    return without_paths(f"{type(error).__name__}: {lines[0] if lines else ''}")[:300]


@dataclass
class Execution:
    """A unit being run. `stored` are the arrays to write, `facts` dtypes, errors and absences by quantity.

    An error belongs to a suite, or to "*" when the call refused everything.
    """

    adapter: Adapter
    lib: Any
    unit: dict[str, Any]
    arrays: dict[str, Array]
    stored: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=lambda: {"dtypes": {}, "errors": {}, "unsupported": {}})

    def __post_init__(self) -> None:
        unit = self.unit
        self.call: Call = call_of(self.adapter, unit["form"], unit["call"], unit["encoding"], unit["options"])
        self.vector = form_of(unit["form"]).vector_value
        size = len(self.arrays["x"])
        self.asked = np.arange(size)
        if self.call.rowwise:
            spread = np.linspace(0, size - 1, min(ROWWISE_LIMIT, size)).astype(int)
            small = [np.arange(*place) for place in self.unit["slices"].values() if place[1] - place[0] <= SMALL_SUITE]
            self.asked = np.unique(np.concatenate([spread, *small]))
            self.stored["index"] = self.asked

    def run(self) -> None:
        """Ask for the value and, where the call has one, the gradient."""
        gradient = self.call.gradient
        if isinstance(gradient, Unsupported):
            self.facts["unsupported"]["grad"] = gradient.reason
            self._attempt("F", ("value",))
        elif self.unit["mode"].startswith("compile") and not self.vector:
            self._attempt("FB", ("value", "grad"))  # one compilation serves both: it costs seconds
            if "value" not in self.stored:
                self.facts["errors"].pop("value", None)
                self._attempt("F", ("value",))
        else:
            self._attempt("F", ("value",))
            self._attempt("FB", ("grad",))

    def _attempt(self, work: str, names: tuple[str, ...]) -> None:
        try:
            results = self._ask(work, self.asked)
        except Exception as error:
            results = self._by_suites(work, names)
            if not results:
                self.facts["errors"].update({name: {"*": sentence(error)} for name in names})
                return
        for name, (array, dtype) in zip(("value", "grad"), results, strict=False):
            if name in names:
                self.stored[name] = np.asarray(array, np.float64)
                self.facts["dtypes"][name] = dtype

    def _ask(self, work: str, cases: Array) -> Results:
        """Results at some cases, in one call, or in one call a case where the call reduces."""
        if not self.call.rowwise:
            whole = len(cases) == len(self.arrays["x"])
            return self._call(work, self.arrays if whole else {n: a[cases] for n, a in self.arrays.items()})
        rows = [self._call(work, {name: array[i : i + 1] for name, array in self.arrays.items()}) for i in cases]
        return [
            (np.stack([np.reshape(array, np.shape(array)[1:]) for array, _ in column]), column[0][1])
            for column in zip(*rows, strict=True)
        ]

    def _call(self, work: str, arrays: dict[str, Array]) -> Results:
        unit = self.unit
        function = self.adapter.build(self.lib, self.call, unit["mode"], work, self.vector)
        dtypes = {"x": unit["dtype"], "y": "int64" if unit["encoding"] == "index" else unit["dtype"]}
        put, get = self.adapter.put, self.adapter.get
        result = function(*(put(self.lib, array, dtypes[name], unit["device"]) for name, array in arrays.items()))
        self.adapter.sync(self.lib, result[0] if work == "FB" else result)
        return [get(self.lib, part) for part in (result if work == "FB" else (result,))]

    def _by_suites(self, work: str, names: tuple[str, ...]) -> Results:
        """Ask a call that refused the batch about each suite alone: it may only refuse NaN. [] if it refuses all."""
        if self.unit["mode"].startswith("compile") or len(self.unit["slices"]) < 2:
            return []
        pieces: list[tuple[Array, Results]] = []
        for suite, (start, stop) in self.unit["slices"].items():
            places = np.flatnonzero((self.asked >= start) & (self.asked < stop))
            if not places.size:
                continue  # fed row by row, a small suite may have no row
            try:
                results = self._ask(work, self.asked[places])
                if any(np.shape(array)[:1] != places.shape for array, _ in results):
                    raise ValueError(f"returned shape {np.shape(results[0][0])} for {len(places)} cases")
                pieces.append((places, results))
            except Exception as error:
                for name in names:
                    self.facts["errors"].setdefault(name, {})[suite] = sentence(error)
        merged = []
        for column, (model, dtype) in enumerate(pieces[0][1] if pieces else ()):
            whole = np.full((len(self.asked), *np.shape(model)[1:]), np.nan)
            for places, results in pieces:
                whole[places] = results[column][0]
            merged.append((whole, dtype))
        return merged
