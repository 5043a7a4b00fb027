"""Measured defects, grouped by cause and library into a ranked list, each with its worst case and a reproducer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossbench.harness.semantics import conventions, laws, plan, special
from lossbench.harness.semantics.formulas import QUESTIONS, arrays
from lossbench.harness.semantics.verdicts import DIED, NAN, RAISES, SILENT, certified
from lossbench.reports.documented import entry_of
from lossbench.reports.expressions import expression
from lossbench.reports.reproducers import NOTHING, expression_script, pair_script, reproducer

Record = Mapping[str, Any]
_WRONG = ("int8", "int16", "int32", "int64", "uint8", "bool", "float")
#: Libraries whose calls are formulas written out here: they illustrate, and are nobody's defects.
_OWN = ("numpy",)


@dataclass(frozen=True)
class Cause:
    """A cause: its name, what goes wrong, and which records of a group show it. The list is in order of rank."""

    name: str
    text: str
    group: str
    shows: Callable[[Record], bool]


@dataclass(frozen=True)
class Finding:
    """Defects of one cause in one library. worst: the record that shows it; records: all of them."""

    cause: Cause
    library: str
    version: str
    worst: Record
    records: tuple[Record, ...]
    script: str

    @property
    def name(self) -> str:
        """File name of its reproducer, without suffix."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.library}-{self.cause.name}".lower()).strip("-")

    @property
    def calls(self) -> list[str]:
        """Calls that show it, each once, the worst first."""
        return list(dict.fromkeys(str(r.get("call") or r["expression"]) for r in (self.worst, *self.records)))


def _silent(*columns: str, forms: tuple[str, ...] = (), question: str = "") -> Callable[[Record], bool]:
    return lambda r: (
        r["verdict"] == SILENT
        and r["column"] in columns
        and (not forms or r["form"] in forms)
        and question in r.get("question", "")
    )


def _value(r: Record) -> float:
    return float(np.max(np.abs(np.nan_to_num(r.get("got", [0.0]), nan=np.inf))))


def _special(wanted: Callable[[Any, Any], bool], quantity: str) -> Callable[[Record], bool]:
    def shows(r: Record) -> bool:
        if r["verdict"] != "differs" or r["quantity"] != quantity or "got" not in r:
            return False
        return bool(wanted(np.array(r["got"], float), np.array(r["want"], float)))

    return shows


def _nan(got: Any, want: Any) -> bool:
    return bool(np.any(np.isnan(got) & ~np.isnan(want)))


def _hides_nan(got: Any, want: Any) -> bool:
    return got.shape == want.shape and bool(np.any(~np.isnan(got) & np.isnan(want)))


def _other(got: Any, want: Any) -> bool:
    return not _nan(got, want) and not _hides_nan(got, want)


_INDICES = ("K", "K + 5", "-100")
BINARY = ("sigmoid_bce", "prob_bce", "multilabel_bce")
CAUSES: tuple[Cause, ...] = (
    Cause("the process ends", "Labels of a wrong kind end the process.", "conventions", lambda r: r["verdict"] == DIED),
    Cause("-1 and +1 into a 0/1 loss", "The formula is extended to y = -1: losses of a wrong sign and size.",
          "conventions", _silent("{-1,+1}", forms=(*BINARY, "softmax_xent", "prob_xent"))),
    Cause("0 and 1 into a -1/+1 loss", "A label 0 makes the loss log 2 whatever the logit.",
          "conventions", _silent("{0,1}", "bool", "soft", forms=("margin_logistic",))),
    Cause("index -1 is taken", "A class -1 counts from the end, or reads what lies before the row.",
          "conventions", _silent("negative", question="-1")),
    Cause("index out of range is taken", "A class that does not exist gives a number.",
          "conventions", lambda r: _silent("out of range", "ignore_index")(r) and r.get("question") in _INDICES),
    Cause("(N,1) against (N,)", "Labels are broadcast to a matrix; the mean is one over all pairs.",
          "conventions", _silent("(N,1)")),
    Cause("an index against rows", "Labels of another shape are broadcast where N = K.",
          "conventions", _silent("index", "one-hot")),
    Cause("rows that do not sum to 1", "The value or its gradient is not that of the labels given.",
          "conventions", lambda r: _silent("row sums")(r) or _silent("ignore_index", question="zero row")(r)),
    Cause("labels of another type", "Labels of a documented meaning but another dtype give another number.",
          "conventions", _silent(*_WRONG)),
    Cause("soft labels", "A soft label is read as something else.", "conventions", _silent("soft")),
    Cause("NaN labels", "A label that is NaN gives a number.", "conventions", _silent("NaN")),
    Cause("labels outside [0, 1]", "A label that is no probability gives a number, possibly negative.",
          "conventions", lambda r: _silent("out of range", "negative")(r) and r.get("question", "row") in ("", "row")),
    Cause("the mean of nothing, or over another count", "A reduction follows another formula than the contract's.",
          "formulas", lambda r: r.get("agrees") is False),
    Cause("NaN at an infinite input", "The value has a limit, and the result is NaN.",
          "special", _special(_nan, "value")),
    Cause("NaN in a gradient", "The gradient has a limit, and the result is NaN.", "special", _special(_nan, "grad")),
    Cause("a number for NaN", "NaN in, a number out.", "special", _special(_hides_nan, "value")),
    Cause("another value at the ends", "A clamp, an overflow or a lost term.", "special", _special(_other, "value")),
    Cause("another gradient at the ends", "A clamp, an overflow or a lost term.", "special", _special(_other, "grad")),
    Cause("a law is broken", "Two answers that are equal on paper differ in half of their digits.",
          "laws", lambda r: r["verdict"] == "broken"),
)  # fmt: skip


def findings(found: Mapping[str, Any]) -> list[Finding]:
    """Every finding of semantics.json, the causes in order of rank, the libraries with most cells first."""
    listed = [*_by_mode(found)]
    for cause in CAUSES:
        groups: dict[str, list[Record]] = {}
        for r in found[cause.group]:
            if r["library"] not in _OWN and cause.shows(r) and not _excused(cause.group, r):
                groups.setdefault(r["library"], []).append(r)
        for library, records in sorted(groups.items(), key=lambda item: -len(item[1])):
            listed.append(_finding(cause, library, records, found))
    return listed


def _excused(group: str, r: Record) -> bool:
    return group in ("conventions", "special") and entry_of(group, r) is not None


MODES = Cause("eager and compiled disagree", "What raises as it is called gives a number or NaN when compiled.",
              "conventions", lambda r: r["verdict"] in (SILENT, NAN))  # fmt: skip


def _by_mode(found: Mapping[str, Any]) -> Iterator[Finding]:
    """Cells that raise in one mode and answer in another: one finding a library."""
    cells: dict[tuple[str, ...], dict[str, Record]] = {}
    for r in found["conventions"]:
        cells.setdefault((r["library"], r["form"], r["call"], r["options"], r["column"]), {})[r["mode"]] = r
    groups: dict[str, list[Record]] = {}
    for key, modes in cells.items():
        if len({r["verdict"] for r in modes.values()} & {RAISES, SILENT, NAN}) > 1:
            groups.setdefault(key[0], []).extend(r for r in modes.values() if MODES.shows(r))
    for library, records in groups.items():
        yield _finding(MODES, library, records, found)


def _finding(cause: Cause, library: str, records: list[Record], found: Mapping[str, Any]) -> Finding:
    """The worst case is the largest error among those that can be reproduced: public functions before others."""

    def order(r: Record) -> tuple[Any, ...]:
        if cause.group != "formulas":
            written = bool(expression(library, r["form"], r["call"]))
            return (not written, r["mode"] != "eager", "+" in r["call"], -(r.get("amount") or _amount(r)))
        return (0,)

    told = '"the error that it raises when it is not compiled"' if cause is MODES else ""
    scripts = ((r, script(cause.group, r, told)) for r in sorted(records, key=order))
    worst, text = next(((r, text) for r, text in scripts if text), (min(records, key=order), ""))
    version = found["libraries"].get(library, {}).get("version", "")
    return Finding(cause, library, version, worst, tuple(records), text)


def _amount(r: Record) -> float:
    return _value(r) if "point" in r else 0.0


def script(group: str, r: Record, expected: str = "") -> str:
    """The reproducer of a record, "" where none can be written. expected: what to print instead of numbers."""
    if group == "conventions":
        return _convention(r, expected)
    written = {"special": _special_point, "formulas": _formula, "laws": _law}
    return written[group](r)


def _encodings(r: Record) -> tuple[str, ...]:
    key = tuple(r[name] for name in ("library", "form", "call", "options", "mode"))
    subject = next((s for s in plan.subjects(r["library"], full=True) if s.key == key), None)
    return subject.encodings if subject else ()


def _convention(r: Record, expected: str) -> str:
    cases = conventions.cases(r["form"], r["options"], _encodings(r))[0]
    case = next((c for c in cases if c.column == r["column"] and c.name == r.get("question", "")), None)
    if case is None:
        return ""
    if r["verdict"] == DIED:
        return reproducer(r["library"], r["form"], r["call"], r["mode"], case.x, case.y, f'"{NOTHING}"', dies=True)
    gradient = "gradient" in r.get("text", "")
    wrong_rows = "instead" in r.get("text", "")
    if expected:
        pass
    elif case.lost and not wrong_rows:
        expected = f'"{NOTHING}"'
    else:
        expected = str(certified(case, "grad" if gradient else "value").tolist())
    return reproducer(r["library"], r["form"], r["call"], r["mode"], case.x, case.y, expected, gradient)


def _special_point(r: Record) -> str:
    for case, names in special.cases(r["form"], r["options"], _encodings(r)):
        if case.encoding == r["encoding"] and r["point"] in names and "want" in r:
            i = names.index(r["point"])
            y = None if case.y is None else case.y[i : i + 1]
            want = r["want"] if len(r["want"]) == 1 else [r["want"]]
            return reproducer(
                r["library"], r["form"], r["call"], r["mode"], case.x[i : i + 1], y, str(want), r["quantity"] == "grad"
            )
    return ""


def _formula(r: Record) -> str:
    question = QUESTIONS[r["question"]]
    want = question.answers()[question.good]
    return expression_script(r["library"], r["expression"], arrays(), str(want.tolist()))


#: Law -> the ask of its other side, where the two are one call at two inputs.
_SIDES = {"shift": "shifted", "permutation": "permuted", "mask": "masked", "mirror": "mirrored"}


def _law(r: Record) -> str:
    cases = {case.name: case for case in laws.cases(r["form"], r["options"], _encodings(r))}
    if r["law"] not in _SIDES or r["mode"] != "eager":
        return ""
    return pair_script(r["library"], r["form"], r["call"], cases["base"], cases[_SIDES[r["law"]]])
