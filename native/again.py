"""The short way for calls that look like an earlier one: same form, shapes, dtypes, no options.

What the first such call found out (which kernel, which checks, the layout of its arguments) is kept a thread, so
that a small call spends its time in the kernel. Labels are checked every time.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from . import choice
from .rounding import Array

if TYPE_CHECKING:
    from .call import Call
    from .work import Repeat

#: elements above which what can be saved is not worth it
SMALL = 1 << 16
#: kinds of calls kept a form
_KINDS = 64


class Recipe:
    """A kind of call: its kernel, its checks, and arguments that lack only the addresses of the arrays."""

    def __init__(self, call: Call, repeat: Repeat, quantities: tuple[str, ...]) -> None:
        """Take over from a call that was one kernel on fixed arrays."""
        plan = repeat.plan
        self._kernel, (self._arguments,) = plan.kernel, plan.arguments
        self._check, self._checked = None, plan.arguments[0]
        if repeat.check is not None:
            self._check, (self._checked,) = repeat.check.kernel, repeat.check.arguments
        self._held = plan.flags, plan.held[-1]
        self._outputs = [(call.shape(q), call.dtype, _PLACES[q]) for q in quantities]

    def __call__(self, x: Array, y: Array | None) -> tuple[Array, ...] | None:
        """Return the results, or None where a label is wrong or a result needs NumPy."""
        arguments = self._arguments
        arguments[0] = x.__array_interface__["data"][0]
        if y is not None:
            arguments[1] = place = y.__array_interface__["data"][0]
            if self._check is not None:
                self._checked[0] = place
                if self._check(self._checked):
                    return None
        results = []
        for shape, dtype, at in self._outputs:
            result = np.empty(shape, dtype)
            arguments[at] = result.__array_interface__["data"][0]
            results.append(result)
        return None if self._kernel(arguments) else tuple(results)


_PLACES = {"value": 7, "grad": 9, "hess": 10}


class Memory:
    """The recipes of one form."""

    def __init__(self) -> None:
        """Start with none."""
        self._recipes: dict[Any, Recipe | None] = {}

    def find(self, quantities: tuple[str, ...], x: Any, y: Any) -> tuple[Any, Recipe | None]:
        """Return the key of a kind of call, None where there is no short way for it, and its recipe if known."""
        usual = type(x) is np.ndarray and x.size <= SMALL and x.flags.c_contiguous
        if not usual or choice.engine() is None:
            return None, None
        if y is None:
            key: Any = (quantities, x.shape, x.dtype, get_ident())
        elif type(y) is np.ndarray and y.flags.c_contiguous:
            key = (quantities, x.shape, x.dtype, y.shape, y.dtype, get_ident())
        else:
            return None, None
        return key, self._recipes.get(key)

    def learn(self, key: Any, call: Call, quantities: tuple[str, ...]) -> None:
        """Keep the recipe of a call, if it has one."""
        repeat = call.repeat(quantities)
        if repeat is None:
            return
        if len(self._recipes) >= _KINDS:
            self._recipes.clear()
        self._recipes[key] = Recipe(call, repeat, quantities)
