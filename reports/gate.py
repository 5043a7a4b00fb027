"""The gate: a run against the baseline of its platform, cell by cell; hard on accuracy, silent on time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from lossbench.reports import baseline as files
from lossbench.reports.baseline import Cell, Key
from lossbench.reports.notation import category_rank, ulps
from lossbench.reports.results import Results, load
from lossbench.reports.verdicts import Verdict, Verdicts, implementation

#: A library that is not there cannot regress; any other reason can.
_NOT_INSTALLED = "not installed"
#: filter of a plan -> what of a cell it speaks of
_FILTERS = ("form", "impl", "suite", "dtype", "device")


def compare(
    rows: pd.DataFrame,
    baseline: pd.DataFrame,
    plan: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> Verdicts:
    """Compare the rows of a run (`Results.rows`) with a baseline table (`baseline.read`).

    plan, environment: contents of plan.json (its filters) and env.json (which libraries are installed).
    A cell regresses when its error or the number of any of its defects rises, when it has fewer results, and
    when it is no longer measured or not there at all, unless its library is not installed.
    """
    now, before = files.cells(rows), files.listed(baseline)
    tiers = set(rows["tier"]) | {str((plan or {}).get("tier", ""))}
    missing_libraries = _not_installed(rows, environment or {})
    hashes: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for cell in now.values():
        if cell["status"] == "measured":
            hashes[_draw(cell)].add(cell["suite_hash"])
    compared = excused = unlike = unplanned = 0
    regressions, improvements = [], []
    for key, old in before.items():
        if old["tier"] not in tiers:
            continue
        new = now.get(key)
        if new is None and not planned(old, plan or {}):
            unplanned += 1
        elif new is None and old["library"] in missing_libraries:
            excused += 1
        elif (new is None or new["status"] == "measured") and _drawn_anew(old, new, hashes):
            unlike += 1
        elif new is None:
            if old["status"] == "measured":
                regressions.append(Verdict(old, _said(old), "", _absence(rows, old)))
        else:
            compared += 1
            worse, better = _judge(old, new)
            if worse:
                regressions.append(Verdict(new, _said(old), _said(new), worse))
            elif better:
                improvements.append(Verdict(new, _said(old), _said(new), better))
    fresh = tuple(Verdict(c, "", _said(c), "not in the baseline") for k, c in now.items() if k not in before)
    return Verdicts(
        compared,
        tuple(regressions),
        tuple(improvements),
        fresh,
        excused,
        unlike,
        unplanned,
        _versions(now, before),
    )


def check(folder: Path, path: Path) -> Verdicts:
    """Compare the results in `folder` with the baseline file `path`; a file that is not there is empty."""
    results = load(folder)
    return compare(results.rows, files.read(path), results.plan, results.environment)


def accept(folder: Path, path: Path) -> str:
    """Make the results in `folder` the baseline of their tier in the file `path`; return the unified diff.

    Cells of other tiers stay, and so do cells of the tier that the run did not plan or whose library is not
    installed. Raises ValueError when the run has no accuracy cell.
    """
    results = load(folder)
    now = files.cells(results.rows)
    if not now:
        raise ValueError(f"{folder.name}: no accuracy cell to accept")
    tiers = {cell["tier"] for cell in now.values()}
    missing = _not_installed(results.rows, results.environment)
    kept = {
        key: cell
        for key, cell in files.listed(files.read(path)).items()
        if cell["tier"] not in tiers or cell["library"] in missing or not planned(cell, results.plan)
    }
    return files.replace(path, files.table({**kept, **now}.values()))


def baseline_of(results: Results, folder: Path) -> Path:
    """The baseline file of the platform that the results come from."""
    known = results.environment.get("platform") or results.fact("platform")
    return files.path_of(folder, str(known))


def planned(cell: Cell, plan: Mapping[str, Any]) -> bool:
    """Whether the filters and the device of a plan let a cell through; a plan without them lets all."""
    filters = {"device": plan.get("device"), **(plan.get("filters") or {})}
    for name in _FILTERS:
        chosen: str | Sequence[str] | None = filters.get(name)
        if chosen:
            patterns = [chosen] if isinstance(chosen, str) else chosen
            text = implementation(cell) if name == "impl" else cell[name]
            if not any(fnmatchcase(text, pattern) for pattern in patterns):
                return False
    return True


def _resolution(error: float) -> float:
    """What two measurements of one error may differ by, in ulps: exact values are certified to 2^-32 ulp, and errors
    are written with six digits, rounded up."""
    return 2.0**-30 + 2e-5 * error


def _judge(old: Cell, new: Cell) -> tuple[str, str]:
    """Why a cell is worse, and why it is better; empty when it is not."""
    if new["status"] != "measured":
        return (f"no longer measured: {new['reason']}" if old["status"] == "measured" else ""), ""
    if old["status"] != "measured":
        return "", "now measured"
    then, now = files.bad_counts(old["bad"]), files.bad_counts(new["bad"])
    names = sorted({*then, *now}, key=category_rank)
    worse = [f"more {name}" for name in names if now.get(name, 0) > then.get(name, 0)]
    better = [f"fewer {name}" for name in names if now.get(name, 0) < then.get(name, 0)]
    if old["value"] and new["value"]:
        before, after = float(old["value"]), float(new["value"])
        worse += ["larger error"] if after - before > _resolution(before) else []
        better += ["smaller error"] if before - after > _resolution(after) else []
    worse += [f"{new['n']} results where there were {old['n']}"] if int(new["n"]) < int(old["n"]) else []
    return ", ".join(worse), ", ".join(better)


def _drawn_anew(old: Cell, new: Cell | None, hashes: Mapping[tuple[str, ...], set[str]]) -> bool:
    """Whether the run drew other inputs for the cell, by its own hash or by those of its neighbours."""
    known = {new["suite_hash"]} if new is not None else hashes.get(_draw(old), set())
    return bool(known) and old["suite_hash"] not in known


def _draw(cell: Cell) -> tuple[str, ...]:
    return tuple(cell[c] for c in ("form", "encoding", "options", "dtype", "suite", "shape", "tier"))


def _not_installed(rows: pd.DataFrame, environment: Mapping[str, Any]) -> set[str]:
    """Libraries that are not installed, by their rows and by the environment."""
    gone = (rows["status"] == "unavailable") & rows["reason"].str.contains(_NOT_INSTALLED, regex=False)
    known = environment.get("libraries") or {}
    return set(rows.loc[gone, "library"]) | {
        name
        for name, entry in known.items()
        if isinstance(entry, Mapping) and _NOT_INSTALLED in str(entry.get("status", ""))
    }


def _absence(rows: pd.DataFrame, cell: Cell) -> str:
    """Why a cell is not there, from the row without a measurement that is nearest to it."""
    absent = rows[(rows["status"] != "measured") & (rows["library"] == cell["library"])]
    columns = ["form", "call", "mode", "dtype", "encoding", "shape", "quantity", "suite"]
    for length in range(len(columns), -1, -1):
        near = absent
        for column in columns[:length]:
            near = near[near[column] == cell[column]]
        if len(near):
            first = near.iloc[0]
            return f"missing from the run; {first['status']}: {first['reason']}"
    return "missing from the run"


def _said(cell: Cell) -> str:
    if cell["status"] != "measured":
        return cell["status"]
    error = f"{ulps(float(cell['value']))} ulp" if cell["value"] else "no finite case"
    return f"{error} {cell['bad']}".strip()


def _versions(now: Mapping[Key, Cell], before: Mapping[Key, Cell]) -> tuple[str, ...]:
    """Say which libraries have another version than in the baseline."""
    pairs = {(now[k]["library"], before[k]["library_version"], now[k]["library_version"]) for k in now.keys() & before}
    return tuple(f"{name} is {b}, the baseline has {a}" for name, a, b in sorted(pairs) if a != b and a and b)
