"""The plan of a run: which implementation is asked for which form, in which dtype, mode and class count.

Three tiers of one plan; what each leaves out stands in left_out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.adapters.adapter import Adapter, Call, Unsupported
from lossbench.harness.cases import BatchKey
from lossbench.harness.left_out import left_out
from lossbench.harness.rows import implementation_id
from lossbench.reference import FORMS, Form, form_of
from lossbench.reference.formats import MEASURED
from lossbench.suites import SUITES, TIERS, suite_of
from lossbench.suites.suite import CLASSES

#: Modes in which every new shape is compiled anew.
COMPILED = ("jit", "graph", "xla", "compile", "compile-max-autotune")
#: Parts of a run that can be asked for alone.
PARTS = ("accuracy", "throughput", "goals")


@dataclass(frozen=True)
class Unit:
    """One call in one mode on one device, on one batch: the smallest piece of work that is resumed."""

    library: str
    call: str
    mode: str
    device: str
    form: str
    encoding: str
    options: str
    dtype: str
    classes: int

    @property
    def id(self) -> str:
        """Stable name of the unit."""
        return "/".join(str(part) for part in asdict(self).values())

    @property
    def implementation(self) -> str:
        """`library:call:mode:device`."""
        return implementation_id(self.library, self.call, self.mode, self.device)

    @property
    def batch(self) -> BatchKey:
        """The batch that the unit runs on."""
        return BatchKey(self.form, self.encoding, self.dtype, self.classes)


@dataclass(frozen=True)
class Absence:
    """A pair that cannot be measured, with the reason; it becomes a row like any other."""

    library: str
    call: str
    mode: str
    form: str
    encoding: str
    options: str
    dtype: str
    status: str
    reason: str


@dataclass(frozen=True)
class Filters:
    """What the command line narrows a run to; None is everything.

    impl: globs of implementation ids. only: parts of the run, of PARTS.
    """

    form: tuple[str, ...] | None = None
    impl: tuple[str, ...] | None = None
    suite: tuple[str, ...] | None = None
    dtype: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None
    device: str = "cpu"

    def check(self) -> None:
        """Raise ValueError naming the argument, what it got, and the nearest valid names."""
        for name in self.form or ():
            form_of(name)
        for name in self.suite or ():
            suite_of(name)
        for name in self.dtype or ():
            if name not in MEASURED:
                raise ValueError(f"dtype: got {name!r}, nearest are {', '.join(_nearest(name, MEASURED))}")
        for name in self.only or ():
            if name not in PARTS:
                raise ValueError(f"only: got {name!r}, wants {', '.join(PARTS)}")
        ids = [implementation_id(*i) for i in implementations(self.device)]
        for glob in self.impl or ():
            if not any(fnmatchcase(i, glob) for i in ids):
                near = ", ".join(_nearest(glob, ids))
                raise ValueError(f"impl: {glob!r} matches no implementation, nearest are {near}")

    def measures(self, part: str) -> bool:
        """Whether a part of the run is asked for; the goals are a part of throughput."""
        return self.only is None or part in self.only or (part == "goals" and "throughput" in self.only)

    def wants(self, implementation: str) -> bool:
        """Whether an implementation id is asked for."""
        return self.impl is None or any(fnmatchcase(implementation, glob) for glob in self.impl)

    def suites_for(self, form: Form, encoding: str) -> list[str]:
        """Suites to draw for a form and encoding."""
        return [
            s.name for s in SUITES if s.fits(form, encoding) and (self.suite is None or s.name in self.suite)
        ]


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    names = list(known)
    near = difflib.get_close_matches(name.replace("*", ""), names, n=3, cutoff=0.3)
    return near or names[:5]


@dataclass
class Plan:
    """Units to measure, absences to report, and what the tier leaves out."""

    tier: str
    seed: int
    filters: Filters
    units: list[Unit] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def scored(self) -> list[Unit]:
        """Units whose accuracy is measured: all, or none in a run that only times."""
        return self.units if self.filters.measures("accuracy") else []

    @property
    def batches(self) -> dict[BatchKey, list[str]]:
        """Batch -> suites whose cases it holds."""
        found: dict[BatchKey, list[str]] = {}
        for unit in self.scored:
            key, form = unit.batch, form_of(unit.form)
            if key not in found:
                found[key] = [
                    name
                    for name in self.filters.suites_for(form, unit.encoding)
                    if unit.classes in suite_of(name).class_counts(form, self.tier)
                ]
        return found

    def predicted_seconds(self, cores: int = 2) -> float:
        """Predicted wall time of the accuracy part, from costs seen on one 2-core machine."""
        exact = sum(_EXACT_COST.get(key.classes, 6.0) for key in self.batches)
        return (exact + predicted_work(self.scored)) / max(1, min(2, cores))

    def to_json(self) -> dict[str, Any]:
        """What plan.json holds."""
        filters = asdict(self.filters)
        narrowed = any(filters[name] is not None for name in ("form", "impl", "suite", "dtype", "only"))
        return {
            "tier": self.tier,
            "seed": self.seed,
            "units": len(self.scored),
            "left_out": self.left_out,
            "filters": filters if narrowed else {},
        }


#: Seconds, seen once on 2 cores; they only predict. By mode, by class count, by library.
_UNIT_COST = {"jit": 0.17, "graph": 0.05, "xla": 0.25, "compile": 2.0, "compile-max-autotune": 6.0}
_EAGER_COST = {"jax": 0.4, "optax": 0.4}
_EXACT_COST = {1: 0.05, 2: 0.05, 4: 0.1, 10: 0.05, 1000: 0.6, 50_000: 60.0}
START_COST = {"torch": 4.0, "tensorflow": 10.0, "keras": 10.0, "jax": 2.0, "optax": 3.0}


def predicted_work(units: Iterable[Unit]) -> float:
    """Predicted seconds of one core that the workers need for units."""
    units = list(units)
    start = sum(START_COST.get(library, 1.0) for library in {unit.library for unit in units})
    return start + sum(_UNIT_COST.get(unit.mode, _EAGER_COST.get(unit.library, 0.02)) for unit in units)


def implementations(device: str = "cpu") -> Iterator[tuple[str, str, str, str]]:
    """Every (library, call, mode, device) there is, installed or not, each once."""
    seen = set()
    for library in libraries():
        adapter = adapter_of(library)
        for call in adapter.calls:
            for mode in adapter.modes:
                key = (library, call.name, mode, device)
                if mode not in call.lacks and key not in seen:
                    seen.add(key)
                    yield key


def _tier_dtypes(tier: str, library: str, mode: str) -> tuple[str, ...]:
    eager_jax = library in ("jax", "optax") and mode == "eager"
    if tier == "full":
        return tuple(MEASURED)
    if tier == "quick":
        return ("float32",) if eager_jax or mode in ("graph", "xla") else ("float32", "float16")
    if library == "keras" and mode == "xla":
        return ("float32",)
    return ("float32", "float64") if eager_jax or mode.startswith("compile") else tuple(MEASURED)


def _tier_modes(tier: str, adapter: Adapter) -> list[str]:
    dropped: dict[str, tuple[str, ...]] = {
        "quick": ("compile", "compile-max-autotune"),
        "default": ("compile-max-autotune",),
        "full": (),
    }
    skip = dropped[tier]
    if tier == "quick":
        skip += {"keras": ("graph", "xla"), "optax": ("eager",)}.get(adapter.library, ())
    return [mode for mode in adapter.modes if mode not in skip]


def _tier_classes(tier: str, form: Form, library: str, mode: str, suites: list[str]) -> list[int]:
    """Class counts: where every new shape costs a compilation (eager JAX compiles each operation), only two."""
    counts = {k for name in suites for k in suite_of(name).class_counts(form, tier)}
    if form.class_axis and tier != "full" and (mode in COMPILED or library in ("jax", "optax")):
        counts &= {CLASSES} if mode == "compile" else {CLASSES, 1000}
    return sorted(counts)


def make_plan(tier: str, seed: int, filters: Filters) -> Plan:
    """Lay out a run. ValueError where a filter names what does not exist."""
    if tier not in TIERS:
        raise ValueError(f"tier: got {tier!r}, wants one of {', '.join(TIERS)}")
    filters.check()
    plan = Plan(tier, seed, filters, left_out=left_out(tier, filters.measures))
    for library in libraries():
        _plan_library(plan, library, adapter_of(library))
    return plan


def _plan_library(plan: Plan, library: str, adapter: Adapter) -> None:
    wanted = [form for form in FORMS if plan.filters.form is None or form.name in plan.filters.form]
    away = adapter.installed()
    for form in wanted:
        for encoding in form.encodings:
            calls = [c for c in adapter.calls if c.form == form.name and encoding in c.encodings]
            if not calls and plan.filters.wants(implementation_id(library, "-", "-", plan.filters.device)):
                reason = missing_reason(adapter, form.name, encoding)
                plan.absences.append(Absence(library, "-", "-", form.name, encoding, "", "-", "unsupported", reason))
            for call in calls:
                for mode in _tier_modes(plan.tier, adapter):
                    _plan_call(plan, adapter, call, form, encoding, mode, away)


def missing_reason(adapter: Adapter, form: str, encoding: str) -> str:
    """Why a library has no call for a form with labels so encoded."""
    why = adapter.missing.get(f"{form}:{encoding}") or adapter.missing.get(form)
    return why.reason if why else f"{adapter.library} gives no reason"


def _plan_call(
    plan: Plan, adapter: Adapter, call: Call, form: Form, encoding: str, mode: str, away: str
) -> None:
    filters, library = plan.filters, adapter.library
    above = TIERS.index(call.tier) > TIERS.index(plan.tier)
    if above or not filters.wants(implementation_id(library, call.name, mode, filters.device)):
        return
    suites = filters.suites_for(form, encoding)
    dtypes = dict.fromkeys(filters.dtype or _tier_dtypes(plan.tier, library, mode))
    for dtype in dtypes:
        lack = call.lacks.get(mode) or call.lacks.get(dtype) or adapter.lacks_dtypes.get(dtype)
        if away or isinstance(lack, Unsupported):
            status = "unavailable" if away else "unsupported"
            reason = away or (lack.reason if lack else "")
            absence = Absence(library, call.name, mode, form.name, encoding, call.options, dtype, status, reason)
            plan.absences.append(absence)
            continue
        for classes in _tier_classes(plan.tier, form, library, mode, suites):
            key = (library, call.name, mode, filters.device, form.name, encoding, call.options, dtype, classes)
            plan.units.append(Unit(*key))


def call_of(adapter: Adapter, form: str, name: str, encoding: str, options: str) -> Call:
    """The entry of a library's table that a unit stands for."""
    for call in adapter.calls:
        if (call.form, call.name, call.options) == (form, name, options) and encoding in call.encodings:
            return call
    raise ValueError(f"{adapter.library} has no call {name!r} for {form} with {encoding} labels")


def table_entry(library: str, form: str, name: str, encoding: str) -> Call | None:
    """The entry of a library's table for a call without options, None where there is no such library or call."""
    calls = adapter_of(library).calls if library in libraries() else ()
    named = (c for c in calls if (c.form, c.name, c.options) == (form, name, "") and encoding in c.encodings)
    return next(named, None)
