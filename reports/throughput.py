"""Throughput: one ranking for each form, label encoding, work class, dtype and shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lossbench.reports.blocks import EMPTY, Cell, Table
from lossbench.reports.names import joined
from lossbench.reports.notation import dtype_rank, form_rank, scaled, significant
from lossbench.reports.results import Record, Results

_GROUP = ("title", "encoding", "work_class", "dtype", "threads", "cache", "shape")
#: Ratio of medians below which a difference is not believed: runs on one machine differ by as much.
_RESOLUTION = 1.10
_METRICS = ("seconds", "elements_per_s", "gb_per_s", "first_call_s")


@dataclass(frozen=True)
class Timing:
    """One implementation in one race. Times in seconds, `fastest` and `slowest` of the rounds; NaN = none.

    barred: why the timing does not count (wrong result, no measurement), empty when it does.
    """

    implementation: str
    library: str
    seconds: float
    fastest: float
    slowest: float
    elements_per_s: float
    gb_per_s: float
    first_call_s: float
    barred: str


@dataclass(frozen=True)
class Race:
    """Timings of the same work on the same inputs, the fastest first, the barred ones last."""

    title: str
    encoding: str
    work_class: str
    dtype: str
    threads: int
    cache: str
    shape: str
    timings: tuple[Timing, ...]

    @property
    def size(self) -> int:
        """Number of elements in the batch."""
        parts = self.shape.split("x")
        return math.prod(int(part) for part in parts) if all(p.isdigit() for p in parts) else 0

    @property
    def reach(self) -> tuple[int, int]:
        """What makes a race the one to show: the number of its runners, then its size."""
        return (len(self.timings), self.size)

    @property
    def best(self) -> Timing | None:
        """The fastest timing that counts."""
        first = self.timings[0] if self.timings else None
        return first if first is not None and not first.barred else None

    def ratio(self, timing: Timing) -> float:
        """Time of `timing` over the fastest time, at least 1; NaN where there is nothing to compare."""
        best = self.best
        if best is None or timing.barred:
            return math.nan
        return best.elements_per_s / timing.elements_per_s

    def same(self, timing: Timing) -> bool:
        """Whether `timing` cannot be told from the fastest: medians within 10 %, and rounds that overlap."""
        best = self.best
        if best is None or best is timing or timing.barred:
            return False
        return self.ratio(timing) <= _RESOLUTION and timing.fastest <= best.slowest


def races(results: Results) -> list[Race]:
    """Every race of a run, sorted by form, work class, dtype and size."""
    groups: dict[tuple[Any, ...], dict[str, dict[str, Record]]] = {}
    for row in results.throughput:
        if not row["shape"] or not row["implementation"]:  # what is not timed at all: see `untimed`
            continue
        key = tuple(row[column] for column in _GROUP)
        groups.setdefault(key, {}).setdefault(row["implementation"], {})[row["metric"]] = row
    found = []
    for key, runners in groups.items():
        timings = [_timing(name, rows) for name, rows in runners.items()]
        timings.sort(key=lambda t: (bool(t.barred), -_known(t.elements_per_s), t.implementation))
        found.append(Race(**dict(zip(_GROUP, key, strict=True)), timings=tuple(timings)))
    return sorted(
        found,
        key=lambda r: (
            form_rank(r.title),
            r.encoding,
            r.work_class,
            dtype_rank(r.dtype),
            r.threads,
            r.cache,
            r.size,
            r.shape,
        ),
    )


def _timing(name: str, rows: dict[str, Record]) -> Timing:
    values = {metric: rows[metric]["value"] if metric in rows else math.nan for metric in _METRICS}
    seconds = rows.get("seconds", {})
    barred = ""
    for row in rows.values():
        if row["verdict"] == "disqualified":
            barred = f"disqualified: {row['reason'] or 'its result is wrong'}"
        elif row["status"] != "measured" and not barred:
            barred = f"{row['status']}: {row['reason']}"
    if not barred and math.isnan(values["elements_per_s"]):
        barred = "no rate was recorded"
    return Timing(
        implementation=name,
        library=next(iter(rows.values()))["library"],
        seconds=values["seconds"],
        fastest=seconds.get("lo", math.nan),
        slowest=seconds.get("hi", math.nan),
        elements_per_s=values["elements_per_s"],
        gb_per_s=values["gb_per_s"],
        first_call_s=values["first_call_s"],
        barred=barred,
    )


def race_table(race: Race, numerous: bool) -> Table:
    """The ranking of one race. numerous: whether there are several thread counts or cache states to name."""
    rows = []
    for place, timing in enumerate(race.timings, start=1):
        ratio = race.ratio(timing)
        note = timing.barred or ("same as the fastest" if race.same(timing) else "")
        rows.append(
            (
                Cell(timing.implementation, code=True),
                Cell(str(place) if not timing.barred else "-", sort=float(place)),
                _measure(timing.elements_per_s, scaled),
                _measure(timing.gb_per_s, significant),
                Cell("-", sort=math.inf) if math.isnan(ratio) else Cell(f"{ratio:.2f}x", sort=ratio),
                _measure(timing.seconds, _seconds),
                _measure(timing.first_call_s, _seconds),
                Cell(note, tone="bad" if timing.barred else ""),
            )
        )
    labels = "" if race.encoding == "-" else f" · {race.encoding} labels"
    state = f" · {race.threads or 'default'} threads · {race.cache}" if numerous else ""
    return Table(
        f"{race.title}{labels} · {race.dtype} · {race.work_class} · {race.shape}{state}",
        ("implementation", ">#", ">elements/s", ">GB/s", ">vs fastest", ">median", ">first call", "remark"),
        tuple(rows),
        fixed=2,
        tags={"form": race.title, "dtype": race.dtype},
    )


def shapes_table(group: Sequence[Race]) -> Table:
    """The same work at several shapes, side by side: elements per second and the time over the fastest."""
    first = group[0]
    by_reach = sorted(group, key=lambda race: race.reach, reverse=True)
    names = dict.fromkeys(t.implementation for race in by_reach for t in race.timings)
    rows = []
    for name in names:
        found = [next((t for t in race.timings if t.implementation == name), None) for race in group]
        cells = [EMPTY if timing is None else _speed(race, timing) for race, timing in zip(group, found, strict=True)]
        remarks = dict.fromkeys(t.barred for t in found if t is not None and t.barred)
        largest = [timing for timing in found if timing is not None][-1]
        rate, call = _measure(largest.gb_per_s, significant), _measure(largest.first_call_s, _seconds)
        rows.append((Cell(name, code=True), *cells, rate, call, Cell("; ".join(remarks))))
    labels = "" if first.encoding == "-" else f" · {first.encoding} labels"
    columns = ("implementation", *(f">{race.shape}" for race in group), ">GB/s", ">first call", "remark")
    return Table(
        f"{first.title}{labels} · {first.dtype} · {first.work_class}: elements/s (time over the fastest)",
        columns,
        tuple(rows),
        notes=("GB/s and first call at the largest shape of each.",) if len(group) > 1 else (),
        tags={"form": first.title, "dtype": first.dtype},
    )


def _speed(race: Race, timing: Timing) -> Cell:
    if timing.barred:
        return Cell(timing.barred.partition(":")[0], sort=0.0, tone="bad")
    same = " ≈" if race.same(timing) else ""
    return Cell(scaled(timing.elements_per_s), sort=timing.elements_per_s, note=f"({race.ratio(timing):.2f}x{same})")


def _seconds(value: float) -> str:
    return scaled(value, "s")


def works(found: Sequence[Race]) -> list[list[Race]]:
    """Group races that differ in the shape only."""
    groups: dict[tuple[object, ...], list[Race]] = {}
    for race in found:
        key = (race.title, race.encoding, race.work_class, race.dtype, race.threads, race.cache)
        groups.setdefault(key, []).append(race)
    return list(groups.values())


def untimed(results: Results) -> list[str]:
    """What is not timed although its accuracy is measured: one sentence a reason."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in results.throughput:
        if not row["shape"] and row["implementation"] and row["status"] != "measured":
            found.setdefault((row["reason"], row["work_class"]), {})[row["implementation"]] = None
    works_of: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (reason, work), names in found.items():
        works_of.setdefault((reason, tuple(sorted(names))), []).append(work)
    return [
        f"{' and '.join(sorted(work))}: {', '.join(f'`{name}`' for name in joined(results, names))}: {reason}"
        for (reason, names), work in sorted(works_of.items())
    ]


def import_table(results: Results) -> Table:
    """Seconds that each library takes to import."""
    times = [r for r in results.records if r["metric"] == "import_s" and r["status"] == "measured"]
    seen = {row["library"]: row["value"] for row in sorted(times, key=lambda r: (r["value"], r["library"]))}
    lines = tuple((Cell(name), Cell(scaled(value, "s"), sort=value)) for name, value in seen.items())
    return Table("Time to import", ("library", ">import"), lines)


def _measure(value: float, write: Callable[[float], str]) -> Cell:
    return Cell("-", sort=-1.0) if math.isnan(value) else Cell(write(value), sort=value)


def _known(value: float) -> float:
    return -1.0 if math.isnan(value) else value
