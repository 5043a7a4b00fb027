"""What is kept of a kind of call, and makes another one of it: its kernel, and arguments that lack only the arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from struct import Struct
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy import empty, ndarray

from . import check
from .choice import asked
from .memory import address
from .rounding import Array

if TYPE_CHECKING:
    from .call import Call
    from .plan import Plan

Results = tuple[Array, ...] | None
#: writes the first of `kernels.ARGUMENTS`: x, labels, value and gradient; and those up to the weight of label 1
_ARRAYS, _EVERY = Struct("4q").pack_into, Struct("9q").pack_into
#: the arguments of a call whose arrays come last there
_OTHERS = ("sample_weight", "grad_out", "weight", "pos_weight")


class More(NamedTuple):
    """The arguments of a call that most calls do without."""

    threads: int | None = None
    grad_out: Any = None
    #: where the value and the gradient are to be written
    out: tuple[Array | None, Array | None] = (None, None)
    options: Mapping[str, object] = {}

    @property
    def writes(self) -> bool:
        """Whether results go to memory of the caller."""
        return not (self.out[0] is None and self.out[1] is None)

    def given(self, name: str) -> Any:
        """Return an argument."""
        return self.grad_out if name == "grad_out" else self.options.get(name)


NOTHING = More()


class Recipe:
    """A kind of call: its kernel, and arguments that lack only the arrays.

    The kernel looks at the labels itself, part by part: results are new arrays, which are dropped where one is wrong.
    """

    def __init__(
        self, call: Call, plan: Plan, quantities: tuple[str, ...], x: Array, y: Array | None, reduction: str, more: More
    ) -> None:
        """Take over from a call that was one kernel on fixed arrays."""
        from .plan import shared

        plan.checking()
        plan.freed()
        self._plan, self._rest, self._name = plan, call.direct.rest, call.name
        self._place: Callable[[Array], int] = id if plan.by_object() else address
        alone = len(plan.arguments) == 1
        self._run: Callable[[], int] = (
            partial(plan.kernel, plan.arguments[0]) if alone else partial(shared, plan.kernel, plan.arguments)
        )
        own = {copy.name: copy for copy in plan.copies}
        self._labels = own.pop("y", None)
        self._copies = [copy for copy in own.values() if isinstance(more.given(copy.name), ndarray)]
        #: where sample weights, cotangents, weights of classes and of label 1 are: an address, or a name
        self._others: list[int | str] = [
            self._place(own[name].to) if name in own else name if plan.reads(name) else 0 for name in _OTHERS
        ]
        self._settles = plan.mass is not None or (more.grad_out is not None and reduction != "none")
        self._verifies = not alone and more.writes
        #: the beginnings of the arguments
        self._memory = [memoryview(arguments) for arguments in plan.arguments]  # type: ignore[arg-type]
        self._mass = None if plan.mass is None else memoryview(plan.mass.arguments)  # type: ignore[arg-type]
        self._sum = 0 if plan.mass is None else self._place(plan.mass.high)
        self._sums = 0 if plan.sums is None else self._place(plan.sums[0])
        self._value, self._grad = (q in quantities for q in ("value", "grad"))
        self._dtype, self._value_shape, self._grad_shape = call.dtype, call.shape("value"), call.shape("grad")
        self._busy = False
        #: computes where nothing but x, y and the results are other arrays in every call
        self.shortest: Shortest | None = None
        fixed = not own and not any(isinstance(one, str) for one in self._others) and more.grad_out is None
        if alone and fixed and self._place is id and self._labels is None and plan.sums is None:
            self.shortest = _shortest(plan, quantities, self._value_shape, self._grad_shape, call.dtype)
        self.quantities, self.reduction, self.thread, self.asked = quantities, reduction, get_ident(), asked()
        self.shape, self.dtype = x.shape, x.dtype
        self.labels: Any = type(y)
        self.y_shape: tuple[int, ...] = () if y is None else y.shape
        self.y_dtype = None if y is None else y.dtype

    def __call__(self, x: Array, y: Array | None, more: More = NOTHING) -> Results:
        """Return the results, or None where a label is wrong or a result needs NumPy."""
        if self._busy:  # called from within itself, by a finalizer or a signal handler
            return None
        self._busy = True
        try:
            if self._labels is not None and y is not None:
                if self._labels(y):
                    return None
                y = self._labels.to
            place = self._place
            value = grad = None
            at, slope = self._sums, 0
            if self._value:
                value = more.out[0]
                if value is None:
                    value = empty(self._value_shape, self._dtype)
                at = at or place(value)
            if self._grad:
                grad = more.out[1]
                if grad is None:
                    grad = empty(self._grad_shape, self._dtype)
                slope = place(grad)
            labels = 0 if y is None else place(y)
            if self._prepared(place(x), labels, at, slope, more):
                return None
            if self._run() or (self._sums and value is not None and self._rest.reduced(self._plan, value)):
                return None
            if grad is None:
                return (value,)  # type: ignore[return-value]
            return (grad,) if value is None else (value, grad)
        finally:
            self._busy = False

    def _prepared(self, x: int, labels: int, at: int, slope: int, more: More) -> int:
        """Place the arrays of a call, and find what depends on them; return 0 if it worked."""
        for copy in self._copies:
            if copy(more.given(copy.name)):
                return 1
        others = [self._place(more.given(one)) if isinstance(one, str) else one for one in self._others]
        for memory in self._memory:
            _EVERY(memory, 0, x, labels, at, slope, 0, *others)
        if self._mass is not None:
            _EVERY(self._mass, 0, x, labels, self._sum, 0, 0, *others)
        if self._settles and self._rest.settle(self._plan, more.grad_out):
            return 1
        return self._plan.verified() if self._verifies else 0

    def refuse(self, x: Array, y: Array | None, more: More) -> None:
        """Raise what is wrong with buffers for results, if anything is."""
        value, grad = more.out
        inputs = [(x, "the input"), (y, "y"), *((more.given(name), name) for name in _OTHERS[:2])]
        for out, shape, other in ((value, self._value_shape, None), (grad, self._grad_shape, value)):
            if out is not None:
                where = f"{self._name}: out" + (" (gradient)" if other is not None else "")
                check.buffer(where, out, shape, self._dtype)
                for array, name in [*inputs, (other, "the buffer of the value")]:
                    if isinstance(array, ndarray):
                        check.apart(where, out, array, name)


class Shortest(Protocol):
    """Computes as `Recipe` does, in less time."""

    def __call__(self, x: Array, y: Array | None, value: Array | None = None, grad: Array | None = None) -> Results:
        """Return the results; value, grad: buffers for them."""


def _shortest(
    plan: Plan, quantities: tuple[str, ...], value_shape: tuple[int, ...], grad_shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> Shortest:  # fmt: skip
    """Return what computes with one thread, without other arguments than those that are fixed."""
    kernel, arguments, mass = plan.kernel, plan.arguments[0], plan.mass
    memory = memoryview(arguments)  # type: ignore[arg-type]
    masses: Any = None if mass is None else memoryview(mass.arguments)  # type: ignore[arg-type]
    has_value, has_grad = (q in quantities for q in ("value", "grad"))
    busy = False

    def compute(x: Array, y: Array | None, value: Array | None = None, grad: Array | None = None) -> Results:
        nonlocal busy
        if busy:
            return None
        busy = True
        try:
            labels = 0 if y is None else id(y)
            if has_value and value is None:
                value = empty(value_shape, dtype)
            if has_grad and grad is None:
                grad = empty(grad_shape, dtype)
            if mass is not None:
                _ARRAYS(masses, 0, id(x), labels, id(mass.high), 0)
                if mass():
                    return None
            _ARRAYS(memory, 0, id(x), labels, id(value) if has_value else 0, id(grad) if has_grad else 0)
            if kernel(arguments):
                return None
            if has_value and has_grad:
                return value, grad  # type: ignore[return-value]
            return (value if has_value else grad,)  # type: ignore[return-value]
        finally:
            busy = False

    return compute
