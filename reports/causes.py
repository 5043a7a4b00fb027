"""The causes by which defects are grouped, in order of rank: what ends the process or is silent before what is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossbench.harness.semantics.formulas import RULES
from lossbench.harness.semantics.verdicts import DIED, NAN, SILENT, WARNED_WRONG

Record = Mapping[str, Any]
_TYPES = ("int8", "int16", "int32", "int64", "uint8", "bool", "float")


@dataclass(frozen=True)
class Cause:
    """A cause: its name, what goes wrong, and which records of a group show it. A record counts for the first."""

    name: str
    text: str
    group: str
    shows: Callable[[Record], bool]


def _silent(*columns: str, forms: tuple[str, ...] = (), question: str = "") -> Callable[[Record], bool]:
    return lambda r: (
        r["verdict"] in (SILENT, WARNED_WRONG)
        and r["column"] in columns
        and (not forms or r["form"] in forms)
        and question in r.get("question", "")
    )


def _special(wanted: Callable[[Any, Any], bool], quantity: str) -> Callable[[Record], bool]:
    def shows(r: Record) -> bool:
        if r["verdict"] != "differs" or r["quantity"] != quantity or "got" not in r:
            return False
        return bool(wanted(np.array(r["got"], float), np.array(r["want"], float)))

    return shows


def _nan(got: Any, want: Any) -> bool:
    return bool(np.any(np.isnan(got) & ~np.isnan(want)))


def _hides_nan(got: Any, want: Any) -> bool:
    return got.shape == want.shape and bool(np.any(~np.isnan(got) & np.isnan(want)))


def _endless(got: Any, want: Any) -> bool:
    return bool(np.any(np.isinf(got) & np.isfinite(want)))


def _other(got: Any, want: Any) -> bool:
    return True


_RULES = {question.name for question in RULES}
_INDICES = ("K", "K + 5", "-100")

MODES = Cause("eager and compiled disagree", "What raises as it is called gives a number or NaN when compiled.",
              "conventions", lambda r: r["verdict"] in (SILENT, NAN))  # fmt: skip
CAUSES: tuple[Cause, ...] = (
    Cause("the process ends", "Labels of a wrong kind end the process: memory that is not the call's is read.",
          "conventions", lambda r: r["verdict"] == DIED),
    Cause("index -1 is taken", "A class -1 counts from the end, or reads what lies before the row.",
          "conventions", _silent("negative", question="-1")),
    Cause("index out of range is taken", "A class that does not exist gives a number.",
          "conventions", lambda r: _silent("out of range", "ignore_index")(r) and r.get("question") in _INDICES),
    Cause("NaN labels", "A label that is NaN gives a number.", "conventions", _silent("NaN")),
    Cause("(N,1) against (N,)", "Labels with an axis too many or too few are broadcast: a mean over all pairs.",
          "conventions", _silent("(N,1)")),
    Cause("an index against rows", "Indices where rows of labels belong are broadcast if N = K.",
          "conventions", _silent("index", "one-hot")),
    Cause("0 and 1 into a -1/+1 loss", "A label 0 makes the loss log 2 whatever the logit.",
          "conventions", _silent("{0,1}", "bool", "soft", forms=("margin_logistic",))),
    Cause("labels of another type", "The same labels in another dtype give another number.",
          "conventions", _silent(*_TYPES)),
    Cause("soft labels", "A soft label is read as something else.", "conventions", _silent("soft")),
    Cause("rows that do not sum to 1", "The value or its gradient is not that of the labels given.",
          "conventions", lambda r: _silent("row sums")(r) or _silent("ignore_index", question="zero row")(r)),
    Cause("-1 and +1 into a 0/1 loss", "The formula is extended to y = -1: losses of a wrong sign and size.",
          "conventions", _silent("{-1,+1}")),
    Cause("labels outside [0, 1]", "A label that is no probability gives a number, possibly negative.",
          "conventions", _silent("out of range", "negative")),
    Cause("the mean of nothing", "The mean of a batch of ignored rows is not 0, and one such batch spoils a sum.",
          "formulas", lambda r: r.get("agrees") is False and r["question"] == "all ignored"),
    Cause("an option at a special value", "A weight, smoothing or ignored index meets an infinity or NaN.",
          "formulas", lambda r: r.get("agrees") is False and r["question"] in _RULES),
    Cause("a mean over another count", "A reduction divides by another number than the rows.",
          "formulas", lambda r: r.get("agrees") is False),
    Cause("float64 is computed in float32", "Results for float64 inputs hold no more than 24 bits.",
          "laws", lambda r: r["verdict"] == "broken" and r["law"] == "digits"),
    Cause("NaN for a value that has a limit", "The value has a finite or infinite limit, and the result is NaN.",
          "special", _special(_nan, "value")),
    Cause("NaN in a gradient", "The gradient has a limit, and the result is NaN.", "special", _special(_nan, "grad")),
    Cause("a number for NaN", "NaN in, a number out.", "special", _special(_hides_nan, "value")),
    Cause("infinity for a finite value", "An intermediate overflows, or a term is lost under a logarithm.",
          "special", _special(_endless, "value")),
    Cause("another value at the ends", "A clamp, a flush to zero or a lost term at the ends of the format.",
          "special", _special(_other, "value")),
    Cause("another gradient at the ends", "A clamp, an overflow, a hidden NaN or a lost term in the gradient.",
          "special", _special(_other, "grad")),
    Cause("a law is broken", "Two answers that are equal on paper differ in half of their digits.",
          "laws", lambda r: r["verdict"] == "broken"),
)  # fmt: skip
