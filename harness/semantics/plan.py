"""What is asked: every call of every library in its modes, and the cases that it gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product

import numpy as np

from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.adapters.adapter import Adapter, Call, Unsupported
from lossbench.harness.rows import implementation_id
from lossbench.harness.semantics import conventions, laws, special, texts
from lossbench.harness.semantics.ask import DEFAULTS, DTYPE, Ask, Case
from lossbench.harness.semantics.expressions import EXPRESSIONS

#: Groups of asks, in the order of the report.
GROUPS = ("conventions", "formulas", "special", "laws")
#: Modes that only --full asks for: a compilation each shape and dtype costs seconds.
SLOW = ("compile", "compile-max-autotune")
#: Formats of the logits. float32 is asked in every mode, the others as a library is called first (--full: everywhere).
DTYPES = (DTYPE, "float64", "bfloat16", "float16")
#: Libraries that compile each operation for each shape and format, even as they are called: a minute a format.
COMPILING = ("jax", "optax")
HALVES = ("bfloat16", "float16")


KEY = ("library", "form", "call", "options", "mode", "dtype")


@dataclass(frozen=True)
class Subject:
    """One call of a library with all encodings under which its table lists it, in one mode and format."""

    library: str
    form: str
    call: str
    options: str
    mode: str
    dtype: str
    entries: tuple[Call, ...]

    @property
    def encodings(self) -> tuple[str, ...]:
        """Every encoding that the call documents."""
        return tuple(encoding for call in self.entries for encoding in call.encodings)

    @property
    def function(self) -> str:
        """The last name of the call, by which expressions know it."""
        return self.call.partition("(")[0].rpartition(".")[2].rpartition("+")[2]

    @property
    def id(self) -> str:
        """`library:call:mode:cpu`."""
        return implementation_id(self.library, self.call, self.mode, "cpu")

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        """What a record of it says first, named by KEY."""
        return self.library, self.form, self.call, self.options, self.mode, self.dtype

    def entry(self, encoding: str) -> Call:
        """The entry of the table that takes an encoding."""
        return next(call for call in self.entries if encoding in call.encodings)


def subjects(library: str, full: bool = False, globs: Iterable[str] | None = None) -> list[Subject]:
    """Every call of a library in every mode and format that is asked, in the order of its table."""
    adapter = adapter_of(library)
    grouped: dict[tuple[str, str, str], list[Call]] = {}
    for call in adapter.calls:
        grouped.setdefault((call.form, call.name, call.options), []).append(call)
    found = []
    for (form, name, options), calls in grouped.items():
        for mode, dtype in product(modes(adapter, calls[0], full), DTYPES):
            if lacking(adapter, calls[0], mode, dtype, full):
                continue
            subject = Subject(library, form, name, options, mode, dtype, tuple(calls))
            if globs is None or any(fnmatchcase(subject.id, glob) for glob in globs):
                found.append(subject)
    return found


def modes(adapter: Adapter, call: Call, full: bool) -> list[str]:
    """Modes in which a call is asked; a class that only passes on to a function is asked as it is called."""
    known = [mode for mode in adapter.modes if mode not in call.lacks and mode != "compile-max-autotune"]
    if full:
        return known
    return known[:1] if call.tier == "full" else [mode for mode in known if mode not in SLOW]


def lacking(adapter: Adapter, call: Call, mode: str, dtype: str, full: bool) -> str:
    """Why a call is not asked in a format, "" where it is."""
    known = adapter.lacks_dtypes.get(dtype) or call.lacks.get(dtype)
    if known is not None:
        return known.reason
    if dtype in HALVES and adapter.library in COMPILING and not full:
        return "asked with --full: every operation is compiled once more for each format"
    if dtype != DTYPE and mode in SLOW:
        return f"compiled in {DTYPE} only: seconds for each shape and type of labels"
    if dtype != DTYPE and mode != adapter.modes[0] and not full:
        return f"asked in {DTYPE} and as {adapter.modes[0]}; in every mode with --full"
    return ""


def absent(library: str, full: bool) -> Iterator[tuple[str, str, str, str]]:
    """(call, mode, format, why) of what is not asked of a library."""
    adapter = adapter_of(library)
    for call in {(call.form, call.name): call for call in adapter.calls}.values():
        for mode, dtype in product(adapter.modes, DTYPES):
            why = lacking(adapter, call, mode, dtype, full)
            if mode not in modes(adapter, call, full):
                why = call.lacks[mode].reason if mode in call.lacks else "asked with --full"
            if why:
                yield call.name, mode, dtype, why


def questions(subject: Subject) -> Iterator[tuple[Ask, list[str]]]:
    """Every ask of a call, with the names of its rows where they are points."""
    form, options, encodings, dtype = subject.form, subject.options, subject.encodings, subject.dtype
    if encodings != ("-",):
        for case in conventions.cases(form, options, encodings, dtype)[0]:
            yield _ask("conventions", subject, case), []
    for case, names in special.cases(form, options, encodings, dtype):
        if len(case.x) or dtype == DTYPE:
            yield _ask("special", subject, case), names
    first = subject.mode == adapter_of(subject.library).modes[0] and dtype == DTYPE
    plain = subject.entries[0].tier != "full" and not subject.entries[0].rowwise
    for case in laws.cases(form, options, encodings, dtype):
        # threads are a matter of the function itself, and batches not one of the format
        if (first and plain) if case.tile else (dtype == DTYPE or case.name not in laws.BATCHES):
            yield _ask("laws", subject, case), []
    if first:
        for name, text in _arguments(subject):
            x, y = laws.base(form)
            case = Case("laws", name, x, laws.write(y, encodings[0]), encodings[0], None, form, options)
            yield Ask("laws", *subject.key[:-1], case, "F", text), []


def _ask(group: str, subject: Subject, case: Case) -> Ask:
    gradient = case.gradient and not isinstance(subject.entry(case.encoding).gradient, Unsupported)
    return Ask(group, *subject.key[:-1], case, "FB" if gradient else "F")


def _arguments(subject: Subject) -> Iterator[tuple[str, str]]:
    """(name, text) of the call with other reductions, and with its default arguments passed."""
    library, encoding = subject.library, subject.encodings[0]
    text = texts.text_of(library, subject.form, subject.call, subject.options, encoding)
    x, y = laws.base(subject.form)
    y = laws.write(y, encoding)
    arrays = {"x": x} if y is None else {"x": x, "y": y}
    for reduction in ("sum", "mean", "default"):
        if said := texts.reduced(library, text, reduction):
            yield reduction, texts.expression(library, said, arrays)
    if text and not texts.is_graph(library):
        yield DEFAULTS, text


def asks(library: str, full: bool = False, globs: Iterable[str] | None = None) -> list[Ask]:
    """Every ask of a library, equal shapes and dtypes of one call next to each other."""
    found = []
    chosen = subjects(library, full, globs)
    for subject in chosen:
        own = [ask for ask, _ in questions(subject)]
        found += sorted(own, key=lambda ask: (ask.work, *_signature(ask.case)))
    return found + formulas(library, chosen)


def formulas(library: str, chosen: Iterable[Subject]) -> list[Ask]:
    """The asks that are expressions with the chosen calls; what they divide by is no matter of the format."""
    mode, names = adapter_of(library).modes[0], {subject.function for subject in chosen}
    return [
        Ask(
            "formulas", library, "", text, "", mode, Case(question, text, np.zeros(0, np.float32), None, "-"), "F", text
        )
        for question, asked in EXPRESSIONS.get(library, {}).items()
        for text in asked
        if any(name in text for name in names)
    ]


def _signature(case: Case) -> tuple[object, ...]:
    return case.encoding, case.x.shape, "" if case.y is None else (case.y.dtype.name, case.y.shape).__repr__()


def everything() -> list[str]:
    """The libraries, installed or not."""
    return list(libraries())
