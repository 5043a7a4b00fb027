"""Special values: every point of the reference's contract, and the ends of the format, asked of each call.

The exact value and gradient at each point are the reference's own; the contract says why they are so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lossbench.harness.metrics import errors_in_ulps
from lossbench.harness.semantics.ask import DTYPE, Answer, Array, Case, precision
from lossbench.reference import Exact, evaluate, form_of
from lossbench.reference.contract import CONTRACT
from lossbench.reference.formats import FORMATS, Format

#: Errors in ulps that still say the same: not half of the digits are lost, and never more than 12 bits.
SAME_BITS = 12
#: Rows of a batch of points, whatever their number: one shape for all calls, so that compilations are shared.
PADDED = 64
#: Beyond the threshold of 20 at which a softplus may turn linear.
BRANCH = 20.5
#: Ends of a format by the names that points have, as functions of the format.
ENDS: dict[str, Callable[[Format], float]] = {
    "max": lambda f: f.maxfinite,
    "tiny": lambda f: f.subnormal,
    "1-eps": lambda f: 1.0 - 2.0**-f.precision,
}


def same_ulps(dtype: str, result: str = "") -> float:
    """Error in ulps of a format up to which a result, itself perhaps of a coarser format, says the same."""
    bits = precision(dtype, result)
    return 2.0 ** (min(SAME_BITS, bits // 2) + FORMATS[dtype].precision - bits)


def _ends(form: str, dtype: str) -> list[tuple[Any, Any]]:
    """Points at the ends of a format, and where losses overflow, lose their tail or change their branch."""
    kind = form_of(form)
    top, tiny, below = (end(FORMATS[dtype]) for end in ENDS.values())
    one: tuple[float, ...] = (top, -top, tiny, -1e4, 1e4, -104.0, 104.0, -0.0)
    if form in ("softplus", "margin_logistic"):
        one += (-BRANCH, BRANCH)
    rows: list[list[float]] = [[top, top], [-top, -top], [top, -top], [1e4, 0.0], [tiny, 0.0]]
    if kind.encodings == ("-",):
        return [(x, None) for x in (rows if kind.class_axis else one)]
    match form:
        case "softmax_xent":
            return [(x, y) for x in rows for y in (0, 1)]
        case "prob_xent":
            return [([x, 1.0], 0) for x in (tiny, 2.0**-100)]
        case "prob_bce":
            return [(x, y) for x in (tiny, 2.0**-100, below) for y in (0.0, 1.0)]
        case "margin_logistic":
            return [(x, y) for x in one for y in (-1.0, 1.0)]
    return [] if kind.class_axis else [(x, y) for x in one for y in (0.0, 1.0)]


@functools.cache
def _points(form: str, options: str, dtype: str) -> tuple[tuple[Any, Any], ...]:
    """The points (x, y) of a form, as the format holds them, each once."""
    found: dict[str, tuple[Any, Any]] = {}
    asked = [(rule.x, rule.y) for rule in CONTRACT if rule.form == form and rule.options in ("", options)]
    if options != "normalized":
        asked += _ends(form, dtype)
    for x, y in asked:
        held = np.array(x, float).astype(dtype).astype(float).tolist()
        found.setdefault(f"{held}/{y}", (held, y))
    return tuple(found.values())


def _encoding(form: str, y: Any, encodings: tuple[str, ...]) -> tuple[str, Any] | None:
    """How a call with some encodings can be asked about a label, and the label so written; None if it cannot."""
    if y is None or encodings == ("-",):
        return ("-", None) if encodings == ("-",) else None
    if isinstance(y, int):
        for encoding in ("index", "onehot", "soft"):
            if encoding in encodings:
                return encoding, y
        return None
    flat = np.ravel(y)
    plain = bool(np.all((flat == 0) | (flat == 1)))
    if form in ("softmax_xent", "prob_xent"):
        needed = ("onehot", "soft") if plain and flat.sum() == 1 else ("soft",)
    else:
        needed = ("binary", "soft") if plain else ("signed",) if "signed" in encodings else ("soft",)
    return next(((encoding, y) for encoding in needed if encoding in encodings), None)


def name(x: Any, y: Any, dtype: str = DTYPE) -> str:
    """A point as text: `x=[inf, 0], y=1`."""
    known = {end(FORMATS[dtype]): text for text, end in ENDS.items()}

    def written(value: float | list[float]) -> str:
        if isinstance(value, list):
            return f"[{', '.join(map(written, value))}]"
        if abs(value) in known:
            return "-" * (value < 0) + known[abs(value)]
        return f"{value:.10g}"

    return f"x={written(x)}" + ("" if y is None else f", y={written(y)}")


def cases(form: str, options: str, encodings: tuple[str, ...], dtype: str = DTYPE) -> Iterator[tuple[Case, list[str]]]:
    """Batches of points, by class count and encoding, with the names of their rows; an empty batch at the end."""
    groups: dict[tuple[int, str], list[tuple[Any, Any]]] = {}
    for x, y in _points(form, options, dtype):
        said = _encoding(form, y, encodings)
        if said is not None:
            groups.setdefault((np.size(x), said[0]), []).append((x, y))
    last: Case | None = None
    for (size, encoding), points in groups.items():
        x = np.array([p[0] for p in points], float).astype(dtype)
        labels = _labels([p[1] for p in points], encoding, size, dtype)
        last = Case("special", f"{size} {encoding}", x, labels, encoding, labels, form, options, (), True, 0, PADDED)
        yield last, [name(*p, dtype) for p in points]
    if last is not None:
        labels = None if last.y is None else last.y[:0]
        empty = Case("special", "no rows", last.x[:0], labels, last.encoding, labels, form, options)
        yield empty, ["no rows"]


def _labels(labels: list[Any], encoding: str, size: int, dtype: str) -> Array | None:
    if encoding == "-":
        return None
    if encoding == "index":
        return np.array(labels, np.int64)
    rows = [np.eye(size)[y] if isinstance(y, int) else y for y in labels]
    return np.array(rows, float).astype(dtype)


def judge(case: Case, names: list[str], answer: Answer) -> Iterator[dict[str, Any]]:
    """A record a point and quantity: verdict right, differs or raises, with what came and what should."""
    if answer.status != "measured" or answer.value is None:
        for point in names:
            yield {"point": point, "quantity": "value", "verdict": "raises", "text": answer.reason or answer.status}
        return
    if case.name == "no rows":
        right = answer.value.size == 0
        yield {"point": "no rows", "quantity": "value", "verdict": "right" if right else "differs",
               "text": "" if right else f"gives {answer.value.ravel()[:2].tolist()}"}  # fmt: skip
        return
    for quantity, got in (("value", answer.value), ("grad", answer.grad)):
        if got is None:
            continue
        known = exact(case, quantity)
        for i, point in enumerate(names):
            key = {"point": point, "quantity": quantity}
            if i in answer.errors:
                yield key | {"verdict": "raises", "text": answer.errors[i]}
            elif got.shape[1:] != known.value.shape[1:]:
                yield key | {"verdict": "differs", "text": f"gives shape {list(got.shape)}"}
            else:
                same = _same(got[i], known[i], same_ulps(case.dtype, answer.dtype))
                numbers = {"got": np.ravel(got[i]).tolist(), "want": np.ravel(known.value[i]).tolist()}
                yield key | {"verdict": "right" if same else "differs"} | ({} if same else numbers)


def exact(case: Case, quantity: str) -> Exact:
    """Exact results of what the labels of a case mean, or of the inputs of a building block."""
    meaning = (
        None if case.meaning is None else case.meaning if case.meaning.dtype.kind == "i" else case.meaning.astype(float)
    )
    asked = case.x.astype(float)
    key = (case.form, case.dtype, case.options, quantity, asked.tobytes(), meaning is not None and meaning.tobytes())
    if key not in _KEPT:
        form = form_of(case.form)
        what = {"value": "value", "grad": form.quantities[1]}[quantity]
        _KEPT[key] = evaluate(form, asked, meaning, case.dtype, what, case.options)
    return _KEPT[key]


_KEPT: dict[tuple[Any, ...], Exact] = {}


def _same(got: Array, exact: Exact, limit: float) -> bool:
    want = exact.value
    both = (np.isnan(got) & np.isnan(want)) | (got == want)
    with np.errstate(all="ignore"):
        near = np.isfinite(got) & np.isfinite(want) & (errors_in_ulps(got, exact) <= limit)
    return bool(np.all(both | near))
