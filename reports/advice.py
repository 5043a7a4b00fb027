"""Advice: for each way to write labels and format, which call of a library is safe, the fastest, and which to avoid.

Safe is a call that is right for the labels, at every finite special value, and whose laws hold. Strict is one that is
also never silently wrong for labels of a neighbouring convention, and right at infinities and NaN. It is made from
the results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lossbench.harness.semantics.plan import DTYPES
from lossbench.harness.semantics.verdicts import NONE, RIGHT, SILENT, WARNS
from lossbench.reports.blocks import Cell, Section, Table
from lossbench.reports.documented import entry_of
from lossbench.reports.semantics import special_verdict

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """A way to write labels. column: the convention that must be right; beside: where silence is a fault."""

    text: str
    form: str
    column: str
    beside: tuple[str, ...]
    options: str = ""


TASKS: tuple[Task, ...] = (
    Task("class index, logits", "softmax_xent", "index", ("out of range", "negative", "ignore_index", "(N,1)", "NaN")),
    Task("one-hot rows, logits", "softmax_xent", "one-hot", ("{-1,+1}", "negative", "row sums", "(N,1)", "NaN")),
    Task("soft rows, logits", "softmax_xent", "soft", ("{-1,+1}", "negative", "row sums", "(N,1)", "NaN")),
    Task("{0,1}, one logit", "sigmoid_bce", "{0,1}", ("{-1,+1}", "(N,1)", "out of range", "NaN")),
    Task("soft, one logit", "sigmoid_bce", "soft", ("{-1,+1}", "(N,1)", "out of range", "NaN")),
    Task("{-1,+1}, one logit", "margin_logistic", "{-1,+1}", ("{0,1}", "(N,1)", "NaN")),
    Task("{0,1} for K outputs, logits", "multilabel_bce", "{0,1}", ("{-1,+1}", "(N,1)", "out of range", "NaN")),
    Task("{0,1}, one probability", "prob_bce", "{0,1}", ("{-1,+1}", "(N,1)", "out of range", "NaN")),
    Task("class index, probabilities", "prob_xent", "index", ("out of range", "negative", "ignore_index", "(N,1)")),
    Task("one-hot rows, probabilities", "prob_xent", "one-hot", ("{-1,+1}", "negative", "row sums", "(N,1)")),
)  # fmt: skip


@dataclass
class Score:
    """What speaks against one call in one mode and format. seconds: its time where the run has one."""

    library: str
    call: str
    mode: str
    dtype: str
    right: bool
    silent: tuple[str, ...]
    finite: int = 0
    infinite: int = 0
    laws: tuple[str, ...] = ()
    seconds: float = field(default=math.nan)

    @property
    def safe(self) -> bool:
        """Right at finite inputs, value and gradient, and every law holds."""
        return self.right and not self.finite and not self.laws

    @property
    def strict(self) -> bool:
        """Safe, refuses or flags labels of other conventions, and is right at infinities and NaN."""
        return self.safe and not self.silent and not self.infinite

    @property
    def faults(self) -> tuple[bool, int, int]:
        """Its faults, the unsafe last; then the silent ones before the rest."""
        return not self.safe, len(self.silent), self.finite + self.infinite + len(self.laws)

    @property
    def against(self) -> str:
        """What speaks against it, in words."""
        parts = [f"breaks {', '.join(self.laws)}"] if self.laws else []
        parts += [f"{self.finite} finite special values differ"] if self.finite else []
        parts += [f"silent for {', '.join(self.silent)}"] if self.silent else []
        parts += [f"{self.infinite} at inf or NaN differ"] if self.infinite else []
        return "; ".join(parts)


#: library, call, mode, dtype.
Key = tuple[str, str, str, str]


def _key(r: Record) -> Key:
    return r["library"], r["call"], r["mode"], r["dtype"]


def scores(task: Task, found: Mapping[str, Any], times: Mapping[tuple[Key, str], float]) -> list[Score]:
    """Every call that documents the task's labels, the safest first, the faster of equals before the slower."""
    keyed: dict[Key, Score] = {}
    columns: dict[Key, dict[str, str]] = {}
    for r in found["conventions"]:
        if r["form"] == task.form:
            columns.setdefault(_key(r), {})[r["column"]] = r["verdict"]
    for key, verdicts in columns.items():
        if verdicts.get(task.column, NONE) in (RIGHT, WARNS):
            silent = tuple(column for column in task.beside if verdicts.get(column) == SILENT)
            keyed[key] = Score(*key, True, silent, seconds=times.get((key, task.form), math.nan))
    for r in found["special"]:
        score = keyed.get(_key(r))
        if score is not None and r["form"] == task.form and special_verdict(r) == "differs":
            infinite = "inf" in r["point"] or "nan" in r["point"]
            score.infinite += infinite
            score.finite += not infinite
    for r in found["laws"]:
        score = keyed.get(_key(r))
        broken = r["verdict"] == "broken" and r["form"] == task.form and entry_of("laws", r) is None
        if score is not None and broken and r["law"] not in score.laws:
            score.laws += (r["law"],)
    return sorted(keyed.values(), key=lambda s: (s.faults, _time(s), s.call))


def _time(score: Score) -> float:
    return math.inf if math.isnan(score.seconds) else score.seconds


def times(throughput: Sequence[Record]) -> dict[tuple[Key, str], float]:
    """(call, form) -> seconds of the value and gradient, or of the value."""
    found: dict[tuple[Key, str], float] = {}
    for work in ("F", "FB"):
        for r in throughput:
            if r["metric"] == "seconds" and r["work_class"] == work and r["value"] > 0:
                found[_key(r), r["form"]] = r["value"]
    return found


def section(found: Mapping[str, Any], throughput: Sequence[Record]) -> Section:
    """The table: labels, library and formats -> safe calls, the fastest of them, the one to avoid, with the reason."""
    known = times(throughput)
    lines = []
    for task in TASKS:
        every = [s for s in scores(task, found, known) if s.library != "numpy"]
        for library in dict.fromkeys(s.library for s in every):
            folded: dict[tuple[Cell, ...], list[str]] = {}
            for dtype in DTYPES:
                own = [s for s in every if (s.library, s.dtype) == (library, dtype)]
                if own:
                    folded.setdefault(_line(own), []).append(dtype)
            lines += [(Cell(task.text), Cell(library), Cell(", ".join(seen)), *cells) for cells, seen in folded.items()]
    text = (
        "Safe: right for these labels and at finite special values, value and gradient, and every law holds; what a "
        "library documents is no fault. Fastest: by the timings of this run, where it has some. What remains: "
        "neighbouring conventions that the best call takes in silence, and infinities. A format without a line was not "
        "asked: the library lacks it, or --full asks."
    )
    columns = (
        "labels",
        "library",
        "format",
        "safe",
        "fastest of the safe",
        "what remains of the best",
        "avoid, and why",
    )
    return Section("Advice", "advice", [text, Table("Which call to use", columns, tuple(lines), fixed=3)])


def _line(own: Sequence[Score]) -> tuple[Cell, ...]:
    """What is said of a library's calls in one format, the safest first."""
    safe = [s for s in own if s.safe]
    fastest = min((s for s in safe if not math.isnan(s.seconds)), key=_time, default=None)
    best, worst = own[0], max(own, key=lambda s: s.faults)
    return (
        Cell(_names(safe) or "none", tone="good" if safe else "poor", code=bool(safe)),
        Cell(f"{fastest.call}:{fastest.mode}" if fastest else "-", code=fastest is not None),
        Cell("nothing" if best.strict else f"{best.call}: {best.against}"),
        Cell(f"{worst.call} ({worst.mode}): {worst.against}" if not worst.safe else "-", tone="bad" * (not worst.safe)),
    )


def _names(safe: Sequence[Score]) -> str:
    calls = sorted(dict.fromkeys(s.call for s in safe), key=lambda call: "+" in call)  # functions, then compositions
    return ", ".join(calls[:2]) + (f" and {len(calls) - 2} more" if len(calls) > 2 else "")
