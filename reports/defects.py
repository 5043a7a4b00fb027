"""Measured defects, grouped by cause and library into a ranked list, each with its worst case and a reproducer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossbench.harness.adapters import adapter_of
from lossbench.harness.semantics import plan
from lossbench.harness.semantics.ask import DTYPE
from lossbench.harness.semantics.texts import composed, text_of
from lossbench.harness.semantics.verdicts import NAN, RAISES, SILENT
from lossbench.reports.causes import CAUSES, MODES, Cause
from lossbench.reports.documented import entry_of
from lossbench.reports.scripts import Script, script

Record = Mapping[str, Any]
#: Libraries whose calls are formulas written out here: they illustrate, and are nobody's defects.
_OWN = ("numpy",)


@dataclass(frozen=True)
class Finding:
    """Defects of one cause in one library. worst: the record that shows it; records: all of them.

    versions: of the library and what it rests on. composed: no public function that takes the labels shows it, only
    compositions that are written out here.
    """

    cause: Cause
    library: str
    versions: str
    worst: Record
    records: tuple[Record, ...]
    script: Script
    composed: bool

    @property
    def name(self) -> str:
        """File name of its reproducer, without suffix."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.library}-{self.cause.name}".lower()).strip("-")

    @property
    def calls(self) -> list[str]:
        """Calls that show it, each once, the worst first."""
        return list(dict.fromkeys(str(r.get("call") or r["expression"]) for r in (self.worst, *self.records)))

    @property
    def dtypes(self) -> list[str]:
        """Formats in which it shows."""
        seen = {r.get("dtype", DTYPE) for r in self.records}
        return [dtype for dtype in plan.DTYPES if dtype in seen]


def findings(found: Mapping[str, Any]) -> list[Finding]:
    """Every finding of semantics.json: public functions before compositions, then causes by rank, then most cells."""
    listed: list[Finding] = []
    taken: set[int] = set()
    narrow = {_call(r) for r in found["laws"] if r["law"] == "digits" and r["verdict"] == "broken"}
    for cause in CAUSES:
        groups: dict[str, list[Record]] = {}
        for r in found[cause.group]:
            if r["library"] in _OWN or id(r) in taken or not cause.shows(r):
                continue
            taken.add(id(r))
            known = cause.group == "special" and r["dtype"] == "float64" and _call(r) in narrow  # has its own cause
            if not known and entry_of(cause.group, r) is None:
                groups.setdefault(r["library"], []).append(r)
        for library, records in sorted(groups.items(), key=lambda item: -len(item[1])):
            listed.append(_finding(cause, library, records, found))
        if cause is CAUSES[0]:  # the same cells count for their own cause as well
            listed += [_finding(MODES, library, records, found) for library, records in _by_mode(found).items()]
    return sorted(listed, key=lambda finding: finding.composed)


def _call(r: Record) -> tuple[str, str, str, str]:
    return r["library"], r["form"], r["call"], r["options"]


def _by_mode(found: Mapping[str, Any]) -> dict[str, list[Record]]:
    """Cells that raise in one mode and answer in another, by library."""
    cells: dict[tuple[str, ...], dict[str, Record]] = {}
    for r in found["conventions"]:
        cells.setdefault((*_call(r), r["dtype"], r["column"]), {})[r["mode"]] = r
    groups: dict[str, list[Record]] = {}
    for key, modes in cells.items():
        if RAISES in {r["verdict"] for r in modes.values()} and {SILENT, NAN} & {r["verdict"] for r in modes.values()}:
            groups.setdefault(key[0], []).extend(r for r in modes.values() if MODES.shows(r))
    return groups


def _finding(cause: Cause, library: str, records: list[Record], found: Mapping[str, Any]) -> Finding:
    """The worst case is the largest error among those that can be reproduced: public functions before others."""
    told = '"the error that it raises when it is not compiled"' if cause is MODES else ""
    ordered = sorted(records, key=_order)
    scripts = ((r, script(cause.group, r, told)) for r in ordered)
    worst, text = next(((r, s) for r, s in scripts if s.text), (ordered[0], script(cause.group, ordered[0], told)))
    only = all(_composed(r) for r in records)
    return Finding(cause, library, _versions(library, found), worst, tuple(records), text, only)


def _composed(r: Record) -> bool:
    if "expression" in r:
        return False
    text = text_of(r["library"], r["form"], r["call"], r["options"], r.get("encoding", ""))
    return not text or composed(r["library"], r["call"], text)


def _order(r: Record) -> tuple[Any, ...]:
    if "expression" in r:
        return (0,)
    first = adapter_of(r["library"]).modes[0]
    return (_composed(r), plan.DTYPES.index(r["dtype"]), r["mode"] != first, -_amount(r))


def _amount(r: Record) -> float:
    """How wrong a record is: absolute error of a cell, relative error of a point."""
    if "point" not in r:
        return float(r.get("amount") or 0.0)
    got, want = (np.array(r[name], float) for name in ("got", "want"))
    with np.errstate(all="ignore"):
        gap = np.abs(got - want) / np.maximum(1.0, np.abs(want)) if got.shape == want.shape else np.array(np.inf)
    return float(np.max(np.nan_to_num(gap, nan=np.inf)))


def _versions(library: str, found: Mapping[str, Any]) -> str:
    names = [library, *(name for name in ("jax", "tensorflow") if name in adapter_of(library).requires)]
    known = found["libraries"]
    return ", ".join(dict.fromkeys(f"{name} {known.get(name, {}).get('version', '')}".strip() for name in names))


def unwritten(listed: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """(name, why) of findings without a reproducer."""
    for finding in listed:
        if not finding.script.text:
            yield finding.name, finding.script.why
