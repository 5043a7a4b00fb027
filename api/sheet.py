"""The answer to a question as a person reads it: the point, the exact digits, and the libraries side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lossbench.harness.asking import PARTS, TILE, Answer, Result
from lossbench.harness.question import Claim, Question, hexadecimal
from lossbench.harness.rows import BAD, CATEGORIES
from lossbench.point import Point
from lossbench.reference import Exact, form_of
from lossbench.reference.formats import to_nearest
from lossbench.reports.notation import FAIR_ULP, GOOD_ULP, ulps

#: Components of a vector that a cell shows; of longer ones it shows the worst.
_SHOWN = 3
#: Components whose digits are printed; --json has all.
_LISTED = 16


@dataclass(frozen=True)
class Sheet:
    """What is printed. figures, rounded: the exact results by part, as digits and in the format."""

    asked: Point
    figures: dict[str, list[str]]
    rounded: dict[str, Exact]
    answers: list[Answer]
    absent: list[Claim]


def shortest(value: float, dtype: str) -> str:
    """The shortest decimal text that the format reads back as the same number."""
    for figures in range(1, 17):
        text = f"{value:.{figures}g}"
        if float(to_nearest(float(text), dtype)) == value:
            return text
    return repr(float(value))


def print_sheet(sheet: Sheet, console: Console) -> None:
    """Print the point, the exact results, a table for the value and one for the gradient, and who was not asked."""
    question = sheet.asked.question
    form = form_of(question.form)

    def say(text: str, style: str = "") -> None:
        console.print(escape(text), style=style, highlight=False)

    say(f"{form.name}: {form.summary}", "bold")
    say(_point(question))
    if sheet.asked.changes:
        say(f"rounded to {question.dtype}: " + "; ".join(sheet.asked.changes), "yellow")
    console.print(_exact(sheet))
    for part, quantity in zip(PARTS, form.quantities, strict=False):
        if sheet.answers:
            console.print(_answers(sheet.answers, part, quantity, question.dtype))
    if any(answer.flushes for answer in sheet.answers):
        say("* flushes subnormal numbers to zero, which the IEEE standard does not; a LOST may be that")
    for library, reason, calls in _grouped(sheet.absent):
        say(f"not asked: {library} {', '.join(calls)}: {reason}" if calls else f"not asked: {library}: {reason}", "dim")


def _point(question: Question) -> str:
    """The numbers that are asked, in decimal and hex."""
    form = form_of(question.form)
    lines = [f"{form.wrt} = {_row(question.x, repr)}  ({_row(question.x, hexadecimal)})"]
    if question.y is not None and question.encoding == "index":
        lines.append(f"y = {int(question.y)}  (class index)")
    elif question.y is not None:
        y = np.asarray(question.y, np.float64)
        lines.append(f"y = {_row(y, repr)}  ({_row(y, hexadecimal)}, {question.encoding})")
    options = f", options {question.options}" if question.options else ""
    return "\n".join([*lines, f"{question.dtype}{options}"])


def _row(values: npt.NDArray[np.float64], write: Callable[[float], str]) -> str:
    texts = [write(float(value)) for value in np.atleast_1d(values)]
    return f"[{', '.join(texts)}]" if values.ndim else texts[0]


def _exact(sheet: Sheet) -> Table:
    question = sheet.asked.question
    table = _table("exact")
    for title in ("to 30 digits", f"nearest {question.dtype}", "hex"):
        table.add_column(title, overflow="fold")
    for part, quantity in zip(PARTS, form_of(question.form).quantities, strict=False):
        values = np.atleast_1d(sheet.rounded[part].value)
        many = sheet.rounded[part].value.ndim > 0
        for k, value in enumerate(values.tolist()[:_LISTED]):
            name = f"{quantity}[{k}]" if many else quantity
            cells = (name, sheet.figures[part][k], shortest(value, question.dtype), hexadecimal(value))
            table.add_row(*map(escape, cells))
        if len(values) > _LISTED:
            table.add_row(f"{len(values) - _LISTED} more", "--json prints all of them", "", "")
    return table


def _table(first: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column(first, overflow="fold", min_width=9)
    return table


def _answers(answers: list[Answer], part: str, quantity: str, dtype: str) -> Table:
    """The libraries' results of one quantity, the worst first."""
    table = _table(quantity)
    table.add_column("result", overflow="fold", min_width=12)
    table.add_column("ulp", justify="right", no_wrap=True)
    table.add_column("category", no_wrap=True)

    def badness(answer: Answer) -> tuple[float, float]:
        results = [answer.alone[part], *([answer.tiled[part]] if part in answer.tiled else [])]
        return max(result.badness for result in results)

    for answer in sorted(answers, key=badness, reverse=True):
        flushes = bool(answer.flushes)
        table.add_row(escape(answer.claim.id), *_cells(answer.alone[part], dtype, flushes))
        if part in answer.tiled:
            name = f"  tiled to {TILE}: {answer.differing[part]} differ"
            table.add_row(name, *_cells(answer.tiled[part], dtype, flushes))
    return table


def _cells(result: Result, dtype: str, flushes: bool) -> tuple[str, str, str]:
    """Result, error in ulps and category of the worst component."""
    if result.got is None or result.scores is None:
        word = "RAISED" if result.status == "raised" else result.status
        return escape(result.reason), "-", f"[red]{word}[/]" if result.status != "unsupported" else word
    worst = result.scores.worst(np.zeros(result.scores.codes.size)) or 0
    code = int(result.scores.codes.reshape(-1)[worst])
    error = float(result.scores.ulps.reshape(-1)[worst])
    values = [shortest(value, result.dtype) for value in np.atleast_1d(result.got).tolist()]
    text = ", ".join(values)
    if len(values) > 1:
        text = f"[{text}]" if len(values) <= _SHOWN else f"[{worst}] {values[worst]}"
    if result.dtype != dtype:
        text += f" ({result.dtype})"
    colour = "red" if CATEGORIES[code] in BAD or error > FAIR_ULP else "green" if error <= GOOD_ULP else "yellow"
    mark = "*" if flushes else ""
    return escape(text), ulps(error), f"[{colour}]{CATEGORIES[code]}[/]{mark}"


def _grouped(absent: list[Claim]) -> list[tuple[str, str, list[str]]]:
    """(library, reason, calls) of those that were not asked; no calls where all of a library is meant."""
    groups: dict[tuple[str, str], list[str]] = {}
    for claim in absent:
        calls = groups.setdefault((claim.library, claim.absent), [])
        if claim.call != "-" and claim.call not in calls:
            calls.append(claim.call)
    return [(library, reason, calls) for (library, reason), calls in groups.items()]
