"""What is kept of a kind of call, and makes another one of it: its kernel, and arguments that lack only the arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from struct import Struct
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy import empty

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
        self._copies = [copy for copy in own.values() if isinstance(more.given(copy.name), np.ndarray)]
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
        #: computes a call without other arguments
        self.plain: Callable[[Array, Array | None], Results] = self
        if alone and self._place is id and self._labels is None and plan.sums is None:
            self.plain = _shortest(plan, quantities, [call.shape(q) for q in quantities], call.dtype)
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
            if more is NOTHING:
                for memory in self._memory:
                    _ARRAYS(memory, 0, place(x), labels, at, slope)
            elif self._prepared(place(x), labels, at, slope, more):
                return None
            if self._run() or (self._sums and value is not None and self._rest.reduced(self._plan, value)):
                return None
            if grad is None:
                return (value,)  # type: ignore[return-value]
            return (grad,) if value is None else (value, grad)
        finally:
            self._busy = False

    def _prepared(self, x: int, labels: int, at: int, slope: int, more: More) -> int:
        """Place the arrays of a call with other arguments, and find what depends on them; return 0 if it worked."""
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
        shapes = (self._value_shape, self._grad_shape)
        inputs = [(x, "the input"), (y, "y"), *((more.given(name), name) for name in _OTHERS[:2])]
        for k, out in enumerate(more.out):
            if out is not None:
                where = f"{self._name}: out" + (" (gradient)" if k and more.out[0] is not None else "")
                check.buffer(where, out, shapes[k], self._dtype)
                for array, name in [*inputs, (more.out[0] if k else None, "the buffer of the value")]:
                    if isinstance(array, np.ndarray):
                        check.apart(where, out, array, name)


def _shortest(
    plan: Plan, quantities: tuple[str, ...], shapes: list[tuple[int, ...]], dtype: np.dtype[Any]
) -> Callable[[Array, Array | None], Results]:
    """Return what computes as `Recipe` does, for one thread and results that are the arrays the kernel writes."""
    kernel, arguments = plan.kernel, plan.arguments[0]
    memory = memoryview(arguments)  # type: ignore[arg-type]
    first, last = shapes[0], shapes[-1]
    single, value = len(quantities) == 1, quantities[0] == "value"
    busy = False

    def compute(x: Array, y: Array | None) -> Results:
        nonlocal busy
        if busy:
            return None
        busy = True
        try:
            labels = 0 if y is None else id(y)
            one = empty(first, dtype)
            if single:
                _ARRAYS(memory, 0, id(x), labels, id(one) if value else 0, 0 if value else id(one))
                return None if kernel(arguments) else (one,)
            other = empty(last, dtype)
            _ARRAYS(memory, 0, id(x), labels, id(one), id(other))
            return None if kernel(arguments) else (one, other)
        finally:
            busy = False

    return compute
