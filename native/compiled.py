"""Runs compiled kernels on arrays, and NumPy on what kernels leave: rows with infinities or NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from . import kernels, threads
from .emit import ALONE
from .memory import OFFSET, address
from .pair import Number, Pair, as_pair, high
from .rounding import F64, Array
from .total import Ratio

#: bytes of the widest numbers
_WIDEST = 8
#: bytes to a cache line, to which scratch memory is padded
_LINE = 64
_X, _START, _STOP, _CLASSES = (kernels.ARGUMENTS.index(name) for name in ("x", "start", "stop", "classes"))
_CHECK, _OBJECT = (kernels.ARGUMENTS.index(name) for name in ("check", "object"))


@dataclass
class Inputs:
    """Contiguous inputs of one kernel call.

    x: (n,) or (n, K). labels: arrays as `kernels` takes them, and their kind. factor: number a case, or one, or None.
    weights: arrays by the names of `layout.WEIGHTS`; ignore: a class index.
    """

    x: Array
    kind: str = ""
    labels: tuple[Array, ...] = ()
    factor: Number | None = None
    weights: dict[str, Array] = field(default_factory=dict)
    ignore: int | None = None

    def names(self) -> list[str]:
        """Return what `Layout.weights` says of them."""
        weights = [f"{name}:{array.dtype.name}" for name, array in self.weights.items()]
        return weights if self.ignore is None else [*weights, "ignore:int64"]

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

    group: how many cases are added up where values are.
    """

    arrays: dict[str, Array]
    value: str = "rounded"
    low: F64 | None = None
    group: int = 0


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
        cases, classes = len(x), x.shape[1] if rows else 1
        factor = inputs.factor
        parts: tuple[F64, ...] = ()
        which = ""
        if factor is not None:
            factor = as_pair(factor)
            parts = tuple(np.array(np.broadcast_to(p, np.shape(factor.high))).reshape(-1)
                          for p in (factor.high, factor.low))  # fmt: skip
            which = "one" if np.ndim(factor.high) == 0 else "each"
        name = kernels.name_of(
            form, variant, quantities, x.dtype.name, inputs.kind, which, outputs.value, *inputs.names()
        )
        width = kernels.width(rows, x.dtype.name)
        unit = 1 if rows else width
        ranges = threads.parts(cases, x.size, wanted, outputs.group or unit)
        flags = np.empty(-(-cases // unit), np.int8)
        padded = -(-classes // width) * width * 3 + _LINE
        arguments = []
        scratches = []
        arrays = outputs.arrays
        for start, stop in ranges:
            scratch = np.empty(padded if rows else 1, np.float64)
            scratches.append(scratch)
            given = {**inputs.arrays(), **arrays, "value low": outputs.low, "flags": flags, "scratch": scratch}
            given |= dict(zip(("factor", "factor low"), parts, strict=False))
            numbers = {name: 0 if a is None else address(a) for name, a in given.items()}
            numbers |= {"start": start, "stop": stop, "classes": classes, "group": outputs.group}
            numbers["ignore"] = inputs.ignore or 0
            arguments.append(np.array([numbers.get(name, 0) for name in kernels.ARGUMENTS], np.int64))
        sums = None
        if outputs.group:
            assert outputs.low is not None
            sums = arrays["value"], outputs.low
        held = (inputs, arrays, outputs.low)
        own = (flags, scratches, parts, sums)
        return Plan(kernels.kernel(name), arguments, flags, unit, cases, held, own, sums, parts)

    def mass(self, form: str, rows: bool, inputs: Inputs) -> Mass:
        """Return what adds up the weights of cases."""
        name = kernels.name_of(form, "", ("value",), inputs.x.dtype.name, inputs.kind, "", "sums", *inputs.names())
        high, low = np.empty(1), np.empty(1)
        given = {name: address(a) for name, a in inputs.arrays().items()}
        given |= {"value": address(high), "value low": address(low), "stop": len(inputs.x)}
        given |= {"classes": inputs.x.shape[1] if rows else 1, "ignore": inputs.ignore or 0}
        arguments = np.array([given.get(name, 0) for name in kernels.ARGUMENTS], np.int64)
        return Mass(kernels.kernel(f"mass|{name}"), arguments, high, low, inputs)


@dataclass
class Mass:
    """A kernel that adds up the weights of cases, and where it writes them."""

    kernel: kernels.Kernel
    arguments: npt.NDArray[np.int64]
    high: F64
    low: F64
    held: Any

    def __call__(self) -> Pair | None:
        """Return the sum; None where a label or a weight is wrong."""
        if self.kernel(self.arguments):
            return None
        return Pair(self.high[0], self.low[0])


def shared(kernel: kernels.Kernel, arguments: list[npt.NDArray[np.int64]], held: Any = None) -> int:
    """Run a kernel on every set of arguments, one a thread, and return the sum of what it gives.

    held: what the addresses point into.
    """
    if len(arguments) == 1:
        return kernel(arguments[0])
    if not arguments:
        return 0
    return threads.share(lambda k, _: kernel(arguments[k]), [(k, k + 1) for k in range(len(arguments))])


@dataclass(frozen=True)
class Copy:
    """Memory in a format that a kernel reads, for an argument of a call; exact: nothing may be rounded on the way."""

    name: str
    to: Array
    exact: bool = False

    def __call__(self, given: Array) -> int:
        """Copy what is given; return 0, or 1 where something was rounded."""
        if self.to.itemsize == _WIDEST:  # nothing overflows
            np.copyto(self.to, given, casting="unsafe")
        else:
            with np.errstate(all="ignore"):
                np.copyto(self.to, given, casting="unsafe")
        return int(self.exact and not np.array_equal(self.to, given))


@dataclass
class Plan:
    """A kernel with its arguments: one array of addresses and bounds a thread."""

    kernel: kernels.Kernel
    arguments: list[npt.NDArray[np.int64]]
    flags: npt.NDArray[np.int8]
    unit: int
    cases: int
    #: what the addresses point into: arrays of the caller, and the plan's own
    held: Any
    own: Any
    #: sums of groups of cases, high and low parts, where the values are summed
    sums: tuple[F64, F64] | None
    #: the one factor of derivatives, high and low part, or nothing
    factor: tuple[Array, ...] = ()
    mass: Mass | None = None
    #: what a sum of values is divided by
    divisor: Ratio = (1, 1)
    #: what is copied first, where a kernel cannot read it as it is
    copies: list[Copy] = field(default_factory=list)

    def reads(self, name: str) -> bool:
        """Whether there are weights of a name of an argument of a call."""
        place = {"sample_weight": "sample", "grad_out": "cotangent", "weight": "weight", "pos_weight": "positive"}[name]
        return bool(self.arguments[0][kernels.ARGUMENTS.index(place)])

    def checking(self, how: int = 1) -> None:
        """Have the kernel look at labels and weights first, and give something else than 0 where one is wrong.

        how: 0 not to look, `emit.ALONE` to do nothing else.
        """
        for numbers in self.arguments:
            numbers[_CHECK] = how

    def verified(self) -> int:
        """Look at labels and weights alone, with all threads; return 0 where they are right."""
        self.checking(ALONE)
        try:
            return shared(self.kernel, self.arguments)
        finally:
            self.checking(0)

    def by_object(self) -> bool:
        """Have the kernel take array objects by their addresses, `id`; return whether that is possible."""
        for numbers in self.every:
            numbers[_OBJECT] = OFFSET
        return OFFSET != 0

    @property
    def every(self) -> list[npt.NDArray[np.int64]]:
        """The arguments, and those of what adds up the weights of the cases."""
        return self.arguments if self.mass is None else [*self.arguments, self.mass.arguments]

    def call(self) -> Callable[[], int]:
        """Return what computes, and gives 0 where that was all there is to do."""
        if len(self.arguments) == 1:
            return partial(_alone, self.kernel, self.arguments[0], (self.held, self.own))
        return partial(shared, self.kernel, self.arguments, (self.held, self.own))

    def run(self) -> npt.NDArray[np.intp]:
        """Compute; return the cases that are to be computed again."""
        if not shared(self.kernel, self.arguments):
            return _NONE
        units = np.flatnonzero(self.flags)
        if self.unit == 1:
            return units
        cases = (units[:, None] * self.unit + np.arange(self.unit)).reshape(-1)
        return cases[cases < self.cases]


def _alone(kernel: kernels.Kernel, arguments: npt.NDArray[np.int64], held: Any) -> int:
    return kernel(arguments)


_NONE: npt.NDArray[np.intp] = np.empty(0, np.intp)


def label_arrays(numbers: tuple[Number, ...], wide: bool) -> tuple[str, tuple[Array, ...]]:
    """Return the kind and the arrays of labels that are numbers of float64."""
    arrays: list[Array] = []
    for y in numbers:
        top = np.ascontiguousarray(high(y))
        low = np.broadcast_to(y.low, top.shape) if isinstance(y, Pair) else np.zeros_like(top)
        arrays += [top, np.ascontiguousarray(low)] if wide else [top + low, top]
    kind = "pairs" if wide else "lanes"
    return (kind if len(numbers) == 1 else f"two {kind}"), tuple(arrays)
