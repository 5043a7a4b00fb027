"""lossbench.native against every rival on the same work, in turns in one process, losing cells included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lossbench.reports.accuracy import summary
from lossbench.reports.blocks import Block, Cell, Section, Table
from lossbench.reports.notation import dtype_rank, form_rank, ulps
from lossbench.reports.results import Record, Results

#: Ratios to the checked call and to the prepared one.
METRIC, PREPARED = "native_ratio", "prepared_ratio"
NATIVE = "native"
#: Work class -> the quantities that it computes.
COMPUTES = {"F": ("value",), "FB": ("value", "grad")}
_TONES = {"FAST": "good", "SAME": "fair", "AMBIGUOUS": "", "SLOW": "bad"}


@dataclass(frozen=True)
class Ratio:
    """Time of a rival over native's: the middle of the blocks, the 95 % interval, and what it says of native."""

    value: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Duel:
    """One rival on one work: its time over native's, and the largest errors of both in ulps, over all suites.

    checked: against the call as it stands; prepared: against one checked once and reused, None where that is not
    known. error, own_error: NaN where the accuracy of the call was not measured in this run; bad, own_bad: whether
    it has results that are defects by themselves.
    """

    title: str
    encoding: str
    work_class: str
    dtype: str
    shape: str
    rival: str
    library: str
    call: str
    mode: str
    checked: Ratio
    prepared: Ratio | None
    error: float
    bad: bool
    own_error: float
    own_bad: bool

    @property
    def work(self) -> tuple[str, str, str, str, str]:
        """What was to be computed."""
        return (self.title, self.encoding, self.work_class, self.dtype, self.shape)


def duels(results: Results) -> list[Duel]:
    """Every duel of a run, by work, the strongest rival first. Those of native against itself are left out, and
    those in which a result was wrong."""
    errors: dict[tuple[str, ...], tuple[float, bool]] = {}
    own: dict[tuple[str, ...], tuple[float, bool]] = {}
    for title, rows in results.errors.items():
        for work_class, quantities in COMPUTES.items():
            part = [row for row in rows if row["quantity"].partition(":")[0] in quantities]
            for found in summary(part, ("encoding", "dtype", "implementation", "library", "mode")):
                entry = found["worst"], bool(found["n_bad"])
                work = title, found["encoding"], found["dtype"], work_class
                errors[*work, found["implementation"]] = entry
                if found["library"] == NATIVE and found["mode"] == "numba":
                    own[work] = entry
    unknown = (math.nan, False)
    prepared = {_place(row): _ratio(row) for row in _fought(results, PREPARED)}
    fought = []
    for row in _fought(results, METRIC):
        if row["library"] == NATIVE:
            continue
        title, encoding, rival, dtype = (row[c] for c in ("title", "encoding", "implementation", "dtype"))
        work = title, encoding, dtype, row["work_class"]
        error, bad = errors.get((*work, rival), unknown)
        own_error, own_bad = own.get(work, unknown)
        duel = Duel(
            title=title,
            encoding=encoding,
            work_class=row["work_class"],
            dtype=dtype,
            shape=row["shape"],
            rival=rival,
            library=row["library"],
            call=row["call"],
            mode=row["mode"],
            checked=_ratio(row),
            prepared=prepared.get(_place(row)),
            error=error,
            bad=bad,
            own_error=own_error,
            own_bad=own_bad,
        )
        fought.append(duel)
    return sorted(
        fought,
        key=lambda d: (
            form_rank(d.title), d.encoding, d.work_class, dtype_rank(d.dtype), elements(d.shape), d.checked.value
        ),
    )  # fmt: skip


def _fought(results: Results, metric: str) -> list[Record]:
    rows = results.throughput
    return [r for r in rows if r["metric"] == metric and r["status"] == "measured" and r["verdict"] != "disqualified"]


def _place(row: Record) -> tuple[str, ...]:
    return tuple(row[c] for c in ("title", "encoding", "work_class", "dtype", "shape", "implementation"))


def _ratio(row: Record) -> Ratio:
    return Ratio(row["value"], row["lo"], row["hi"], row["verdict"])


def elements(shape: str) -> int:
    """Elements of a shape written as AxB."""
    return math.prod(int(part) for part in shape.split("x"))


def resolution(results: Results) -> list[Record]:
    """Duels of native against itself: what a ratio of one thing with itself comes out as."""
    return [r for r in _fought(results, METRIC) if r["library"] == NATIVE and r["mode"] == "numba"]


def strongest(found: Sequence[Duel]) -> list[Duel]:
    """The strongest rival on each work."""
    best: dict[tuple[str, ...], Duel] = {}
    for duel in found:
        best.setdefault(duel.work, duel)
    return list(best.values())


def _counts(found: Sequence[Duel]) -> str:
    """How often each verdict came."""
    verdicts = [d.checked.verdict for d in found]
    return ", ".join(f"{name} {verdicts.count(name)}" for name in _TONES)


def table(found: Sequence[Duel], title: str) -> Table:
    """One line a duel: how many times as long the rival takes, and how exact both are."""
    rows = []
    for d in found:
        rows.append(
            (
                Cell(work_text(d)),
                Cell(d.rival, code=True),
                *_cells(d.checked),
                *_cells(d.prepared),
                _error(d.error, d.bad),
                _error(d.own_error, d.own_bad),
            )
        )
    columns = (
        *("work", "rival", ">times as long", ">95 %", "native is"),
        *(">prepared", ">its 95 %", "prepared is", ">rival's error", ">native's error"),
    )
    return Table(title, columns, tuple(rows), fixed=2)


def work_text(d: Duel) -> str:
    """The work of a duel in words."""
    labels = "" if d.encoding == "-" else f" {d.encoding}"
    return f"{d.title}{labels} {d.work_class} {d.dtype} {d.shape}"


def _cells(ratio: Ratio | None) -> tuple[Cell, Cell, Cell]:
    if ratio is None:
        return Cell("-", sort=-1.0), Cell("-", sort=-1.0), Cell("-")
    return (
        Cell(f"{ratio.value:.3g}", sort=ratio.value),
        Cell(f"{ratio.low:.3g}-{ratio.high:.3g}", sort=ratio.low),
        Cell(ratio.verdict, tone=_TONES[ratio.verdict]),
    )


def _error(worst: float, bad: bool) -> Cell:
    if math.isnan(worst):
        return Cell("defects" if bad else "-", sort=math.inf)
    return Cell(ulps(worst), sort=worst, note="and defects" if bad else "")


def section(results: Results, full: bool) -> Section:
    """Native against its rivals: the strongest of each work, and all of them where there is room."""
    found = duels(results)
    if not found:
        return Section("Native against its rivals", "duels", ["This run has no duels."])
    sound = strongest([d for d in found if not d.bad and not math.isnan(d.error)])
    without = (
        f" {len(sound)} of {len(strongest(found))} works have a rival without a defect in any suite (an infinity, a "
        f"NaN or a sign that is wrong, all digits lost); against the strongest of these native is: {_counts(sound)}."
    )
    again = [r["value"] for r in resolution(results)]
    itself = f" Against itself native comes out between {min(again):.2f} and {max(again):.2f}." if again else ""
    text = (
        "How many times as long a call takes as `lossbench.native` on the same work and in the same process, in turns "
        "(there and back in each block), with the interval that resampling the blocks gives. Above 1 native is faster. "
        "FAST and SLOW when the whole interval is beyond 1.10, SAME when it is within, else AMBIGUOUS. All read the "
        "same bits in contiguous arrays that stay where they are. "
        "The first three columns are native's call as anybody writes it, which checks its arguments and allocates its "
        "results; `prepared` is `prepare(...)`, which did both once and writes into the same buffers each time. The "
        "rivals allocate, as their calls do by default. Both calls of native give the same results, which is checked "
        f"each time.{itself} Against the strongest rival of each work native is: {_counts(strongest(found))}.{without}"
    )
    blocks: list[Block] = [text, table(strongest(found), "The strongest rival of each work")]
    if not full:
        return Section("Native against its rivals", "duels", blocks)
    below = [
        Section(title, f"duels-{title}", [table([d for d in found if d.title == title], title)], folded=True)
        for title in dict.fromkeys(d.title for d in found)
    ]
    return Section("Native against its rivals", "duels", blocks, below)
