"""The short way for calls that look like an earlier one: same form, shapes, dtypes, reduction and options.

What the first such call found out (which kernel, the layout of its arguments) is kept a thread, so that a call spends
its time in the kernel. What arrays hold is read, and labels and weights are checked, every time.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from .choice import asked
from .recipe import NOTHING, More, Recipe
from .rounding import EXACT, Array

if TYPE_CHECKING:
    from .call import Call

#: kinds of calls kept a form
_KINDS = 64
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
            or recipe.asked != asked()
        ):
            if type(x) is not np.ndarray or type(reduction) is not str:
                return None
            recipe = self._last = self._recipes.get(_key(quantities, x, y, reduction))
            if recipe is None or type(y) is not recipe.labels:
                return None
        if not x.flags.c_contiguous or (y is not None and not y.flags.c_contiguous):
            return None
        return recipe(x, y) if recipe.shortest is None else recipe.shortest(x, y)

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
        if recipe is None:
            return None
        if not x.flags.c_contiguous or not (y is None or y.flags.c_contiguous):
            return None
        if more.writes:
            recipe.refuse(x, y, more)
            value, grad = more.out
            if not (value is None or value.flags.c_contiguous) or not (grad is None or grad.flags.c_contiguous):
                return None
        return recipe(x, y, more) if recipe.shortest is None else recipe.shortest(x, y, *more.out)

    def learn(
        self, quantities: tuple[str, ...], x: Any, y: Any, reduction: str, call: Call, more: More = NOTHING
    ) -> None:
        """Keep the recipe of a call that had to go the long way, if there is a short one."""
        plan = call.plan(quantities)
        if plan is None or type(x) is not np.ndarray or not (y is None or type(y) is np.ndarray):
            return
        key = _key(quantities, x, y, reduction)
        if more is not NOTHING:
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
        return quantities, x.shape, x.dtype, y.shape, y.dtype, reduction, get_ident(), asked()
    return quantities, x.shape, x.dtype, reduction, get_ident(), asked()


def _described(more: More, reduced: bool) -> Any:
    """Return what calls with such arguments have in common, None where nothing can be said of them.

    Of arrays that is how they look; the one cotangent of a reduced value may be any number.
    """
    threads, grad_out, (value, grad), options = more
    if type(threads) not in (int, type(None)):
        return None
    parts: list[Any] = [threads, value is None, grad is None]
    if grad_out is not None:
        number = type(grad_out) is float or (type(grad_out) is int and abs(grad_out) < EXACT)
        parts.append("one" if number and reduced else _look(grad_out))
        if type(grad_out) is not np.ndarray and parts[-1] != "one":
            return None
    for name, option in options.items():
        look = _look(option)
        if look is None or (name == "sample_weight" and type(option) is not np.ndarray and option is not None):
            return None
        parts += (name, look)
    return tuple(parts)


def _look(x: Any) -> Any:
    if type(x) is np.ndarray:
        return x.shape, x.dtype, x.flags.c_contiguous
    return (type(x), x) if type(x) in _PLAIN else None
