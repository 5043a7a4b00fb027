"""A kernel with its arguments, which may be run again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from . import kernels, threads
from .emit import ALONE
from .memory import OFFSET
from .pair import Pair
from .rounding import F64, Array
from .total import Ratio

#: bytes of the widest numbers
_WIDEST = 8
_CHECK, _OBJECT = (kernels.ARGUMENTS.index(name) for name in ("check", "object"))


@dataclass
class Mass:
    """A kernel that adds up the weights of cases, which a mean is divided by, and where it writes them."""

    kernel: kernels.Kernel
    arguments: npt.NDArray[np.int64]
    high: F64
    low: F64
    held: Any

    def __call__(self) -> int:
        """Add them up; return 0 where that worked."""
        return self.kernel(self.arguments)

    @property
    def sum(self) -> Pair:
        """Their sum."""
        return Pair(self.high[0], self.low[0])


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
    #: what the addresses point into: arrays of the caller, and the plan's own beside its copies
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

    def freed(self) -> None:
        """Let go of the arrays of the caller, in whose place others will be put."""
        self.held = None
        if self.mass is not None:
            self.mass.held = None

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
        """Return what computes, and gives 0 where that was all there is to do. It does not keep the plan alive."""
        if len(self.arguments) == 1:
            return partial(self.kernel, self.arguments[0])
        return partial(shared, self.kernel, self.arguments)

    def run(self) -> npt.NDArray[np.intp]:
        """Compute; return the cases that are to be computed again."""
        if not shared(self.kernel, self.arguments):
            return _NONE
        units = np.flatnonzero(self.flags)
        if self.unit == 1:
            return units
        cases = (units[:, None] * self.unit + np.arange(self.unit)).reshape(-1)
        return cases[cases < self.cases]


_NONE: npt.NDArray[np.intp] = np.empty(0, np.intp)


def shared(kernel: kernels.Kernel, arguments: list[npt.NDArray[np.int64]], held: Any = None) -> int:
    """Run a kernel on every set of arguments, one a thread, and return the sum of what it gives.

    held: what the addresses point into.
    """
    if len(arguments) == 1:
        return kernel(arguments[0])
    if not arguments:
        return 0
    return threads.share(lambda k, _: kernel(arguments[k]), [(k, k + 1) for k in range(len(arguments))])
