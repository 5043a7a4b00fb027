"""Verdicts on conventions and formulas: answers held against the certified value of what the labels mean."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossbench.harness.semantics.ask import DTYPE, Answer, Array, Case, precision
from lossbench.harness.semantics.formulas import QUESTIONS
from lossbench.reference import evaluate, form_of

#: What a cell may say, the best first. nan: a NaN or an infinity, which a user sees. warns: right, with a warning.
RIGHT, WARNS, RAISES, NAN, WARNED_WRONG, SILENT, DIED, NONE = (
    "right", "warns", "raises", "NaN", "warned wrong", "silently wrong", "died", "not applicable",
)  # fmt: skip
VERDICTS = (RIGHT, WARNS, RAISES, NAN, WARNED_WRONG, SILENT, DIED, NONE)


@dataclass(frozen=True)
class Verdict:
    """One cell: verdict, a sentence that explains it, by how much it is wrong (None where nothing was compared).

    quantity and values: "value" or "grad", and the whole of what came, where that is not right.
    """

    verdict: str
    text: str = ""
    amount: float | None = None
    got: float | None = None
    want: float | None = None
    quantity: str = ""
    values: Any = None


def tolerance(dtype: str, result: str = "") -> float:
    """Relative error above which fewer than half of the digits of the coarser format are right.

    float64 is held to no more than float32: what is asked here is what labels mean, not how exactly it is computed.
    """
    return float(2.0 ** -(min(precision(dtype, result), precision(DTYPE)) // 2))


@functools.cache
def _certified(key: tuple[str, str, str, str], x: str, y: str, shape: tuple[int, ...], kind: str) -> Any:
    form, dtype, quantity, options = key
    wide = np.array([float.fromhex(number) for number in x.split()]).reshape(shape)
    labels = np.array([float.fromhex(number) for number in y.split()])
    labels = labels.astype(int) if kind == "index" else labels.reshape(shape)
    what = {"value": "value", "grad": form_of(form).quantities[1]}[quantity]
    return evaluate(form_of(form), wide, labels, dtype, what, options).value


def certified(case: Case, quantity: str) -> Array:
    """Exact values of what the labels of a case mean, rounded to its format; rows without a meaning are no matter."""
    assert case.meaning is not None
    x = case.x.astype(float)
    x = x.reshape(len(x)) if x.shape == (len(x), 1) and not form_of(case.form).class_axis else x
    kind = "index" if case.meaning.dtype.kind == "i" else "same"
    hexed = [" ".join(float(number).hex() for number in array.ravel()) for array in (x, case.meaning)]
    key = (case.form, case.dtype, quantity, case.options)
    return np.asarray(_certified(key, hexed[0], hexed[1], x.shape, kind))


def convention(case: Case, answer: Answer) -> Verdict:
    """The verdict on a case of a label convention."""
    if answer.status == "raised":
        return Verdict(RAISES, answer.reason)
    if answer.status in ("died", "timeout"):
        return Verdict(DIED, answer.reason)
    if answer.status != "measured" or answer.value is None:
        return Verdict(NONE, f"{answer.status}: {answer.reason}")
    warned = "; ".join(answer.warned)
    found, shown = replace(_value(case, answer), quantity="value"), answer.value
    if found.verdict == RIGHT and case.gradient and answer.grad is not None:
        found, shown = replace(_gradient(case, answer), quantity="grad"), answer.grad
    if warned and found.verdict in (RIGHT, SILENT):
        kind = WARNS if found.verdict == RIGHT else WARNED_WRONG
        found = replace(found, verdict=kind, text=f"{warned}; {found.text}".strip("; "))
    if found.verdict in (RIGHT, WARNS):
        return replace(found, quantity="")
    return replace(found, values=shown.tolist())


def _gap(got: Array, want: Array) -> Array:
    """Errors relative to max(1, |want|); infinite where only one is a number."""
    with np.errstate(all="ignore"):
        gap = np.abs(got - want) / np.maximum(1.0, np.abs(want))
    return np.where(np.isnan(gap), np.inf, gap)


def _value(case: Case, answer: Answer) -> Verdict:
    want = certified(case, "value")
    got = answer.value
    assert got is not None
    if got.shape != want.shape and got.size == want.size:
        got = got.reshape(want.shape)  # a column of results is the results
    if got.shape != want.shape:
        means = float(np.mean(got)), float(np.mean(want))
        shape = "x".join(map(str, got.shape)) or "scalar"
        right = "x".join(map(str, want.shape))
        text = f"gives shape {shape} instead of {right}; its mean is {means[0]:.4g} instead of {means[1]:.4g}"
        return Verdict(SILENT, text, abs(means[0] - means[1]), *means)
    lost = np.zeros(want.shape[0], bool)
    lost[list(case.lost)] = True
    limit = tolerance(case.dtype, answer.dtype)
    gap = _gap(got, want)
    kept = np.where(lost, 0.0, gap)
    if kept.size and kept.max() > limit:
        if not np.isfinite(got[~lost & (gap > limit)]).any():
            return Verdict(NAN, f"gives {got[~lost & (gap > limit)][0]:.4g} for labels that mean a number")
        worst = int(np.argmax(np.where(np.isfinite(got), kept, 0.0)))
        text = f"row {worst} is {got[worst]:.4g} instead of {want[worst]:.4g}"
        return Verdict(SILENT, text, float(abs(got[worst] - want[worst])), float(got[worst]), float(want[worst]))
    if not lost.any():
        return Verdict(RIGHT)
    return _lost(case, got[lost])


def _lost(case: Case, got: Array) -> Verdict:
    """Rows whose label means nothing: NaN says so, 0 is what an ignored row is, any other number is an invention."""
    if not np.isfinite(got).any():
        if case.column == "NaN":
            return Verdict(RIGHT, "NaN in, NaN out")
        return Verdict(NAN, f"the row is {got.ravel()[0]:.4g}")
    if case.column == "ignore_index" and np.all(got == 0):
        return Verdict(RIGHT, "ignored: the row is 0")
    first = float(got[np.isfinite(got)].ravel()[0])
    return Verdict(SILENT, f"a label without a meaning gives {first:.4g}", None, first)


def _gradient(case: Case, answer: Answer) -> Verdict:
    want, got = certified(case, "grad"), answer.grad
    assert got is not None
    limit = tolerance(case.dtype, answer.dtype)
    gap = _gap(got, want)
    if got.shape == want.shape and gap.max() <= limit:
        return Verdict(RIGHT, "value and gradient")
    place = np.unravel_index(int(np.argmax(gap)), gap.shape)
    text = f"the value is right, its gradient is {got[place]:.4g} instead of {want[place]:.4g}"
    return Verdict(SILENT, text, float(abs(got[place] - want[place])), float(got[place]), float(want[place]))


@functools.cache
def _answers(question: str) -> dict[str, Array]:
    return QUESTIONS[question].answers()


def formula(question: str, answer: Answer) -> tuple[str, str]:
    """(which named formula the answer follows, "" for none; a remark)."""
    if answer.status != "measured" or answer.value is None:
        return answer.status, answer.reason
    got = answer.value
    for name, want in _answers(question).items():
        if got.shape != want.shape:
            continue
        same = (np.isnan(want) & np.isnan(got)) | (want == got)
        if np.all(same | (_gap(got, want) <= tolerance(DTYPE))):
            return name, ""
    numbers = ", ".join(f"{number:.6g}" for number in got.ravel()[:4])
    return "none of the named", f"gives {numbers}"


def stored(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON."""
    return {name: value for name, value in vars(verdict).items() if value is not None and value != ""}
