"""A point as the command line writes it: numbers in decimal and hex, lists of them, and labels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lossbench.harness.question import Question, encoding_of, hexadecimal
from lossbench.reference import FORMS, Form, form_of
from lossbench.reference.form import LOGIT, SIMPLEX, UNIT
from lossbench.reference.formats import Format, format_of
from lossbench.reference.rounding import finish, round_fraction, signed_zero

#: A number as it was written: exact, or a float for what no fraction is: an infinity, a NaN, a negative zero.
Number = Fraction | float

_SPECIAL = re.compile(r"([+-]?)(?:(inf|infinity)|(nan))", re.IGNORECASE)
_DECIMAL = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:e([+-]?\d+))?", re.IGNORECASE | re.ASCII)
_HEX = re.compile(r"([+-]?)0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p([+-]?\d+))?", re.IGNORECASE | re.ASCII)
#: Exponents beyond this are as good as this: far outside every format, and not written out.
_FAR = 20_000

#: Role of an argument -> what it is, for messages.
_ROLES = {LOGIT: "logit", UNIT: "probability in [0, 1]", SIMPLEX: "class probability in [0, 1]"}


@dataclass(frozen=True)
class Point:
    """A question, and a sentence for each number of it that the format changed."""

    question: Question
    changes: tuple[str, ...]


def number(text: str) -> Number:
    """The number that a text writes, exactly; ValueError where it writes none.

    Decimal and hexadecimal notation as in Python and C: -5, 1e-8, -0x1.8p3, inf, nan.
    """
    text = text.strip()
    if match := _SPECIAL.fullmatch(text):
        return math.nan if match[3] else math.copysign(math.inf, -1.0 if match[1] == "-" else 1.0)
    if match := _HEX.fullmatch(text):
        base, root, shift = 16, 2, 0
    elif match := _DECIMAL.fullmatch(text):
        base, root, shift = 10, 10, 0
    else:
        raise ValueError(f"got {text!r}, wants a number such as -5, 1e-8, -0x1.8p3, inf or nan")
    whole, _, rest = match[2].partition(".")
    value = Fraction(int(whole + rest, base), base ** len(rest))
    shift = max(-_FAR, min(_FAR, int(match[3] or 0)))
    value *= Fraction(root) ** shift
    if match[1] == "-":
        return -value if value else -0.0
    return value


def numbers(text: str) -> list[Number] | Number:
    """A number, or a list of them: `-5,3` or `[-5, 3]`. A list of one needs its brackets."""
    inside = text.strip()
    if listed := inside.startswith("[") or inside.endswith("]"):
        if not (inside.startswith("[") and inside.endswith("]")):
            raise ValueError(f"got {text!r}, a bracket is missing")
        inside = inside[1:-1]
    parts = inside.split(",")
    if not listed and len(parts) == 1:
        return number(inside)
    return [number(part) for part in parts]


def nearest(value: Number, fmt: Format) -> float:
    """The number of the format nearest to what was written, rounded once, ties to even."""
    if isinstance(value, float):
        return value
    m, q = round_fraction(value.numerator, value.denominator, 0, fmt)
    return finish(m, q, fmt, 0.0).value if m else signed_zero(value.numerator)


def point(form_name: str, flags: dict[str, str | None], dtype: str, options: str = "") -> Point:
    """The point that flags describe; ValueError names the argument, what it got and what it wants.

    flags: text by argument name, z, p, q and y; None where the flag was not given.
    """
    form, fmt = form_of(form_name), format_of(dtype)
    form.said(options)
    for name, text in flags.items():
        if name not in (form.wrt, "y") and text is not None:
            raise ValueError(f"--{name}: {form.name} is a function of {form.wrt}, give --{form.wrt} ({_wants(form)})")
    given = flags[form.wrt]
    if given is None:
        raise ValueError(f"--{form.wrt} is missing: {form.name} wants {_wants(form)}")
    changes: list[str] = []
    x = _rounded(form.wrt, given, fmt, changes)
    if x.ndim and not form.class_axis:
        raise ValueError(f"--{form.wrt}: got {x.size} numbers, {form.name} wants {_wants(form)}")
    if form.class_axis:
        x = x.reshape(-1)
    if form.role in (UNIT, SIMPLEX) and not np.all(np.isnan(x) | ((x >= 0) & (x <= 1))):
        raise ValueError(f"--{form.wrt}: got {given}, wants {_wants(form)}")
    y = _label(form, flags["y"], x, fmt, changes)
    try:
        encoding = encoding_of(form, y)
    except ValueError as error:
        raise ValueError(f"--{error}{_hint(form, y)}") from None
    return Point(Question(form.name, x, y, encoding, dtype, options), tuple(changes))


def _wants(form: Form) -> str:
    one = _ROLES[form.role]
    return f"a list of K numbers, each a {one}" if form.class_axis else f"one number, a {one}"


def _rounded(flag: str, text: str, fmt: Format, changes: list[str]) -> npt.NDArray[np.float64]:
    """The numbers of a flag in the format, shape () or (K,); what that changed is added to `changes`."""
    try:
        written = numbers(text)
    except ValueError as error:
        raise ValueError(f"--{flag}: {error}") from None
    many = written if isinstance(written, list) else [written]
    values = [nearest(value, fmt) for value in many]
    for k, (value, rounded) in enumerate(zip(many, values, strict=True)):
        if _changed(value, rounded):
            place = f"{flag}[{k}]" if isinstance(written, list) else flag
            asked = text.strip().strip("[]").split(",")[k].strip()
            changes.append(f"{place}: {asked} -> {rounded!r} = {hexadecimal(rounded)}")
    return np.array(values if isinstance(written, list) else values[0], np.float64)


def _changed(value: Number, rounded: float) -> bool:
    """Whether rounding shows: not where the decimal text of a float64 is its usual one (0.1 is no float64)."""
    if isinstance(value, float):
        return False
    return math.isinf(rounded) or value not in (Fraction(rounded), Fraction(repr(rounded)))


def _label(
    form: Form, text: str | None, x: npt.NDArray[np.float64], fmt: Format, changes: list[str]
) -> npt.NDArray[np.generic] | None:
    if form.encodings == ("-",):
        if text is not None:
            raise ValueError(f"--y: got {text}, {form.name} has no labels")
        return None
    size = x.size
    index = "index" in form.encodings
    wants = f"a class index in 0..{size - 1}, or a list of {size} numbers in [0, 1]" if index else (
        f"a list of {size} labels" if form.class_axis else "one label"
    )  # fmt: skip
    if text is None:
        raise ValueError(f"--y is missing: {form.name} wants {wants}")
    if index:
        try:
            written = numbers(text)
        except ValueError as error:
            raise ValueError(f"--y: {error}") from None
        if not isinstance(written, list):
            if not isinstance(written, Fraction) or written.denominator != 1 or not 0 <= written < size:
                raise ValueError(f"--y: got {text}, {form.name} wants {wants}")
            return np.asarray(int(written), np.int64)
    y = _rounded("y", text, fmt, changes)
    if not form.class_axis and y.ndim:
        raise ValueError(f"--y: got {y.size} numbers, {form.name} wants {wants}")
    if form.class_axis and y.size != size:
        raise ValueError(f"--y: got {y.size} numbers, {form.name} wants {wants}, as many as --{form.wrt} has")
    return y.reshape(x.shape)


def _hint(form: Form, y: npt.NDArray[np.generic] | None) -> str:
    """Which form takes such labels, where it is another one of the same argument."""

    def kind(some: Form) -> tuple[object, ...]:
        return some.wrt, some.class_axis, "index" in some.encodings

    for other in FORMS:
        if kind(other) == kind(form) and other is not form and y is not None:
            try:
                encoding = encoding_of(other, y)
            except ValueError:
                continue
            return f"; {other.name} takes {encoding} labels"
    return ""
