"""The short way for calls that look like an earlier one: same form, shapes, dtypes, reduction, no options.

What the first such call found out (which kernel, the layout of its arguments) is kept a thread, so that a call spends
its time in the kernel. Labels are checked every time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from . import choice
from .memory import address
from .rounding import Array
from .work import copied

if TYPE_CHECKING:
    from .call import Call
    from .compiled import Plan

#: kinds of calls kept a form
_KINDS = 64


class Recipe:
    """A kind of call: its kernel, and arguments that lack only the arrays.

    The kernel looks at the labels itself, part by part: results are new arrays, which are dropped where one is wrong.
    """

    def __init__(
        self, call: Call, plan: Plan, quantities: tuple[str, ...], x: Array, y: Array | None, reduction: str
    ) -> None:
        """Take over from a call that was one kernel on fixed arrays."""
        from .compiled import shared

        plan.checking()
        self._place: Callable[[Array], int] = id if plan.by_object() else address
        alone = len(plan.arguments) == 1
        self._run: Callable[[], int] = (
            partial(plan.kernel, plan.arguments[0]) if alone else partial(shared, plan.kernel, plan.arguments)
        )
        self._held = plan.own
        self._labels = plan.labels
        self._reduce = call.reducing(plan)
        #: the beginnings of the arguments
        self._memory = [memoryview(arguments) for arguments in plan.arguments]  # type: ignore[arg-type]
        self._sums = 0 if plan.sums is None else self._place(plan.sums[0])
        self._value, self._grad = (q in quantities for q in ("value", "grad"))
        self._dtype, self._value_shape, self._grad_shape = call.dtype, call.shape("value"), call.shape("grad")
        self._busy = False
        self.quantities, self.reduction, self.thread = quantities, reduction, get_ident()
        self.shape, self.dtype = x.shape, x.dtype
        self.labelled = y is not None
        self.y_shape: tuple[int, ...] = () if y is None else y.shape
        self.y_dtype = None if y is None else y.dtype

    def __call__(self, x: Array, y: Array | None) -> tuple[Array, ...] | None:
        """Return the results, or None where a label is wrong or a result needs NumPy."""
        if self._busy:  # called from within itself, by a finalizer or a signal handler
            return None
        self._busy = True
        try:
            if y is not None and self._labels is not None:
                copied(y, self._labels)
                y = self._labels
            place = self._place
            value = grad = None
            at, slope = self._sums, 0
            if self._value:
                value = np.empty(self._value_shape, self._dtype)
                at = at or place(value)
            if self._grad:
                grad = np.empty(self._grad_shape, self._dtype)
                slope = place(grad)
            labels = 0 if y is None else place(y)
            for memory in self._memory:
                _ARRAYS(memory, 0, place(x), labels, at, slope)
            if self._run() or (self._reduce is not None and value is not None and self._reduce(value)):
                return None
            if grad is None:
                return (value,)  # type: ignore[return-value]
            return (grad,) if value is None else (value, grad)
        finally:
            self._busy = False


#: writes the first of `kernels.ARGUMENTS`: x, labels, value and gradient
_ARRAYS = Struct("4q").pack_into


class Memory:
    """The recipes of one form."""

    def __init__(self) -> None:
        """Start with none."""
        self._recipes: dict[Any, Recipe] = {}
        self._last: Recipe | None = None

    def results(self, quantities: tuple[str, ...], x: Any, y: Any, reduction: str) -> tuple[Array, ...] | None:
        """Return results the short way, or None where there is none, or none yet."""
        if type(x) is not np.ndarray or type(reduction) is not str:
            return None
        recipe = self._last
        # Mostly a call is like the one before, which takes less to find out than to look it up.
        if not (
            recipe is not None
            and recipe.quantities is quantities
            and recipe.dtype is x.dtype
            and recipe.shape == x.shape
            and recipe.reduction == reduction
            and recipe.thread == get_ident()
            and (
                (type(y) is np.ndarray and recipe.y_dtype is y.dtype and recipe.y_shape == y.shape)
                if recipe.labelled
                else y is None
            )
        ):
            recipe = self._last = self._recipes.get(_key(quantities, x, y, reduction))
        if recipe is None or not x.flags.c_contiguous or choice.engine() is None:
            return None
        if y is not None and not (type(y) is np.ndarray and y.flags.c_contiguous):
            return None
        return recipe(x, y)

    def learn(self, quantities: tuple[str, ...], x: Any, y: Any, reduction: str, call: Call) -> None:
        """Keep the recipe of a call that had to go the long way, if there is a short one."""
        plan = call.plan(quantities)
        if plan is None or type(x) is not np.ndarray or not (y is None or type(y) is np.ndarray):
            return
        key = _key(quantities, x, y, reduction)
        if key in self._recipes:
            return  # it was not for this call: a result needed NumPy
        if len(self._recipes) >= _KINDS:
            self._recipes.clear()
            self._last = None
        self._recipes[key] = Recipe(call, plan, quantities, x, y, reduction)


def _key(quantities: tuple[str, ...], x: Array, y: Any, reduction: str) -> Any:
    """Return what calls of one kind have in common; a recipe serves one thread."""
    if type(y) is np.ndarray:
        return quantities, x.shape, x.dtype, y.shape, y.dtype, reduction, get_ident()
    return quantities, x.shape, x.dtype, reduction, get_ident()
