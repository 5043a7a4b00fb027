"""The options that change the mathematics of a loss, and how they are written in a row.

Every number is taken at its stored float64 bits, as an exact real. What an option does to the labels stands
in `targets`; here is what may be said and which form hears it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

#: How the mass of label smoothing is spread: eps/K on every class, or eps/(K-1) on every class but the label's.
SMOOTHINGS = ("K", "K-1")
OVER = ("sum", "mean")


@dataclass(frozen=True)
class Options:
    """The options of a form; the defaults change nothing.

    weight: class weights w_k >= 0, length K: L = sum_k w_k y_k (-log p_k); for independent outputs a factor
        of each output's term. Smoothing comes before the weights.
    pos_weight: c >= 0, one number or K of them: L = -(c y log g + (1 - y) log(1 - g)).
    label_smoothing: eps in [0, 1]. Classes: y' = (1 - eps) y + eps/K, or with smoothing "K-1"
        y' = (1 - eps) y + eps/(K-1) (1 - y). Binary labels: y' = (1 - eps) y + eps/2.
    ignore_index: a row with this index as its label has value 0 and gradient 0, whatever it holds.
    over: "sum" or "mean" over the output neurons of `multilabel_bce`.
    normalized: `prob_xent` of q / sum(q).
    """

    weight: tuple[float, ...] | None = None
    pos_weight: float | tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    smoothing: str = "K"
    ignore_index: int | None = None
    over: str = "sum"
    normalized: bool = False

    def __post_init__(self) -> None:
        """Check each option by itself."""
        for name in ("weight", "pos_weight"):
            numbers = getattr(self, name)
            if numbers is None:
                continue
            for number in numbers if isinstance(numbers, tuple) else (numbers,):
                if not (isinstance(number, (int, float)) and 0 <= number < math.inf):
                    raise ValueError(f"{name}: got {number!r}, wants finite numbers >= 0")
        if not 0 <= self.label_smoothing <= 1:
            raise ValueError(f"label_smoothing: got {self.label_smoothing!r}, wants a number in [0, 1]")
        if self.smoothing not in SMOOTHINGS:
            raise ValueError(f"smoothing: got {self.smoothing!r}, wants one of {', '.join(SMOOTHINGS)}")
        if self.over not in OVER:
            raise ValueError(f"over: got {self.over!r}, wants one of {', '.join(OVER)}")
        if self.ignore_index is not None and not isinstance(self.ignore_index, int):
            raise ValueError(f"ignore_index: got {self.ignore_index!r}, wants an integer")

    def named(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}

    def __str__(self) -> str:
        """The canonical string: `over=mean,pos_weight=2.0`; numbers of a list are joined by semicolons."""
        return ",".join(_written(name, value) for name, value in sorted(self.named().items()))


def _written(name: str, value: Any) -> str:
    if value is True:
        return name
    return f"{name}={';'.join(map(repr, value)) if isinstance(value, tuple) else value}"


def _read(name: str, text: str | None) -> Any:
    if name == "normalized":
        if text is not None:
            raise ValueError(f"options: normalized takes no value, got {text!r}")
        return True
    if text is None:
        raise ValueError(f"options: {name} wants a value, as in {name}=...")
    if name in ("smoothing", "over"):
        return text
    try:
        if name == "ignore_index":
            return int(text)
        numbers = tuple(float(number) for number in text.split(";"))
    except ValueError:
        raise ValueError(f"options: {name} wants numbers joined by ';', got {text!r}") from None
    return numbers if name == "weight" or len(numbers) > 1 else numbers[0]


def options_of(said: str | Mapping[str, Any] | Options, accepted: tuple[str, ...], form: str) -> Options:
    """Return the options that a canonical string or a mapping says, checked against what the form accepts."""
    if isinstance(said, Options):
        named: Mapping[str, Any] = said.named()
    elif isinstance(said, str):
        pairs = [item.partition("=") for item in said.split(",") if item]
        named = {name: (text if mark else None) for name, mark, text in pairs}
    else:
        named = {name: _frozen(value) for name, value in said.items()}
    for name in named:
        if name not in accepted:
            near = difflib.get_close_matches(name, accepted, n=1)
            hint = f", nearest is {near[0]}" if near else ""
            known = ", ".join(accepted) or "none"
            raise ValueError(f"options: got {name!r}{hint}; {form} has {known}")
    if isinstance(said, str):
        named = {name: _read(name, text) for name, text in named.items()}
    return Options(**named)


def _frozen(value: Any) -> Any:
    """Arrays and lists as tuples of floats."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(float(number) for number in value) if isinstance(value, list) else value
