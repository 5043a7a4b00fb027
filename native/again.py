"""The short way for calls that look like an earlier one: same form, shapes, dtypes, reduction and options.

What the first such call found out (which kernel, the layout of its arguments) is kept a thread, so that a call spends
its time in the kernel. What arrays hold is read, and labels and weights are checked, every time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from struct import Struct
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy import empty

from . import check, choice
from .memory import address
from .rounding import Array

if TYPE_CHECKING:
    from .call import Call
    from .plan import Plan

#: kinds of calls kept a form
_KINDS = 64


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


_NOTHING = More()


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
        self.quantities, self.reduction, self.thread = quantities, reduction, get_ident()
        self.shape, self.dtype = x.shape, x.dtype
        self.labels: Any = type(y)
        self.y_shape: tuple[int, ...] = () if y is None else y.shape
        self.y_dtype = None if y is None else y.dtype

    def __call__(self, x: Array, y: Array | None, more: More = _NOTHING) -> tuple[Array, ...] | None:
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
            if more is _NOTHING:
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


#: writes the first of `kernels.ARGUMENTS`: x, labels, value and gradient; and those up to the weight of label 1
_ARRAYS, _EVERY = Struct("4q").pack_into, Struct("9q").pack_into
#: the arguments of a call whose arrays come last there
_OTHERS = ("sample_weight", "grad_out", "weight", "pos_weight")
#: what options may be that are no arrays
_PLAIN = (bool, int, float, str, type(None))


class Memory:
    """The recipes of one form."""

    def __init__(self) -> None:
        """Start with none."""
        self._recipes: dict[Any, Recipe] = {}
        self._last: Recipe | None = None

    def results(self, quantities: tuple[str, ...], x: Any, y: Any, reduction: str) -> tuple[Array, ...] | None:
        """Return results the short way, or None where there is none, or none yet."""
        recipe = self._last
        # Mostly a call is like the one before, which takes less to find out than to look it up.
        if (
            recipe is None
            or recipe.quantities is not quantities
            or type(x) is not np.ndarray
            or recipe.dtype is not x.dtype
            or recipe.shape != x.shape
            or type(y) is not recipe.labels
            or (y is not None and (recipe.y_dtype is not y.dtype or recipe.y_shape != y.shape))
            or recipe.reduction != reduction
            or recipe.thread != get_ident()
        ):
            if type(x) is not np.ndarray or type(reduction) is not str:
                return None
            recipe = self._last = self._recipes.get(_key(quantities, x, y, reduction))
            if recipe is None or type(y) is not recipe.labels:
                return None
        if not x.flags.c_contiguous or (y is not None and not y.flags.c_contiguous) or choice.asked() == "numpy":
            return None
        return recipe(x, y)

    def results_with(
        self, quantities: tuple[str, ...], x: Any, y: Any, reduction: str, more: More
    ) -> tuple[Array, ...] | None:
        """Return results of a call with other arguments, too, the short way; see `results`."""
        if type(x) is not np.ndarray or type(reduction) is not str:
            return None
        described = _described(more, reduction != "none")
        if described is None:
            return None
        recipe = self._recipes.get((_key(quantities, x, y, reduction), described))
        if recipe is None or choice.asked() == "numpy":
            return None
        if not x.flags.c_contiguous or not (y is None or y.flags.c_contiguous):
            return None
        if more.writes:
            recipe.refuse(x, y, more)
            if not all(out is None or out.flags.c_contiguous for out in more.out):
                return None
        return recipe(x, y, more)

    def learn(
        self, quantities: tuple[str, ...], x: Any, y: Any, reduction: str, call: Call, more: More = _NOTHING
    ) -> None:
        """Keep the recipe of a call that had to go the long way, if there is a short one."""
        plan = call.plan(quantities)
        if plan is None or type(x) is not np.ndarray or not (y is None or type(y) is np.ndarray):
            return
        key = _key(quantities, x, y, reduction)
        if more is not _NOTHING:
            described = _described(more, reduction != "none")
            if described is None:
                return
            key = (key, described)
        if key in self._recipes:
            return  # it was not for this call: a result needed NumPy
        if len(self._recipes) >= _KINDS:
            self._recipes.clear()
            self._last = None
        self._recipes[key] = Recipe(call, plan, quantities, x, y, reduction, more)


def _key(quantities: tuple[str, ...], x: Array, y: Any, reduction: str) -> Any:
    """Return what calls of one kind have in common; a recipe serves one thread."""
    if type(y) is np.ndarray:
        return quantities, x.shape, x.dtype, y.shape, y.dtype, reduction, get_ident()
    return quantities, x.shape, x.dtype, reduction, get_ident()


def _described(more: More, reduced: bool) -> Any:
    """Return what calls with such arguments have in common, None where nothing can be said of them.

    Of arrays that is how they look; the one cotangent of a reduced value may be any number.
    """
    threads, grad_out, (value, grad), options = more
    if type(threads) not in (int, type(None)):
        return None
    parts: list[Any] = [threads, value is None, grad is None]
    if grad_out is not None:
        number = type(grad_out) is float or (type(grad_out) is int and abs(grad_out) < _EXACT)
        parts.append("one" if number and reduced else _look(grad_out))
        if type(grad_out) is not np.ndarray and parts[-1] != "one":
            return None
    for name, option in options.items():
        look = _look(option)
        if look is None or (name == "sample_weight" and type(option) is not np.ndarray and option is not None):
            return None
        parts += (name, look)
    return tuple(parts)


#: integers below it are float64
_EXACT = 2**53


def _look(x: Any) -> Any:
    if type(x) is np.ndarray:
        return x.shape, x.dtype, x.flags.c_contiguous
    return (type(x), x) if type(x) in _PLAIN else None
