"""Checks of arguments. Every message names the argument, what it got and what it wants.

A wrong type or dtype is a TypeError; a wrong shape or content is a ValueError. Nothing is written before
every check has passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .rounding import BFLOAT16, Array

#: the dtypes a form computes in; results have the dtype of the logits
FLOATS: tuple[np.dtype[Any], ...] = (np.dtype("f2"), BFLOAT16, np.dtype("f4"), np.dtype("f8"))
FLOAT_NAMES = "float16, bfloat16, float32 or float64"
REDUCTIONS = ("none", "sum", "mean")

#: kind of labels -> what they must be; "classes" also takes indices, which `indices` checks
RANGES: Mapping[str, str] = {
    "unit": "labels in [0, 1] (or NaN); for labels -1/+1 see margin_logistic",
    "bits": "labels 0 or 1 (or NaN)",
    "signs": "labels -1 or +1 (or NaN); for labels 0/1 see sigmoid_bce",
    "classes": "finite label masses >= 0 (or NaN)",
    "weights": "finite weights >= 0 (or NaN)",
}


def floats(where: str, x: npt.ArrayLike) -> Array:
    """Return x as an array (no copy of an array) when its dtype is one of `FLOATS`."""
    array = np.asarray(x)
    if array.dtype.newbyteorder("=") not in FLOATS:
        raise TypeError(f"{where}: got dtype {array.dtype}; wants {FLOAT_NAMES}")
    return array


def numbers(where: str, y: npt.ArrayLike | None) -> Array:
    """Return y as an array when it holds floats of `FLOATS`, integers or booleans: all are exact labels."""
    array = np.asarray(y)
    if array.dtype.kind not in "iub" and array.dtype.newbyteorder("=") not in FLOATS:
        raise TypeError(f"{where}: got dtype {array.dtype}; wants {FLOAT_NAMES}, integers or booleans")
    return array


def same_shape(where: str, array: Array, shape: tuple[int, ...], owner: str) -> None:
    """Raise ValueError unless the shapes are equal; nothing is broadcast, (N,) against (N,1) least of all."""
    if array.shape != shape:
        raise ValueError(f"{where}: got shape {array.shape}; wants {shape}, {owner}")


def class_labels(
    where: str, y: npt.ArrayLike | None, shape: tuple[int, ...], leading: tuple[int, ...], argument: str
) -> Array:
    """Return y if it fits rows: a distribution of the logits' shape, or indices of the shape of the cases."""
    array = numbers(where, y)
    if array.shape == shape:
        return array
    if array.shape != leading:
        raise ValueError(
            f"{where}: got shape {array.shape}; wants {shape} like {argument} (a distribution a row)"
            f" or {leading} (class indices)"
        )
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{where}: got dtype {array.dtype} with one axis less than {argument}; class indices are integers"
        )
    return array


def contents(where: str, y: Array, kind: str) -> None:
    """Raise ValueError at the first label that is not of its kind (a key of `RANGES`). NaN passes."""
    wide = y.astype(np.float64, copy=False)
    if kind == "unit":
        good = (wide >= 0) & (wide <= 1)
    elif kind == "bits":
        good = (wide == 0) | (wide == 1)
    elif kind == "signs":
        good = np.abs(wide) == 1
    else:
        good = (wide >= 0) & (wide < np.inf)
    if not good.all():
        _first(where, wide, good | np.isnan(wide), RANGES[kind])


def indices(where: str, y: Array, classes: int, ignored: npt.NDArray[np.bool_] | None) -> None:
    """Raise ValueError at the first class index outside 0..classes-1. A negative one never wraps."""
    if ignored is None and y.size and y.min() >= 0 and y.max() < classes:
        return
    good = (y >= 0) & (y < classes)
    _first(where, y, good if ignored is None else good | ignored, f"a class index in 0..{classes - 1}")


def _first(where: str, y: Array, good: npt.NDArray[np.bool_], wants: str) -> None:
    if not good.all():
        at = tuple(int(i) for i in np.argwhere(~good)[0])
        place = f"[{', '.join(map(str, at))}]" if at else ""
        raise ValueError(f"{where}{place}: got {y[at]}; wants {wants}")


def choice(where: str, got: object, allowed: tuple[object, ...]) -> None:
    """Raise ValueError unless got is one of the allowed values, of the same type."""
    if not any(type(got) is type(one) and got == one for one in allowed):
        raise ValueError(f"{where}: got {got!r}; wants one of {', '.join(map(repr, allowed))}")


def fraction(where: str, got: object) -> float:
    """Return got as a float; raise unless it is a number in [0, 1]."""
    if isinstance(got, bool) or not isinstance(got, int | float | np.integer | np.floating):
        raise TypeError(f"{where}: got {got!r}; wants a number in [0, 1]")
    if not 0 <= float(got) <= 1:
        raise ValueError(f"{where}: got {got!r}; wants a number in [0, 1]")
    return float(got)


def axis(where: str, got: object, ndim: int) -> int:
    """Return got as an index 0..ndim-1 of an axis; raise unless it is one."""
    if isinstance(got, bool) or not isinstance(got, int | np.integer):
        raise TypeError(f"{where}: got {got!r}; wants an int")
    if not -ndim <= got < ndim:
        raise ValueError(f"{where}: got {got}; wants an axis of {ndim} dimensions")
    return int(got) % ndim


def threads(form: str, got: object) -> None:
    """Raise unless got is None or an int >= 1."""
    if got is None:
        return
    if isinstance(got, bool) or not isinstance(got, int | np.integer):
        raise TypeError(f"{form}: threads: got {got!r}; wants None or an int >= 1")
    if got < 1:
        raise ValueError(f"{form}: threads: got {got}; wants None or an int >= 1")


def pair(form: str, out: object) -> tuple[Any, Any]:
    """Return (value buffer, gradient buffer) from an `out` that is None or a pair; either may be None."""
    if out is None:
        return None, None
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TypeError(f"{form}: out: got {type(out).__name__}; wants a pair (value, gradient)")
    return out[0], out[1]


def buffer(where: str, out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return out when results of this shape and dtype can be written into it."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{where}: got {type(out).__name__}; wants an array of shape {shape}, dtype {dtype}")
    if out.dtype != dtype:
        raise TypeError(f"{where}: got dtype {out.dtype}; wants {dtype}")
    if out.shape != shape:
        raise ValueError(f"{where}: got shape {out.shape}; wants {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{where}: got a read-only array; wants one that can be written")
    return out


def apart(where: str, out: Array, other: Array, name: str) -> None:
    """Raise ValueError if out shares memory with another argument."""
    if np.shares_memory(out, other):
        raise ValueError(f"{where}: shares memory with {name}; wants memory of its own")
