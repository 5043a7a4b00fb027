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

#: Characters of a vector that a cell shows; of a longer one it shows the worst component.
_SHOWN = 24
#: Columns from which on value and gradient share a table.
_WIDE = 110
#: What is left out behind the name of an implementation.
USUAL = ":eager:cpu"
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
        short = float(f"{value:.{figures}g}")
        if float(to_nearest(short, dtype)) == value:
            return repr(short).removesuffix(".0")
    return repr(float(value)).removesuffix(".0")


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
    console.print(_exact(sheet, console.width))
    say("certified: " + "; ".join(f"{part} by {certificates(sheet.rounded[part])}" for part in PARTS), "dim")
    if sheet.answers:
        together = console.width >= _WIDE
        for parts in [PARTS] if together else [(part,) for part in PARTS]:
            console.print(_answers(sheet, parts))
        say("eager mode on the CPU where no mode stands behind the name", "dim")
    if any(answer.flushes for answer in sheet.answers):
        say("* the library flushes subnormal numbers to zero, as a probe showed; with that allowed the zero is right")
    for library, reason, calls in _grouped(sheet.absent):
        say(f"not asked: {library} {', '.join(calls)}: {reason}" if calls else f"not asked: {library}: {reason}", "dim")


def certificates(exact: Exact) -> str:
    """How the components of an exact result were decided, each way once."""
    ways = (str(exact.certificate(*place)) for place in np.ndindex(exact.value.shape))
    return " and ".join(dict.fromkeys(ways))


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


def _exact(sheet: Sheet, width: int) -> Table:
    """The exact results: digits, the nearest number of the format, and its hex, below it where it does not fit."""
    question = sheet.asked.question
    rows = []
    for part, quantity in zip(PARTS, form_of(question.form).quantities, strict=False):
        value = sheet.rounded[part].value
        for k, number in enumerate(np.atleast_1d(value).tolist()):
            name = f"{quantity}[{k}]" if value.ndim else quantity
            row = (escape(name), sheet.figures[part][k], shortest(number, question.dtype), hexadecimal(number))
            if k < _LISTED:
                rows.append(row)
        if value.size > _LISTED:
            rows.append((f"{value.size - _LISTED} more", "--json prints all of them", "", ""))
    columns = list(zip(*rows, strict=True))
    fits = sum(max(map(len, column)) + 2 for column in columns) <= width
    table = _table("exact")
    for title in ("to 30 digits", question.dtype, "hex") if fits else ("to 30 digits", f"{question.dtype}, hex"):
        table.add_column(title, overflow="fold")
    for name, text, decimal, bits in rows:
        table.add_row(name, text, *((decimal, bits) if fits else (f"{decimal}\n{bits}".strip(),)))
    return table


def _table(first: str) -> Table:
    """An empty table without frame whose first column has a title."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, show_edge=False)
    table.add_column(first, overflow="fold", min_width=9)
    return table


def _answers(sheet: Sheet, parts: tuple[str, ...]) -> Table:
    """The libraries' results of some parts side by side, the worst first."""
    question = sheet.asked.question
    table = _table("")
    for part, quantity in zip(PARTS, form_of(question.form).quantities, strict=False):
        if part in parts:
            table.add_column(quantity, overflow="fold", min_width=12)
            table.add_column("ulp", justify="right", no_wrap=True)
            table.add_column("category", no_wrap=True)

    def badness(answer: Answer) -> tuple[float, float]:
        return max(told[part].badness for told in (answer.alone, answer.tiled) for part in parts if part in told)

    for answer in sorted(sheet.answers, key=badness, reverse=True):
        flushes = bool(answer.flushes)

        def cells(told: dict[str, Result], flushes: bool = flushes) -> list[str]:
            empty = ("", "", "")
            return [
                cell
                for part in parts
                for cell in (_cells(told[part], question.dtype, flushes) if part in told else empty)
            ]

        table.add_row(escape(answer.claim.id.removesuffix(USUAL)), *cells(answer.alone))
        if differing := [answer.differing[part] for part in parts if part in answer.tiled]:
            table.add_row(f"  tiled to {TILE}: {max(differing)} differ", *cells(answer.tiled))
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
        text = f"[{text}]" if len(text) < _SHOWN else f"[{worst}] {values[worst]}"
    if result.dtype != dtype:
        text += f" ({result.dtype})"
    colour = "red" if CATEGORIES[code] in BAD or error > FAIR_ULP else "green" if error <= GOOD_ULP else "yellow"
    mark = "*" if flushes and CATEGORIES[code] == "LOST" else ""
    return escape(text), ulps(error), f"[{colour}]{CATEGORIES[code]}[/]{mark}"


def _grouped(absent: list[Claim]) -> list[tuple[str, str, list[str]]]:
    """(library, reason, calls) of those that were not asked; no calls where all of a library is meant."""
    groups: dict[tuple[str, str], list[str]] = {}
    for claim in absent:
        calls = groups.setdefault((claim.library, claim.absent), [])
        if claim.call != "-" and claim.call not in calls:
            calls.append(claim.call)
    return [(library, reason, calls) for (library, reason), calls in groups.items()]
