"""What is asked: every call of every library in its modes, and the cases that it gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.adapters.adapter import Adapter, Call, Unsupported
from lossbench.harness.rows import implementation_id
from lossbench.harness.semantics import conventions, laws, special
from lossbench.harness.semantics.ask import Ask, Case
from lossbench.harness.semantics.expressions import EXPRESSIONS

#: Groups of asks, in the order of the report.
GROUPS = ("conventions", "formulas", "special", "laws")
#: Modes that only --full asks for: a compilation each shape and dtype costs seconds.
SLOW = ("compile", "compile-max-autotune")


@dataclass(frozen=True)
class Subject:
    """One call of a library with all encodings under which its table lists it, in one mode."""

    library: str
    form: str
    call: str
    options: str
    mode: str
    entries: tuple[Call, ...]

    @property
    def encodings(self) -> tuple[str, ...]:
        """Every encoding that the call documents."""
        return tuple(encoding for call in self.entries for encoding in call.encodings)

    @property
    def id(self) -> str:
        """`library:call:mode:cpu`."""
        return implementation_id(self.library, self.call, self.mode, "cpu")

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What a record of it says first."""
        return self.library, self.form, self.call, self.options, self.mode

    def entry(self, encoding: str) -> Call:
        """The entry of the table that takes an encoding."""
        return next(call for call in self.entries if encoding in call.encodings)


def subjects(library: str, full: bool = False, globs: Iterable[str] | None = None) -> list[Subject]:
    """Every call of a library in every mode that is asked, in the order of its table."""
    adapter = adapter_of(library)
    grouped: dict[tuple[str, str, str], list[Call]] = {}
    for call in adapter.calls:
        grouped.setdefault((call.form, call.name, call.options), []).append(call)
    found = []
    for (form, name, options), calls in grouped.items():
        for mode in modes(adapter, calls[0], full):
            subject = Subject(library, form, name, options, mode, tuple(calls))
            if globs is None or any(fnmatchcase(subject.id, glob) for glob in globs):
                found.append(subject)
    return found


def modes(adapter: Adapter, call: Call, full: bool) -> list[str]:
    """Modes in which a call is asked; a class that only passes on to a function is asked as it is called."""
    known = [mode for mode in adapter.modes if mode not in call.lacks and mode != "compile-max-autotune"]
    if full:
        return known
    return known[:1] if call.tier == "full" else [mode for mode in known if mode not in SLOW]


def questions(subject: Subject) -> Iterator[tuple[str, Case, list[str]]]:
    """(group, case, names of its rows) of every case that a call gets."""
    form, options, encodings = subject.form, subject.options, subject.encodings
    if encodings != ("-",):
        for case in conventions.cases(form, options, encodings)[0]:
            yield "conventions", case, []
    for case, names in special.cases(form, options, encodings):
        yield "special", case, names
    first = subject.mode == adapter_of(subject.library).modes[0]
    plain = subject.entries[0].tier != "full" and not subject.entries[0].rowwise
    for case in laws.cases(form, options, encodings):
        if not case.tile or (first and plain):  # threads are a matter of the function itself
            yield "laws", case, []


def asks(library: str, full: bool = False, globs: Iterable[str] | None = None) -> list[Ask]:
    """Every ask of a library, equal shapes and dtypes of one call next to each other."""
    found = []
    chosen = subjects(library, full, globs)
    for subject in chosen:
        own = []
        for group, case, _ in questions(subject):
            gradient = case.gradient and not isinstance(subject.entry(case.encoding).gradient, Unsupported)
            own.append(Ask(group, *subject.key, case, "FB" if gradient else "F"))
        found += sorted(own, key=lambda ask: (ask.work, *_signature(ask.case)))
    if chosen and globs is None:
        for question, texts in EXPRESSIONS.get(library, {}).items():
            for text in texts:
                case = Case(question, text, np.zeros(0, np.float32), None, "-")
                mode = adapter_of(library).modes[0]
                found.append(Ask("formulas", library, "", text, "", mode, case, expression=text))
    return found


def _signature(case: Case) -> tuple[object, ...]:
    return case.encoding, case.x.shape, "" if case.y is None else (case.y.dtype.name, case.y.shape).__repr__()


def everything() -> list[str]:
    """The libraries, installed or not."""
    return list(libraries())
