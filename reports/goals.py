"""The goals of `lossbench.native`, held against the duels of a run: met, missed, open or not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lossbench.harness.plan import COMPILED, table_entry
from lossbench.reports.blocks import Block, Bullets, Cell, Section, Table
from lossbench.reports.duels import NATIVE, Duel, Ratio, duels
from lossbench.reports.notation import form_rank
from lossbench.reports.results import Results
from lossbench.suites.goals import FLOAT64, GOALS, RIVALS, Goal

MET, OPEN, MISSED, UNKNOWN = "met", "open", "missed", "not measured"
_TONES = {MET: "good", OPEN: "fair", MISSED: "bad", UNKNOWN: "none"}
_FRAMEWORKS = ("torch", "jax", "optax", "tensorflow", "keras")


@dataclass(frozen=True)
class Outcome:
    """One goal on one work. strongest: the rival that came closest, None where there is none, with the reason."""

    goal: Goal
    form: str
    encoding: str
    shape: str
    strongest: Duel | None
    reason: str = ""

    @property
    def ratio(self) -> Ratio | None:
        """The rival's time over that of native's call that the goal is about."""
        if self.strongest is None:
            return None
        return self.strongest.prepared if self.goal.prepared else self.strongest.checked

    @property
    def verdict(self) -> str:
        """Met or missed when the whole interval says so, open when the goal is inside."""
        ratio = self.ratio
        if ratio is None:
            return UNKNOWN
        return MET if ratio.low >= self.goal.ratio else MISSED if ratio.high < self.goal.ratio else OPEN

    @property
    def work(self) -> str:
        """What was to be computed, in words."""
        labels = "" if self.encoding == "-" else f" {self.encoding}"
        return f"{self.form}{labels} {self.goal.work} {self.goal.dtype} {self.shape}"


def kinds(duel: Duel) -> set[str]:
    """The kinds of rivals, of suites.goals.RIVALS, that one belongs to."""
    found = {"any"}
    # a session of ONNX Runtime is a graph that was optimised once
    if duel.mode in COMPILED or duel.library == "onnxruntime":
        found.add("compiler")
    elif duel.library in _FRAMEWORKS:
        found.add("eager")
    elif duel.library in ("numpy", "scipy"):
        found.add("numpy")
    entry = table_entry(duel.library, duel.title, duel.call, duel.encoding)
    if entry is not None and entry.gradient == "autodiff":
        found.add("autograd")
    return found


def outcomes(results: Results) -> list[Outcome]:
    """Every goal of the forms at which this run timed a rival, in the order of the goals, float64 last."""
    fought = duels(results)
    forms = {(row["form"], row["encoding"]) for row in results.throughput if row["shape"] and row["library"] != NATIVE}
    by_work: dict[tuple[str, ...], list[Duel]] = {}
    for duel in fought:
        by_work.setdefault(duel.work, []).append(duel)
    found = []
    for goal in GOALS:
        for (form, encoding), shape in goal.works():
            if (form, encoding) in forms:
                size = "x".join(map(str, shape))
                there = by_work.get((form, encoding, goal.work, goal.dtype, size), [])
                found.append(_outcome(goal, form, encoding, size, there))
    for work in sorted({duel.work for duel in fought if duel.dtype == "float64"}, key=lambda w: (form_rank(w[0]), w)):
        goal = Goal("float64", (work[:2],), (), work[2], "any", FLOAT64, dtype="float64")
        found.append(_outcome(goal, *work[:2], work[4], by_work[work]))
    return found


def _outcome(goal: Goal, form: str, encoding: str, shape: str, there: Sequence[Duel]) -> Outcome:
    rivals = [d for d in there if goal.rivals in kinds(d) and (d.prepared or not goal.prepared)]
    if not rivals:
        why = "no rival of this kind duelled" if there else "this run did not time it"
        return Outcome(goal, form, encoding, shape, None, why)

    def ratio(duel: Duel) -> float:
        asked = duel.prepared if goal.prepared else duel.checked
        assert asked is not None
        return asked.value

    return Outcome(goal, form, encoding, shape, min(rivals, key=ratio))


def counts(found: Sequence[Outcome]) -> str:
    """How many goals came out how, in words."""
    verdicts = [o.verdict for o in found]
    return ", ".join(f"{verdicts.count(name)} {name}" for name in _TONES)


def table(found: Sequence[Outcome], title: str) -> Table:
    """One line an outcome."""
    rows = []
    for o in found:
        ratio = o.ratio
        measured = (Cell("-", sort=-1.0), Cell("-", sort=-1.0))
        if ratio is not None:
            spread = Cell(f"{ratio.low:.3g}-{ratio.high:.3g}", sort=ratio.low)
            measured = (Cell(f"{ratio.value:.3g}", sort=ratio.value), spread)
        rows.append(
            (
                Cell(o.work),
                Cell(o.goal.rivals + (", prepared" if o.goal.prepared else "")),
                Cell(f"{o.goal.ratio:g}", sort=o.goal.ratio),
                *measured,
                Cell(o.verdict, tone=_TONES[o.verdict]),
                Cell(o.strongest.rival, code=True) if o.strongest else Cell(o.reason),
            )
        )
    return Table(title, ("work", "against", ">goal", ">measured", ">95 %", "goal is", "set by"), tuple(rows))


def section(results: Results) -> Section:
    """The goals by regime, the missed ones too."""
    found = outcomes(results)
    if not found:
        return Section("Goals", "goals", ["This run timed no form that has goals."])
    text = (
        "What `lossbench.native` wants to reach, as the time of the strongest rival of a kind over its own, in the "
        "duels of this run. Met: the whole 95 % interval is at the goal or above; missed: below it; open: the goal is "
        f"inside. {counts(found)}. A cell that is not measured here is timed by `lossbench run --only goals`, "
        "with `--full` by every call of every library."
    )
    who = Bullets(tuple(f"{name}: {meaning}" for name, meaning in RIVALS.items()))
    tables: list[Block] = [
        table([o for o in found if o.goal.regime == regime], regime)
        for regime in dict.fromkeys(o.goal.regime for o in found)
    ]
    return Section("Goals", "goals", [text, who, *tables])
