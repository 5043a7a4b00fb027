"""What the reference accepts: errors that name the argument, its shape and the rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference.case import DENOMINATORS, REDUCTIONS
from lossbench.reference.form import Form
from lossbench.reference.formats import Format, encode
from lossbench.reference.options import Options

Array = npt.NDArray[Any]


def _described(value: Any) -> str:
    array = np.asarray(value)
    return f"{array.dtype} of shape {array.shape}"


def numbers(name: str, value: npt.ArrayLike, dims: int, fmt: Format) -> Array:
    """A float64 array of `dims` axes of numbers of the format; NaN and infinities are numbers here."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: got {_described(value)}, wants real numbers")
    if array.ndim != dims:
        raise ValueError(f"{name}: got shape {array.shape}, wants {dims} axes (cases{', classes' * (dims > 1)})")
    if array.size == 0 and dims > 1 and array.shape[1] == 0:
        raise ValueError(f"{name}: got shape {array.shape}, wants at least one class")
    wide = array.astype(np.float64)
    try:
        encode(wide, fmt.name)
    except ValueError as error:
        raise ValueError(f"{name}: shape {array.shape}, {str(error).removeprefix('values: ')}") from None
    return wide


def _refuse(name: str, y: Array, bad: Any, rule: str) -> None:
    if np.any(bad):
        first = y[bad].flat[0]
        raise ValueError(f"{name}: shape {y.shape} holds {first.item()!r}, wants {rule}")


def labels(form: Form, y: npt.ArrayLike | None, x: Array, options: Options) -> Array | None:
    """Labels of the form's domain: an index (N,) of integers, or float64 of the shape of x."""
    if form.encodings == ("-",):
        if y is not None:
            raise ValueError(f"y: got {_described(y)}, {form.name} has no labels")
        return None
    if y is None:
        raise ValueError(f"y: missing, {form.name} wants labels: {', '.join(form.encodings)}")
    array = np.asarray(y)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"y: got {_described(y)}, wants real numbers")
    if form.by_class and array.ndim == 1:
        if array.dtype.kind not in "iu" or len(array) != len(x):
            raise ValueError(f"y: got {_described(y)}, wants {len(x)} integers, or shape {x.shape}")
        out = (array < 0) | (array >= x.shape[1])
        if options.ignore_index is not None:
            out &= array != options.ignore_index
        _refuse("y", array, out, f"class indices in 0..{x.shape[1] - 1}")
        return array
    if options.ignore_index is not None:
        raise ValueError(f"ignore_index: goes with class indices, y is {_described(y)}")
    if array.shape != x.shape:
        raise ValueError(f"y: got shape {array.shape}, wants {x.shape}")
    wide = array.astype(np.float64)
    if "signed" in form.encodings:
        _refuse("y", wide, (np.abs(wide) != 1) & ~np.isnan(wide), "labels -1 or +1")
    elif "soft" in form.encodings:
        _refuse("y", wide, (wide < 0) | (wide > 1), "labels in [0, 1]")
    else:
        _refuse("y", wide, (wide != 0) & (wide != 1) & ~np.isnan(wide), "labels 0 or 1")
    return wide


def sample_weight(weights: npt.ArrayLike | None, count: int) -> Array | None:
    """Weights >= 0 of the cases, shape (N,)."""
    if weights is None:
        return None
    array = np.asarray(weights)
    if array.dtype.kind not in "fiub" or array.shape != (count,):
        raise ValueError(f"sample_weight: got {_described(weights)}, wants {count} numbers")
    wide = array.astype(np.float64)
    _refuse("sample_weight", wide, ~((wide >= 0) & np.isfinite(wide)), "finite numbers >= 0")
    return wide


def domain(form: Form, x: Array) -> None:
    """Probabilities lie in [0, 1]; logits may be anything."""
    if form.wrt != "z":
        _refuse(form.wrt, x, (x < 0) | (x > 1), "probabilities in [0, 1]")


def sizes(form: Form, options: Options, classes: int) -> None:
    """Weights by class have one number a class, and smoothing over the others needs others."""
    for name in ("weight", "pos_weight"):
        given = getattr(options, name)
        if isinstance(given, tuple) and len(given) != (classes if form.class_axis else 1):
            raise ValueError(f"{name}: got {len(given)} numbers, wants {classes if form.class_axis else 1}")
    if options.label_smoothing and options.smoothing == "K-1" and classes == 1:
        raise ValueError("smoothing: 'K-1' spreads over the other classes, and there is only one class")


def quantity(form: Form, name: str) -> None:
    """The name of a quantity that the form has."""
    if name not in form.quantities:
        raise ValueError(f"quantity: got {name!r}, {form.name} has {', '.join(form.quantities)}")


def reduction(name: str, denominator: str) -> None:
    """Names of a reduction and of a denominator."""
    if name not in REDUCTIONS:
        raise ValueError(f"reduction: got {name!r}, wants one of {', '.join(REDUCTIONS)}")
    if denominator not in DENOMINATORS:
        raise ValueError(f"denominator: got {denominator!r}, wants one of {', '.join(DENOMINATORS)}")
