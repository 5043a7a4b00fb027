"""The short way for calls that look like an earlier one: same form, shapes, dtypes, reduction, no options.

What the first such call found out (which kernel, the layout of its arguments) is kept a thread, so that a call spends
its time in the kernel. Labels are checked every time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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

    def __init__(self, call: Call, plan: Plan, quantities: tuple[str, ...]) -> None:
        """Take over from a call that was one kernel on fixed arrays."""
        from .compiled import shared

        plan.checking()
        self._place: Callable[[Array], int] = id if plan.by_object() else address
        self._arguments = plan.arguments
        self._run: Callable[[], int] = partial(shared, plan.kernel, plan.arguments)
        self._held = plan.own
        self._labels = plan.labels
        self._outputs = [(call.shape(q), call.dtype, None if call.summed(q) else _PLACES[q]) for q in quantities]
        self._reduce = call.reducing(plan)
        if plan.sums is not None:
            for arguments in plan.arguments:
                arguments[_PLACES["value"]] = self._place(plan.sums[0])
        self._busy = False

    def __call__(self, x: Array, y: Array | None) -> tuple[Array, ...] | None:
        """Return the results, or None where a label is wrong or a result needs NumPy."""
        if self._busy:  # called from within itself, by a finalizer or a signal handler
            return None
        self._busy = True
        place = self._place
        try:
            if y is not None and self._labels is not None:
                copied(y, self._labels)
                y = self._labels
            results = tuple([np.empty(shape, dtype) for shape, dtype, _ in self._outputs])
            for arguments in self._arguments:
                arguments[_X] = place(x)
                if y is not None:
                    arguments[_Y] = place(y)
                for result, (_, _, at) in zip(results, self._outputs, strict=True):
                    if at is not None:
                        arguments[at] = place(result)
            if self._run() or (self._reduce is not None and self._reduce(results[0])):
                return None
            return results
        finally:
            self._busy = False


#: where arrays stand among `kernels.ARGUMENTS`
_X, _Y = 0, 1
_PLACES = {"value": 7, "grad": 9, "hess": 10}


class Memory:
    """The recipes of one form."""

    def __init__(self) -> None:
        """Start with none."""
        self._recipes: dict[Any, Recipe] = {}

    def results(self, quantities: tuple[str, ...], x: Any, y: Any, reduction: str) -> tuple[Array, ...] | None:
        """Return results the short way, or None where there is none, or none yet."""
        if type(x) is not np.ndarray or type(reduction) is not str:
            return None
        recipe = self._recipes.get(_key(quantities, x, y, reduction))
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
        self._recipes[key] = Recipe(call, plan, quantities)


def _key(quantities: tuple[str, ...], x: Array, y: Any, reduction: str) -> Any:
    """Return what calls of one kind have in common; a recipe serves one thread."""
    if type(y) is np.ndarray:
        return quantities, x.shape, x.dtype, y.shape, y.dtype, reduction, get_ident()
    return quantities, x.shape, x.dtype, reduction, get_ident()
