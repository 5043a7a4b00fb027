"""`lossbench explain`: one point, its exact value to 30 digits, and what every library makes of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from lossbench.harness.asking import PARTS, Answer, Result, ask
from lossbench.harness.question import Claim, Question, claims, hexadecimal
from lossbench.harness.rows import CATEGORIES
from lossbench.point import Point, point
from lossbench.reference import Exact, exact, form_of
from lossbench.reference.digits import digits
from lossbench.sheet import Sheet, certificates, print_sheet

#: Stands for a number that is too large for float64 in JSON, which has no infinity.
_LARGEST = float(np.finfo(np.float64).max)


def main(arguments: argparse.Namespace) -> int:
    """Answer a question in tables, or as JSON; returns 0. ValueError for what cannot be asked."""
    flags = {name: getattr(arguments, name) for name in ("z", "p", "q", "y")}
    asked = point(arguments.form, flags, arguments.dtype, arguments.options)
    globs = arguments.impl and [part for value in arguments.impl for part in value.split(",")]
    found = _claims(asked.question, globs)
    figures, rounded = _exact(asked.question)
    answers = _ask(asked.question, found, rounded)
    absent = [claim for claim in found if claim.absent] + [
        _gone(answer) for answer in answers if answer.alone["value"].status == "unavailable"
    ]
    answers = [answer for answer in answers if answer.alone["value"].status != "unavailable"]
    if arguments.json:
        print(json.dumps(_document(asked, figures, rounded, answers, absent), indent=1, allow_nan=False))
    else:
        print_sheet(Sheet(asked, figures, rounded, answers, absent), Console())
    return 0


def _claims(question: Question, globs: list[str] | None) -> list[Claim]:
    if globs and "none" in globs:
        if len(globs) > 1:
            raise ValueError(f"impl: none asks no library and cannot stand beside {', '.join(set(globs) - {'none'})}")
        return []
    return claims(question, globs)


def _exact(question: Question) -> tuple[dict[str, list[str]], dict[str, Exact]]:
    """The value and the gradient: to 30 digits, and correctly rounded to the format."""
    form = form_of(question.form)
    figures, rounded = {}, {}
    for part, quantity in zip(PARTS, form.quantities, strict=False):
        figures[part] = digits(form, question.x, question.y, question.dtype, quantity, question.options)
        rounded[part] = exact(
            form, question.x, question.y, dtype=question.dtype, quantity=quantity, options=question.options
        )
    return figures, rounded


def _ask(question: Question, found: list[Claim], rounded: dict[str, Exact]) -> list[Answer]:
    """Ask the libraries; on a terminal it says on standard error which ones it still waits for."""
    waiting = list(dict.fromkeys(claim.library for claim in found if not claim.absent))
    if not waiting:
        return []
    console = Console(stderr=True)
    with console.status(f"asking {', '.join(waiting)}") as status:

        def listening(library: str) -> None:
            waiting.remove(library)
            status.update(f"asking {', '.join(waiting)}")

        return ask(question, found, rounded, listening)


def _gone(answer: Answer) -> Claim:
    """The claim of a library that turned out not to be usable."""
    claim = answer.claim
    return Claim(
        claim.library, claim.call, claim.mode, claim.device, claim.encoding, absent=answer.alone["value"].reason
    )


# -- JSON


def _document(
    asked: Point,
    figures: dict[str, list[str]],
    rounded: dict[str, Exact],
    answers: Iterable[Answer],
    absent: Iterable[Claim],
) -> dict[str, Any]:
    """The answer as JSON has it.

    A float is {"repr", "hex"}, a vector a list; what there is none of is null. Errors are numbers, those beyond
    float64 its largest one. `exact` holds decimal strings, `rounded` the same in the format of the inputs.
    """
    question = asked.question
    inputs: dict[str, Any] = {form_of(question.form).wrt: _floats(question.x)}
    if question.y is not None:
        inputs["y"] = question.y.item() if question.encoding == "index" else _floats(question.y)
    return {
        "form": question.form,
        "inputs": inputs,
        "dtype": question.dtype,
        "options": question.options,
        "encoding": question.encoding,
        "changed": list(asked.changes),
        "exact": {part: _shaped(figures[part], rounded[part].value) for part in PARTS},
        "certificates": {part: certificates(rounded[part]) for part in PARTS},
        "rounded": {part: _floats(rounded[part].value) for part in PARTS},
        "implementations": [
            {
                "id": answer.claim.id,
                **_results(answer.alone),
                "tiled": {**_results(answer.tiled), "differing": answer.differing} if answer.tiled else None,
                "encoding": answer.claim.encoding,
                "flushes": answer.flushes,
            }
            for answer in answers
        ],
        "absent": [{"id": claim.id, "reason": claim.absent} for claim in absent],
    }


def _results(results: dict[str, Result]) -> dict[str, Any]:
    """Value, gradient, errors, categories, formats and reasons; null for a part that is not there."""
    found = {part: results.get(part) for part in PARTS}
    return {
        **{part: None if r is None or r.got is None else _floats(r.got) for part, r in found.items()},
        "ulp": {part: _each(r, lambda r: r.scores.ulps, _error) for part, r in found.items()},
        "category": {part: _category(r) for part, r in found.items()},
        "dtype": {part: r.dtype or None if r else None for part, r in found.items()},
        "status": {part: r.status if r else None for part, r in found.items()},
        "reason": {part: r.reason if r else "" for part, r in found.items()},
    }


def _each(result: Result | None, array: Any, write: Any) -> Any:
    """What there is for each component: a list, or one for a scalar; null without a result."""
    if result is None or result.scores is None:
        return None
    values = np.asarray(array(result))
    return write(values.item()) if values.ndim == 0 else [write(value) for value in values.tolist()]


def _category(result: Result | None) -> Any:
    if result is not None and result.status == "raised":
        return "RAISED"
    return _each(result, lambda r: r.scores.codes, lambda code: CATEGORIES[code])


def _error(ulps: float) -> float | None:
    return None if np.isnan(ulps) else min(ulps, _LARGEST)


def _floats(values: npt.NDArray[Any]) -> Any:
    """Floats as {"repr", "hex"}: a list of them, or one for a scalar."""
    if values.ndim == 0:
        return {"repr": repr(float(values)), "hex": hexadecimal(float(values))}
    return [_floats(value) for value in values]


def _shaped(texts: list[str], like: npt.NDArray[Any]) -> list[str] | str:
    return texts[0] if like.ndim == 0 else texts
