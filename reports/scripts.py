"""From a record to its reproducer, with what the reproducer must print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lossbench.harness.adapters import adapter_of
from lossbench.harness.semantics import conventions, laws, special
from lossbench.harness.semantics.ask import Case
from lossbench.harness.semantics.formulas import QUESTIONS, arrays
from lossbench.harness.semantics.texts import reduced, text_of
from lossbench.harness.semantics.verdicts import DIED, certified
from lossbench.reports.reproducers import NOTHING, expression_script, pair_script, reproducer

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Script:
    """A reproducer and its claim. text: "" where there is none, and why.

    got, expected: what it prints after these words, numbers in lists, or a sentence. dtype: format whose ulps count.
    ends: the process dies of the call, as the sentence says.
    """

    text: str
    got: Any = None
    expected: Any = None
    dtype: str = "float32"
    ends: str = ""
    why: str = ""


_UNWRITTEN = "the call in this mode, or its gradient, cannot be written in ten lines"


def script(group: str, r: Record, expected: str = "") -> Script:
    """The reproducer of a record. expected: what to print instead of numbers."""
    if group == "conventions":
        return _convention(r, expected)
    written = {"special": _special_point, "formulas": _formula, "laws": _law}
    return written[group](r)


def _encodings(r: Record) -> tuple[str, ...]:
    calls = adapter_of(r["library"]).calls
    key = (r["form"], r["call"], r["options"])
    return tuple(e for call in calls if (call.form, call.name, call.options) == key for e in call.encodings)


def _convention(r: Record, sentence: str) -> Script:
    cases = conventions.cases(r["form"], r["options"], _encodings(r), r["dtype"])[0]
    case = next((c for c in cases if c.column == r["column"] and c.name == r.get("question", "")), None)
    if case is None:
        return Script("", why="it is seen from calls with arguments: see the formulas followed")
    if r["verdict"] == DIED:
        text = reproducer(r, case, f'"{NOTHING}"', dies=True)
        return Script(text, None, NOTHING, r["dtype"], r["text"], "" if text else _UNWRITTEN)
    numbers = certified(case, r["quantity"]).tolist()
    told: Any = sentence.strip('"') if sentence else NOTHING if "without a meaning" in r["text"] else numbers
    shown = f'"{told}"' if isinstance(told, str) else str(told)
    text = reproducer(r, case, shown, r["quantity"])
    return Script(text, r["values"], told, r["dtype"], "", "" if text else _UNWRITTEN)


def _special_point(r: Record) -> Script:
    for case, names in special.cases(r["form"], r["options"], _encodings(r), r["dtype"]):
        if case.encoding == r["encoding"] and r["point"] in names and "want" in r:
            i = names.index(r["point"])
            alone = replace(case, x=case.x[i : i + 1], y=None if case.y is None else case.y[i : i + 1])
            got, want = (r[name] if case.x.ndim == 1 or len(r[name]) == 1 else [r[name]] for name in ("got", "want"))
            flushed = special.PADDED if "tiny" in r["point"] else 0  # whether it is may depend on the batch
            text = reproducer(r, alone, str(want), r["quantity"], repeated=flushed)
            return Script(text, got, want, r["dtype"], "", "" if text else _UNWRITTEN)
    return Script("", why="the result has another shape than the value")


def _formula(r: Record) -> Script:
    question = QUESTIONS[r["question"]]
    want = question.answers()[question.good].tolist()
    return Script(expression_script(r["library"], r["expression"], arrays(), str(want)), r["values"], want)


#: Law -> the ask of its other side, where the two are one call at two inputs.
_SIDES = {
    "shift": "shifted",
    "permutation": "permuted",
    "mask": "masked",
    "mirror": "mirrored",
    "index = one-hot": "as onehot",
    "one-hot = soft": "as soft",
}


def _law(r: Record) -> Script:
    cases = {case.name: case for case in laws.cases(r["form"], r["options"], _encodings(r), r["dtype"])}
    base, row = cases["base"], r.get("row", 0)
    if r["law"] in _SIDES and r["mode"] == adapter_of(r["library"]).modes[0]:
        other = cases[_SIDES[r["law"]]]
        return _pair(r, (_text(r, other), _row(other, row)), (_text(r, base), _row(base, row)), 1)
    if r["law"] == "two classes":
        two = _row(cases["two classes"], row)
        call = next(c for c in adapter_of(r["library"]).calls if c.form == "sigmoid_bce")
        single = next(c for c in laws.cases("sigmoid_bce", "", call.encodings, r["dtype"]) if c.name == "base")
        return _pair(r, (_text(r, two), two), (text_of(r["library"], "sigmoid_bce", call.name), _row(single, row)), 0)
    if r["law"] == "gradient sum":
        alone = _row(base, row)
        text = reproducer(r, alone, str([0.0]), "grad", summed=True)
        return Script(text, [r["values"][0] - r["values"][1]], [0.0], r["dtype"], "", "" if text else _UNWRITTEN)
    if r["law"] == "digits":
        want = special.exact(replace(base, meaning=base.y), "value").value.tolist()
        return Script(
            text := reproducer(r, base, str(want)), r["values"], want, r["dtype"], "", "" if text else _UNWRITTEN
        )
    if r["law"] in ("none to sum", "none to mean"):
        kind = r["law"].removeprefix("none to ")
        plain = _text(r, base)
        return _pair(r, (reduced(r["library"], plain, kind), base), (f"({plain}).{kind}()", base), 1)
    return Script("", why=f"the law '{r['law']}' needs two modes, two batches or two processes")


def _text(r: Record, case: Case) -> str:
    return text_of(r["library"], r["form"], r["call"], r["options"], case.encoding)


def _row(case: Case, row: int) -> Case:
    return replace(case, x=case.x[row : row + 1], y=None if case.y is None else case.y[row : row + 1])


def _pair(r: Record, got: tuple[str, Case], expected: tuple[str, Case], first: int) -> Script:
    """first: which of the two values of the record is the one that comes."""
    text = pair_script(r["library"], (got, expected))
    claimed = [r["values"][first], r["values"][1 - first]]
    if "row" in r:
        claimed = [[value] for value in claimed]
    return Script(text, claimed[0], claimed[1], r["dtype"], "", "" if text else _UNWRITTEN)
