"""A case, the ask that puts it to a call, and the answer: all of them plain data that travel as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from lossbench.reference.formats import FORMATS

Array = npt.NDArray[Any]

#: Format in which cases are written down, and in which every mode is asked.
DTYPE = "float32"
#: Name of the case that asks an expression with its default arguments passed.
DEFAULTS = "defaults"


@dataclass(frozen=True)
class Case:
    """A batch whose labels are written in some convention.

    column: the convention. name: which of its questions. x: inputs, (N,) or (N, K). y: labels as they are
    handed over, of any dtype and shape; None for building blocks. encoding: the encoding of the call's table under
    which it is asked. meaning: labels in the reference's own writing, or None with x alone; `form` and `options` say
    of what. lost: rows whose label means nothing (or NaN), where no number is right. gradient: whether the gradient
    is part of the question. tile: the batch is repeated so often, and of the results only the smallest and the
    largest of each row come back, the one after the other. pad: the batch gets its last row again up to so many, and
    the results of these rows are dropped: one shape, one compilation.
    """

    column: str
    name: str
    x: Array
    y: Array | None
    encoding: str
    meaning: Array | None = None
    form: str = ""
    options: str = ""
    lost: tuple[int, ...] = ()
    gradient: bool = False
    tile: int = 0
    pad: int = 0

    @property
    def dtype(self) -> str:
        """Format of the inputs, in which the exact values are rounded."""
        return str(self.x.dtype.name)

    def cast(self, dtype: str) -> Case:
        """The same question in another format: float32 labels follow the inputs, others stay what they are."""
        follows = self.y is not None and self.y.dtype.name == DTYPE
        return replace(
            self, x=self.x.astype(dtype), y=self.y.astype(dtype) if follows and self.y is not None else self.y
        )


@dataclass(frozen=True)
class Ask:
    """A case put to a call in a mode; `expression` replaces the call of the table where there is one.

    An expression may name the arrays of the formulas, or the x and y of the case.

    group: conventions, formulas, special or laws. work: "F", or "FB" with the gradient.
    """

    group: str
    library: str
    form: str
    call: str
    options: str
    mode: str
    case: Case
    work: str = "F"
    expression: str = ""

    @property
    def id(self) -> str:
        """Stable name of the ask."""
        case = self.case
        parts = (self.group, self.library, self.form, self.call, self.options, self.mode, case.dtype, case.column)
        return "|".join((*parts, case.name, case.encoding, self.work))

    def unit(self) -> dict[str, Any]:
        """What the worker reads."""
        names = ("form", "call", "options", "mode", "work", "expression")
        arrays = {"x": packed(self.case.x)} | ({} if self.case.y is None else {"y": packed(self.case.y)})
        facts = {name: getattr(self, name) for name in names} | {
            "by_row": self.group == "special",
            "dtype": self.case.dtype,
            "defaults": self.case.name == DEFAULTS,
            "tile": self.case.tile,
            "pad": self.case.pad,
        }
        return {"id": self.id, "encoding": self.case.encoding, **facts, **arrays}


@dataclass(frozen=True)
class Answer:
    """What came back: status measured, raised, died, timeout, unavailable or unsupported, with the reason.

    value, grad: float64 arrays. dtype: of the value. warned: texts of the warnings. errors: row -> why it was
    refused, where a batch was refused as a whole and then asked row by row.
    """

    status: str
    reason: str = ""
    value: Array | None = None
    grad: Array | None = None
    dtype: str = ""
    warned: tuple[str, ...] = ()
    errors: Mapping[int, str] = field(default_factory=dict)


def f32(numbers: Any) -> Array:
    """Numbers as an array of float32."""
    return np.array(numbers, np.float32)


def is_float(array: Array) -> bool:
    """Whether an array holds floating-point numbers; NumPy itself does not know bfloat16 as one."""
    return array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16


def precision(dtype: str, result: str = "") -> int:
    """Bits of the coarser of two formats; a result that is no float counts as the first."""
    return min(FORMATS[name].precision for name in (dtype, result) if name in FORMATS)


def packed(array: Array) -> dict[str, Any]:
    """An array as JSON: dtype, shape and numbers; NaN and infinities are written as Python's json does."""
    wide = array.astype(np.float64) if is_float(array) else array
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": wide.ravel().tolist()}


def unpacked(stored: dict[str, Any]) -> Array:
    """The array of `packed`."""
    return np.array(stored["data"], dtype=stored["dtype"]).reshape(stored["shape"])


def answer_of(stored: dict[str, Any]) -> Answer:
    """The answer that a worker's event holds."""
    value, grad = (unpacked(stored[name]) if name in stored else None for name in ("value", "grad"))
    warned, errors = tuple(stored.get("warned", ())), {int(row): why for row, why in stored.get("errors", {}).items()}
    return Answer(stored["status"], stored.get("reason", ""), value, grad, stored.get("dtype", ""), warned, errors)
