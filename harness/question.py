"""A question: one point of a form. Which implementations claim to answer it, and the command that asks it again."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.adapters.adapter import Adapter, Call
from lossbench.harness.plan import COMPILED, missing_reason
from lossbench.harness.rows import implementation_id
from lossbench.reference import Form, form_of
from lossbench.reference.form import ENCODINGS

Array = npt.NDArray[Any]

#: Encoding of the label that was asked -> the encodings that can write the same label, the nearest first.
_WRITINGS = {
    "index": ("index", "onehot", "soft"),
    "onehot": ("onehot", "soft", "index"),
    "binary": ("binary", "soft"),
    "soft": ("soft",),
    "signed": ("signed",),
    "-": ("-",),
}


@dataclass(frozen=True)
class Question:
    """One case of a form.

    x: number of the format `dtype`, shape (), or (K,) for a form with a class axis. y: its label in `encoding`,
    shape () or (K,), an integer for an index; None for a building block.
    """

    form: str
    x: npt.NDArray[np.float64]
    y: Array | None
    encoding: str
    dtype: str
    options: str = ""

    @property
    def classes(self) -> int:
        """Numbers in the case: K with a class axis, else 1."""
        return int(self.x.size)

    def label(self, encoding: str) -> Array | None:
        """The same label in another encoding of the form."""
        if self.y is None or encoding == self.encoding or "index" not in (encoding, self.encoding):
            return self.y
        if encoding == "index":
            return np.asarray(np.argmax(self.y), np.int64)
        row = np.zeros(self.classes)
        row[int(self.y)] = 1.0
        return row


@dataclass(frozen=True)
class Claim:
    """An implementation that claims to compute the form at the point, or why it cannot be asked.

    encoding: how its label is written. rowwise: the call only returns a mean, so it cannot be asked for more
    than one case at a time. absent: the reason, "" when it can be asked.
    """

    library: str
    call: str
    mode: str
    device: str
    encoding: str
    rowwise: bool = False
    absent: str = ""

    @property
    def id(self) -> str:
        """`library:call:mode:device`."""
        return implementation_id(self.library, self.call, self.mode, self.device)


def encoding_of(form: Form, y: Array | None) -> str:
    """The encoding in which a label is written, the narrowest that it fits; ValueError where it fits none.

    y: shape () or (K,), or a () integer for a class index; None for no label.
    """
    if y is None:
        return "-"
    if form.class_axis and y.ndim == 0:
        fits = ["index"] if y.dtype.kind in "iu" else []
    else:
        wide = np.asarray(y, np.float64)
        zero_one = bool(np.all((wide == 0) | (wide == 1)))
        fits = ["onehot"] if zero_one and wide.sum() == 1 else []
        fits += ["binary"] if zero_one else []
        fits += ["signed"] if np.all(np.abs(wide) == 1) else []
        fits += ["soft"] if np.all(np.isnan(wide) | ((wide >= 0) & (wide <= 1))) else []
    for encoding in fits:
        if encoding in form.encodings:
            return encoding
    known = "; ".join(f"{ENCODINGS[encoding]} ({encoding})" for encoding in form.encodings)
    raise ValueError(f"y: got {y.tolist()!r}, {form.name} takes {known}")


def claims(question: Question, globs: Iterable[str] | None = None, device: str = "cpu") -> list[Claim]:
    """Every implementation that claims the question's form, in the order of the libraries, absences included.

    globs: ids to be asked, in any mode; None is every call in the modes that compile nothing, without the classes and
    aliases that only pass on to a call of another name. ValueError names the nearest implementations of the form
    where a glob matches none of them.
    """
    found = list(_claims(question, device))
    if globs is None:
        return [claim for claim in found if claim.mode not in COMPILED and not _passes_on(claim, question.form)]
    globs = list(globs)
    for glob in globs:
        if not any(fnmatchcase(claim.id, glob) for claim in found):
            ids = [claim.id for claim in found if claim.call != "-"]
            near = difflib.get_close_matches(glob.replace("*", ""), ids, n=3, cutoff=0.3) or ids[:5]
            raise ValueError(
                f"impl: {glob!r} matches no implementation of {question.form}, nearest are {', '.join(near)}"
            )
    return [claim for claim in found if any(fnmatchcase(claim.id, glob) for glob in globs)]


def _passes_on(claim: Claim, form: str) -> bool:
    """Whether the tables measure the call in the full tier only, because another name is the same."""
    calls = [c for c in adapter_of(claim.library).calls if (c.form, c.name) == (form, claim.call)]
    return bool(calls) and all(call.tier == "full" for call in calls)


def _claims(question: Question, device: str) -> Iterator[Claim]:
    for library in libraries():
        adapter = adapter_of(library)
        away = adapter.installed()
        mine = [call for call in adapter.calls if call.form == question.form]
        if not mine:
            reason = missing_reason(adapter, question.form, question.encoding)
            yield Claim(library, "-", "-", device, question.encoding, absent=reason)
        for name in dict.fromkeys(call.name for call in mine):
            for mode in adapter.modes:
                claim = _claim(question, adapter, [call for call in mine if call.name == name], mode, device)
                yield replace(claim, absent=away) if away else claim


def _claim(question: Question, adapter: Adapter, calls: list[Call], mode: str, device: str) -> Claim:
    """The claim of a public name, which may stand in several lines of the library's table."""

    def claim(encoding: str, rowwise: bool = False, absent: str = "") -> Claim:
        return Claim(adapter.library, calls[0].name, mode, device, encoding, rowwise, absent)

    alike = [call for call in calls if call.options == question.options]
    if not alike:
        others = ", ".join(dict.fromkeys(repr(call.options) for call in calls))
        return claim(question.encoding, absent=f"claims options {others}, not {question.options!r}")
    writings = _WRITINGS[question.encoding]
    able = [(writing, call) for writing in writings for call in alike if writing in call.encodings]
    if not able:
        known = ", ".join(dict.fromkeys(encoding for call in alike for encoding in call.encodings))
        return claim(question.encoding, absent=f"takes {known} labels, not {question.encoding}")
    writing, call = able[0]
    lack = call.lacks.get(mode) or call.lacks.get(question.dtype) or adapter.lacks_dtypes.get(question.dtype)
    return claim(writing, call.rowwise, lack.reason if lack else "")


def hexadecimal(value: float) -> str:
    """A float as the shortest hexadecimal text that stands for the same number: -0x1.8p+3, inf, nan."""
    return re.sub(r"\.?0*p", "p", float(value).hex())


def replay(
    form: str, x: npt.ArrayLike, y: npt.ArrayLike | None, dtype: str, options: str = "", impl: str | None = None
) -> str:
    """The command line that asks a point again, for a POSIX shell; numbers in hex, so that no bit is lost.

    x, y: as in `Question`. impl: an implementation id, or a glob; None leaves the flag out.
    """
    wrt = form_of(form).wrt
    words = ["lossbench", "explain", form, f"--{wrt}={_text(np.asarray(x))}"]
    if y is not None:
        words.append(f"--y={_text(np.asarray(y))}")
    words += ["--dtype", dtype]
    words += ["--options", options] if options else []
    words += ["--impl", impl] if impl is not None else []
    return shlex.join(words)


def _text(values: Array) -> str:
    numbers = [str(v) if isinstance(v, int) else hexadecimal(v) for v in np.atleast_1d(values).tolist()]
    # a list of one is told from a number by its brackets
    return f"[{numbers[0]}]" if values.shape == (1,) else ",".join(numbers)
