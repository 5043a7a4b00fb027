"""Special values: every point of the reference's contract, and the ends of the format, asked of each call.

The exact value and gradient at each point are the reference's own; the contract says why they are so.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from lossbench.harness.metrics import errors_in_ulps
from lossbench.harness.semantics.ask import DTYPE, Answer, Array, Case
from lossbench.reference import Exact, evaluate, form_of
from lossbench.reference.contract import CONTRACT
from lossbench.reference.formats import FORMATS

#: Errors in ulps that still say the same: fewer than half of the digits are lost.
SAME_ULP = 2.0 ** (FORMATS[DTYPE].precision // 2)

_MAX, _TINY = 3.4028234663852886e38, 1.401298464324817e-45
_ROWS: tuple[list[float], ...] = ([_MAX, _MAX], [-_MAX, -_MAX], [1e4, 0.0], [_TINY, 0.0])
_ENDS: dict[str, tuple[Any, ...]] = {
    "one": tuple((x, y) for x in (_MAX, -_MAX, _TINY, -1e4, 1e4, -100.0, 104.0, -0.0) for y in (0.0, 1.0)),
    "block": tuple((x, None) for x in (_MAX, -_MAX, _TINY, -1e4, 1e4, -104.0, 104.0)),
    "row": tuple(
        (x, y) for x in ([_MAX, _MAX], [-_MAX, -_MAX], [_MAX, -_MAX], [1e4, 0.0], [_TINY, 0.0]) for y in (0, 1)
    ),
    "rows": tuple((x, None) for x in _ROWS),
    "p": tuple((x, y) for x in (_TINY, 1e-30, 1.0 - 2.0**-24) for y in (0.0, 1.0)),
    "q": (([_TINY, 1.0], 0), ([1e-30, 1.0], 0)),
}


def _ends(form: str) -> tuple[Any, ...]:
    kind = form_of(form)
    if kind.encodings == ("-",):
        return _ENDS["rows" if kind.class_axis else "block"]
    if form == "margin_logistic":
        return tuple((x, 2 * y - 1) for x, y in _ENDS["one"])
    by_class = {"softmax_xent": "row", "prob_xent": "q", "prob_bce": "p"}
    return () if kind.class_axis and form not in by_class else _ENDS[by_class.get(form, "one")]


@functools.cache
def _points(form: str, options: str) -> tuple[tuple[Any, Any], ...]:
    """The points (x, y) of a form, each once."""
    found: dict[str, tuple[Any, Any]] = {}
    asked = [(rule.x, rule.y) for rule in CONTRACT if rule.form == form and rule.options in ("", options)]
    if options != "normalized":
        asked += list(_ends(form))
    for x, y in asked:
        found.setdefault(f"{x}/{y}", (x, y))
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


def name(x: Any, y: Any) -> str:
    """A point as text: `x=[inf, 0], y=1`."""

    def written(value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join(map(written, value))}]"
        return {_MAX: "max", -_MAX: "-max", _TINY: "tiny"}.get(value) or f"{value:.10g}"

    return f"x={written(x)}" + ("" if y is None else f", y={written(y)}")


def cases(form: str, options: str, encodings: tuple[str, ...]) -> Iterator[tuple[Case, list[str]]]:
    """Batches of points, by class count and encoding, with the names of their rows; an empty batch at the end."""
    groups: dict[tuple[int, str], list[tuple[Any, Any]]] = {}
    for x, y in _points(form, options):
        said = _encoding(form, y, encodings)
        if said is not None:
            groups.setdefault((np.size(x), said[0]), []).append((x, y))
    last: Case | None = None
    for (size, encoding), points in groups.items():
        x = np.array([p[0] for p in points], np.float32)
        labels = _labels([p[1] for p in points], encoding, size)
        last = Case("special", f"{size} {encoding}", x, labels, encoding, labels, form, options, gradient=True)
        yield last, [name(*p) for p in points]
    if last is not None:
        labels = None if last.y is None else last.y[:0]
        empty = Case("special", "no rows", last.x[:0], labels, last.encoding, labels, form, options)
        yield empty, ["no rows"]


def _labels(labels: list[Any], encoding: str, size: int) -> Array | None:
    if encoding == "-":
        return None
    if encoding == "index":
        return np.array(labels, np.int64)
    rows = [np.eye(size)[y] if isinstance(y, int) else y for y in labels]
    return np.array(rows, np.float32)


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
        exact = _exact(case, quantity)
        for i, point in enumerate(names):
            key = {"point": point, "quantity": quantity}
            if i in answer.errors:
                yield key | {"verdict": "raises", "text": answer.errors[i]}
            elif got.shape[1:] != exact.value.shape[1:]:
                yield key | {"verdict": "differs", "text": f"gives shape {list(got.shape)}"}
            else:
                same = _same(got[i], exact[i])
                numbers = {"got": np.ravel(got[i]).tolist(), "want": np.ravel(exact.value[i]).tolist()}
                yield key | {"verdict": "right" if same else "differs"} | ({} if same else numbers)


def _exact(case: Case, quantity: str) -> Exact:
    meaning = (
        None if case.meaning is None else case.meaning if case.meaning.dtype.kind == "i" else case.meaning.astype(float)
    )
    key = (case.form, case.options, quantity, case.x.tobytes(), b"" if meaning is None else meaning.tobytes())
    if key not in _KEPT:
        form = form_of(case.form)
        what = {"value": "value", "grad": form.quantities[1]}[quantity]
        _KEPT[key] = evaluate(form, case.x.astype(float), meaning, DTYPE, what, case.options)
    return _KEPT[key]


_KEPT: dict[tuple[Any, ...], Exact] = {}


def _same(got: Array, exact: Exact) -> bool:
    want = exact.value
    both = (np.isnan(got) & np.isnan(want)) | (got == want)
    with np.errstate(all="ignore"):
        near = np.isfinite(got) & np.isfinite(want) & (errors_in_ulps(got, exact) <= SAME_ULP)
    return bool(np.all(both | near))
