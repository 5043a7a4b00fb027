"""The conventions in which labels are written: small batches, and what each of them means.

Every number is dyadic, so that all formats hold it. The batch of four rows and three classes tells rows from classes;
questions named "N = K" are square, where a label of the wrong shape can be broadcast without an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from lossbench.harness.semantics.ask import DTYPE, Array, Case, f32

#: The conventions, in the order of the tables, with what a reader should think of.
COLUMNS = {
    "index": "class numbers, shape (N,)",
    "one-hot": "rows with a single 1",
    "soft": "numbers in [0, 1], or rows that sum to 1",
    "{0,1}": "0 or 1 for each output",
    "{-1,+1}": "-1 or +1 for each output",
    "bool": "True and False",
    "int8": "integers of this type",
    "int16": "integers of this type",
    "int32": "integers of this type",
    "int64": "integers of this type",
    "uint8": "integers of this type",
    "float": "floating-point labels of other formats than the logits', or an index as a float",
    "out of range": "class K, or a label above 1",
    "negative": "class -1, or a label below 0",
    "ignore_index": "class -100 without any argument, or an all-zero row",
    "all ignored": "the mean of a batch of nothing but ignored labels",
    "(N,1)": "labels with one axis too many or too few",
    "row sums": "rows that sum to 1/2 and to 2",
    "NaN": "a label that is NaN",
}
INTEGERS = ("int8", "int16", "int32", "int64", "uint8")
FLOATS = ("float16", "float32", "float64")
#: Forms whose labels are classes, K outputs a row, and one output.
CLASSES = ("softmax_xent", "prob_xent")
OUTPUTS = ("multilabel_bce", "bernoulli_likelihood", "bernoulli_log_likelihood")

_Z = np.array([[0.5, -1.25, 2.0], [1.5, 1.0, -0.75], [-0.5, 0.25, 1.0], [2.5, -1.0, 0.125]], np.float32)
_Q = np.array([[0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.5, 0.375, 0.125], [0.0625, 0.6875, 0.25]], np.float32)
_T = np.array([2, 0, 1, 1])
_SOFT = np.array([[0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.5, 0.5, 0.0], [0.0, 0.25, 0.75]], np.float32)
_SUMS = f32([[0.5, 0, 0], [0, 0.25, 0.25], [1, 0, 1], [0.5, 0.5, 1]])
_MULTI = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]], np.float32)
_V = np.array([0.5, -1.25, 2.0, -0.375, 1.0, -2.5], np.float32)
_P = np.array([0.25, 0.125, 0.5, 0.75, 0.875, 0.0625], np.float32)
_B = np.array([1, 0, 1, 1, 0, 0], np.float32)
_S = np.array([0.25, 0.5, 0.75, 0.125, 0.0, 1.0], np.float32)
_NAN = float("nan")


def inputs(form: str) -> Array:
    """The base batch of a form."""
    if form in CLASSES or form in OUTPUTS:
        return _Q if form == "prob_xent" else _Z
    return _P if form == "prob_bce" else _V


def cases(form: str, options: str, encodings: tuple[str, ...], dtype: str = DTYPE) -> tuple[list[Case], dict[str, str]]:
    """Every case of a form for a call with some encodings, and the reason for each column without one."""
    family = _classes if form in CLASSES else _outputs if form in OUTPUTS else _single
    made = [Case(**{"form": form, "options": options, **fields}) for fields in family(form, encodings)]
    cast = [replace(case.cast(dtype), y=case.y) if _foreign(case) else case.cast(dtype) for case in made]
    found = [case for case in cast if not (_foreign(case) and case.y is not None and case.y.dtype.name == dtype)]
    return found, _reasons(form, encodings)


def _foreign(case: Case) -> bool:
    """Whether the labels keep a floating-point format of their own."""
    return case.column == "float" and case.encoding != "index"


def _reasons(form: str, encodings: tuple[str, ...]) -> dict[str, str]:
    """Why a convention is none for a form, or for a call with some encodings."""
    if form in CLASSES:
        why = {
            "{0,1}": "of classes, this is the one-hot row",
            "all ignored": "the call gives no mean; see ignore_index",
        }
        if encodings == ("index",):
            why |= {
                "{-1,+1}": "of classes, this is a negative index",
                "row sums": "an index has no sum",
                "soft": "",
                "one-hot": "",
            }
            return {column: text for column, text in why.items() if text}
        if "index" not in encodings:
            why["out of range"] = "a row above 1 sums to more than 1; see row sums"
        return why
    none = {"ignore_index": "labels of single outputs have no class to ignore"}
    none["all ignored"] = "it has no label that is ignored"
    none["row sums"] = "outputs are independent and need not sum to anything"
    if form not in OUTPUTS:
        none |= {"index": "one output has no classes", "one-hot": "one output has no classes"}
        if encodings == ("signed",):
            none["uint8"] = "an unsigned integer cannot be -1"
    elif form.startswith("bernoulli"):
        none["soft"] = "a likelihood is one of outcomes, not of soft labels"
    return none


def _classes(form: str, encodings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    x = inputs(form)
    by_index, by_row = "index" in encodings, set(encodings) & {"onehot", "soft"}
    row = next((e for e in ("soft", "onehot") if e in encodings), "index")
    number = "index" if by_index else row
    hot = np.eye(3, dtype=np.float32)[_T]

    def case(column: str, y: Array, meaning: Array, encoding: str, name: str = "", **more: Any) -> dict[str, Any]:
        return {"column": column, "name": name, "x": x, "y": y, "meaning": meaning, "encoding": encoding, **more}

    yield case("index", _T, _T, number)
    if not by_index:
        yield case("index", _T[:3], _T[:3], number, "N = K") | {"x": x[:3]}
    yield case("one-hot", hot, _T, "onehot" if "onehot" in encodings else number)
    if not by_row:
        yield case("one-hot", hot[:3], _T[:3], number, "N = K") | {"x": x[:3]}
    yield case("soft", _SOFT, _SOFT, row)
    if by_row:
        yield case("{-1,+1}", 2 * hot - 1, _T, row)
        yield case("row sums", _SUMS, _SUMS, row, gradient=True)
        yield case("negative", f32([[-0.5, 1, 0.5], *hot[1:]]), _T, row, "row", lost=(0,))
        zero = f32([*hot[:3], [0, 0, 0]])
        yield case("ignore_index", zero, zero, row, "zero row")
        yield case("NaN", f32([[_NAN, 0, 1], *hot[1:]]), _T, row, "row", lost=(0,))
        for other in FLOATS:
            yield case("float", hot.astype(other), _T, row, f"{other} rows")
    integers = _T if by_index else hot
    two = _T % 2
    if by_index:
        yield case("bool", two.astype(bool), two, "index", "classes 0 and 1")
        yield case("float", _T.astype(np.float32), _T, "index", "index as a float")
        for name, bad in (("K", 3), ("K + 5", 8)):
            yield case("out of range", np.array([2, bad, 1, 1]), _T, "index", name, lost=(1,))
        yield case("negative", np.array([2, -1, 1, 1]), _T, "index", "-1", lost=(1,))
        yield case("ignore_index", np.array([2, -100, 1, 1]), _T, "index", "-100", lost=(1,))
        yield case("(N,1)", _T[:, None], _T, "index", "column")
        yield case("NaN", f32([2, _NAN, 1, 1]), _T, "index", "float index", lost=(1,))
    else:
        yield case("bool", hot.astype(bool), _T, row)
        yield case("(N,1)", np.ones((4, 1), np.float32), _T, row, "one label a row", lost=(0, 1, 2, 3))
    for dtype in INTEGERS:
        yield case(dtype, integers.astype(dtype), _T, "index" if by_index else row)


def _outputs(form: str, encodings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    x, base = inputs(form), "binary"
    hot = np.eye(3, dtype=np.float32)[_T]

    def case(column: str, y: Array, meaning: Array, name: str = "", **more: Any) -> dict[str, Any]:
        return {"column": column, "name": name, "x": x, "y": y, "meaning": meaning, "encoding": base, **more}

    yield case("index", _T, hot)
    yield case("index", _T[:3], hot[:3], "N = K") | {"x": x[:3]}
    yield case("one-hot", hot, hot)
    if not form.startswith("bernoulli"):
        yield case("soft", _SOFT, _SOFT)
    yield case("{0,1}", _MULTI, _MULTI)
    yield case("{-1,+1}", 2 * _MULTI - 1, _MULTI)
    yield case("bool", _MULTI.astype(bool), _MULTI)
    for dtype in INTEGERS:
        yield case(dtype, _MULTI.astype(dtype), _MULTI)
    for other in FLOATS:
        yield case("float", _MULTI.astype(other), _MULTI, other)
    yield case("out of range", f32([[1.5, 0, 1], *_MULTI[1:]]), _MULTI, lost=(0,))
    yield case("negative", f32([[-0.5, 0, 1], *_MULTI[1:]]), _MULTI, lost=(0,))
    yield case("(N,1)", np.ones((4, 1), np.float32), _MULTI, "one label a row", lost=(0, 1, 2, 3))
    yield case("NaN", f32([[_NAN, 0, 1], *_MULTI[1:]]), _MULTI, lost=(0,))


def _single(form: str, encodings: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    x, signed = inputs(form), encodings == ("signed",)
    encoding = "signed" if signed else "binary"
    meant = {"form": "sigmoid_bce"} if signed else {}  # of labels that are not -1 and +1, and the same for those

    def case(column: str, y: Array, meaning: Array, name: str = "", **more: Any) -> dict[str, Any]:
        found = {"column": column, "name": name, "x": x, "y": y, "meaning": meaning, "encoding": encoding}
        return {**found, **meant, **more}

    own = 2 * _B - 1 if signed else _B
    yield case("soft", _S, _S)
    yield case("{0,1}", _B, _B)
    yield case("{-1,+1}", 2 * _B - 1, _B)
    yield case("bool", _B.astype(bool), _B)
    for dtype in INTEGERS:
        if not (signed and dtype == "uint8"):
            yield case(dtype, own.astype(dtype), _B)
    for other in FLOATS:
        yield case("float", own.astype(other), _B, other)
    yield case("out of range", f32([1.5, *own[1:]]), _B, lost=(0,))
    yield case("negative", f32([own[0], -1.5 if signed else -0.5, *own[2:]]), _B, lost=(1,))
    yield case("(N,1)", own[:, None], _B, "labels (N,1)")
    yield case("(N,1)", own, _B, "logits (N,1)") | {"x": x[:, None]}
    yield case("NaN", f32([_NAN, *own[1:]]), _B, lost=(0,))
