"""Runs compiled kernels on arrays, and NumPy on what kernels leave: rows with infinities or NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from . import kernels, threads
from .memory import address
from .pair import Number, Pair, as_pair, high
from .plan import Mass, Plan, shared
from .rounding import F64, Array

#: bytes to a cache line, to which scratch memory is padded
_LINE = 64
_X, _START, _STOP, _CLASSES = (kernels.ARGUMENTS.index(name) for name in ("x", "start", "stop", "classes"))


@dataclass
class Inputs:
    """Contiguous inputs of one kernel call.

    x: (n,) or (n, K). labels: arrays as `kernels` takes them, and their kind. factor: one number, or None.
    weights: arrays by the names that `Layout` has for them; ignore: a class index. order: of rows, see `Layout`; with
    "columns" x is (m, K, inner).
    """

    x: Array
    kind: str = ""
    labels: tuple[Array, ...] = ()
    factor: Number | None = None
    weights: dict[str, Array] = field(default_factory=dict)
    ignore: int | None = None
    order: str = ""

    @property
    def cases(self) -> int:
        """How many there are."""
        return len(self.x) * self.inner

    @property
    def inner(self) -> int:
        """How many lie side by side."""
        return self.x.shape[2] if self.order == "columns" else 1

    def names(self) -> list[str]:
        """Return what `Layout.weights` says of them."""
        names = [f"{name}:{array.dtype.name}" for name, array in self.weights.items()]
        names += [] if self.ignore is None else ["ignore:int64"]
        return [*names, self.order] if self.order else names

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by the names of `kernels.ARGUMENTS`."""
        held = {f"label {k}": y for k, y in enumerate(self.labels)}
        return {"x": self.x, **held, **{PLACES[name]: array for name, array in self.weights.items()}}


#: weights -> the argument of a kernel that is their address
PLACES = {
    **{name: name for name in ("sample", "cotangent")},
    **dict.fromkeys(("class", "neuron"), "weight"),
    **dict.fromkeys(("positive", "positives"), "positive"),
}


@dataclass
class Outputs:
    """Arrays that results are written to: derivatives in x's dtype; values too, or as `loops.Layout` says.

    group: how many cases are added up where values are. divisor: of the sum of all, where that is written, a pair.
    """

    arrays: dict[str, Array]
    value: str = "rounded"
    low: F64 | None = None
    group: int = 0
    divisor: F64 | None = None


class Compiled:
    """The compiled implementation."""

    def wrong(self, y: Array, kind: str, classes: int = 0) -> bool:
        """Return whether a label of a contiguous array is not of a kind of `check.RANGES`, or "index"."""
        return bool(self.check(y, kind, classes, None)())

    def check(self, y: Array, kind: str, classes: int, wanted: int | None) -> Callable[[], int]:
        """Return what looks for wrong labels in an array, as it stands then, and gives 0 where there is none."""
        arguments = []
        for start, stop in threads.parts(y.size, y.size, wanted, kernels.width(False, y.dtype.name)):
            numbers = np.zeros(len(kernels.ARGUMENTS), np.int64)
            numbers[_X], numbers[_START], numbers[_STOP], numbers[_CLASSES] = address(y), start, stop, classes
            arguments.append(numbers)
        return partial(shared, kernels.kernel(f"check|{kind}|{y.dtype.name}"), arguments, y)

    def run(
        self, form: str, variant: str, quantities: tuple[str, ...], rows: bool, inputs: Inputs, outputs: Outputs,
        wanted: int | None,
    ) -> npt.NDArray[np.intp]:  # fmt: skip
        """Compute quantities; return the cases whose results are not finite, which are to be computed again."""
        return self.plan(form, variant, quantities, rows, inputs, outputs, wanted).run()

    def plan(
        self, form: str, variant: str, quantities: tuple[str, ...], rows: bool, inputs: Inputs, outputs: Outputs,
        wanted: int | None,
    ) -> Plan:  # fmt: skip
        """Return a kernel call on fixed arrays, which may be run again."""
        x = inputs.x
        cases, classes = inputs.cases, x.shape[1] if rows else 1
        factor = inputs.factor
        parts: tuple[F64, ...] = ()
        which = ""
        if factor is not None:
            factor = as_pair(factor)
            parts = tuple(np.array([p], np.float64) for p in (factor.high, factor.low))
            which = "one"
        name = kernels.name_of(
            form, variant, quantities, x.dtype.name, inputs.kind, which, outputs.value, *inputs.names()
        )
        width = kernels.width(rows, x.dtype.name)
        unit = 1 if rows else width
        effort = x.size // 10 if kernels.program_of(name).light else x.size
        ranges = threads.parts(cases, effort, wanted, outputs.group or (width if inputs.order else unit))
        flags = np.empty(-(-cases // unit), np.int8)
        padded = -(-classes // width) * width * 3 + _LINE
        if inputs.order:  # three numbers an element, and four arrays turned around, of rows side by side
            padded = -(-classes // width) * width * (3 + 4) * width + _LINE
        arguments = []
        scratches = []
        arrays = outputs.arrays
        for start, stop in ranges:
            scratch = np.empty(padded if rows else 1, np.float64)
            scratches.append(scratch)
            given = {**inputs.arrays(), **arrays, "value low": outputs.low, "flags": flags, "scratch": scratch}
            given["divisor"] = outputs.divisor
            given |= dict(zip(("factor", "factor low"), parts, strict=False))
            numbers = {name: 0 if a is None else address(a) for name, a in given.items()}
            numbers |= {"start": start, "stop": stop, "classes": classes, "group": outputs.group}
            numbers |= {"ignore": inputs.ignore or 0, "inner": inputs.inner}
            arguments.append(np.array([numbers.get(name, 0) for name in kernels.ARGUMENTS], np.int64))
        sums = None
        if outputs.value == "sums":
            assert outputs.low is not None
            sums = arrays["value"], outputs.low
        held = (inputs, arrays, outputs.low)
        own = (flags, scratches, parts, sums, inputs.labels[1:], outputs.divisor)
        return Plan(kernels.kernel(name), arguments, flags, unit, cases, held, own, sums, parts)

    def mass(
        self, form: str, rows: bool, inputs: Inputs, averaged: bool, divisor: F64, factor: tuple[F64, ...]
    ) -> Mass:  # fmt: skip
        """Return what adds up the weights of cases, and writes what a mean is divided by and its inverse, pairs."""
        weights = [name for name in inputs.names() if name != inputs.order]
        which, value = "one" if factor else "", "averaged" if averaged else "sums"
        name = kernels.name_of(form, "", ("value",), inputs.x.dtype.name, inputs.kind, which, value, *weights)
        first, second = divisor[:1], divisor[1:]
        given = {name: address(a) for name, a in inputs.arrays().items()}
        given |= {"value": address(first), "value low": address(second), "stop": inputs.cases}
        given |= {name: address(a) for name, a in zip(("factor", "factor low"), factor, strict=False)}
        given |= {"classes": inputs.x.shape[1] if rows else 1, "ignore": inputs.ignore or 0}
        arguments = np.array([given.get(name, 0) for name in kernels.ARGUMENTS], np.int64)
        return Mass(kernels.kernel(f"mass|{name}"), arguments, first, second, inputs)


def label_arrays(numbers: tuple[Number, ...], wide: bool) -> tuple[str, tuple[Array, ...]]:
    """Return the kind and the arrays of labels that are numbers of float64."""
    arrays: list[Array] = []
    for y in numbers:
        top = np.ascontiguousarray(high(y))
        low = np.broadcast_to(y.low, top.shape) if isinstance(y, Pair) else np.zeros_like(top)
        arrays += [top, np.ascontiguousarray(low)] if wide else [top + low, top]
    kind = "pairs" if wide else "lanes"
    return (kind if len(numbers) == 1 else f"two {kind}"), tuple(arrays)
