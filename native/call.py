"""One checked call of a form: binds the arguments, computes, reduces, rounds once, writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import check
from .direct import Direct
from .options import COMMON, Options
from .rounding import Array
from .work import Work

if TYPE_CHECKING:
    from .form import Form
    from .plan import Plan


def _more() -> bool:
    """There is more to compute than one kernel does."""
    return True


class Call:
    """A form bound to its arguments, checked and reusable.

    Calling it gives the value; `grad`, `value_and_grad` and `hess_diag` the rest. Every use reads the bound
    arrays anew, so new logits, labels or sample weights may be written into them in between; shapes, dtypes and
    options are checked once, the contents of labels and sample weights each time. Results go to the bound output
    buffers, allocated at first use where none was given: the same array is returned every time, so copy what
    must be kept. An argument that is not an array (a list, a number) is converted when bound.
    """

    def __init__(
        self,
        form: Form,
        x: npt.ArrayLike,
        y: npt.ArrayLike | None,
        reduction: str,
        threads: int | None,
        grad_out: npt.ArrayLike | None,
        options: Mapping[str, object],
        *,
        value: Array | None = None,
        grad: Array | None = None,
        hess: Array | None = None,
    ) -> None:
        """Check and bind the arguments; value, grad and hess are output buffers or None."""
        name = self.name = form.name
        self._form = form
        given = check.floats(f"{name}: {form.argument}", x)
        self._axis = -1
        known = (*form.options, *(COMMON if form.labels else ()))
        if form.rows:
            known = (*known, "axis")
            if given.ndim:
                self._axis = check.axis(f"{name}: axis", options.get("axis", -1), given.ndim)
        self._x = self._turned(given)
        shape = self._x.shape
        if form.rows and (not shape or shape[-1] == 0):
            raise ValueError(f"{name}: {form.argument}: got shape {given.shape}; wants (..., K) with K >= 1")
        dtype = given.dtype.newbyteorder("=")
        leading = shape[:-1] if form.rows else shape
        self._y = self._labels_like(y, given.shape, leading) if form.labels else None
        check.choice(f"{name}: reduction", reduction, check.REDUCTIONS)
        check.threads(name, threads)
        classes = shape[-1] if form.rows else 1
        bound = Options(name, known, options, classes, leading)

        kept = given.shape if form.vector or not form.rows else leading
        reduced = (classes,) if form.vector else ()
        self._shapes = {"value": kept if reduction == "none" else reduced, "grad": given.shape, "hess": given.shape}
        self._cotangent = None
        if grad_out is not None:
            self._cotangent = check.numbers(f"{name}: grad_out", grad_out)
            check.same_shape(f"{name}: grad_out", self._cotangent, self._shapes["value"], "the shape of the value")
        self._buffers: dict[str, Array] = {}
        self._plans: dict[tuple[str, ...], Plan | None] = {}
        self._ready: dict[tuple[str, ...], tuple[Callable[[], object], tuple[Array, ...]]] = {}
        self._given = given
        self.dtype = dtype
        for quantity, out in (("value", value), ("grad", grad), ("hess", hess)):
            if out is not None:
                self._bind(quantity, out, bound)
        turned = self._cotangent
        if turned is not None and form.vector and reduction == "none":
            turned = self._turned(turned)
        #: what computes
        self.work = Work(form, self._x, self._y, prod(leading), bound, reduction, threads, turned, self._axis)
        self.direct = Direct(self.work)

    @classmethod
    def of_pair(
        cls,
        form: Form,
        x: npt.ArrayLike,
        y: npt.ArrayLike | None,
        reduction: str,
        threads: int | None,
        grad_out: npt.ArrayLike | None,
        options: Mapping[str, object],
        out: object,
    ) -> Call:
        """Bind with the output buffers given as a pair (value, gradient) or None."""
        value, grad = check.pair(form.name, out)
        return cls(form, x, y, reduction, threads, grad_out, options, value=value, grad=grad)

    def __call__(self) -> Array:
        """Return the value."""
        return self.results(("value",))[0]

    def grad(self) -> Array:
        """Return the gradient."""
        return self.results(("grad",))[0]

    def value_and_grad(self) -> tuple[Array, Array]:
        """Return (value, gradient)."""
        return self.results(("value", "grad"))  # type: ignore[return-value]

    def hess_diag(self) -> Array:
        """Return the diagonal of the second derivative."""
        return self.results(("hess",))[0]

    def _turned(self, array: Array) -> Array:
        """Return an array of z's shape with the class axis last."""
        return array if self._axis in (-1, array.ndim - 1) else np.moveaxis(array, self._axis, -1)

    def _labels_like(self, y: npt.ArrayLike | None, shape: tuple[int, ...], leading: tuple[int, ...]) -> Array:
        where = f"{self._form.name}: y"
        if self._form.labels == "classes":
            array = check.class_labels(where, y, shape, leading, self._form.argument)
        else:
            array = check.numbers(where, y)
            check.same_shape(where, array, shape, f"the shape of {self._form.argument}")
        return self._turned(array) if array.shape == shape else array

    def _bind(self, quantity: str, out: Array, options: Options) -> None:
        where = f"{self._form.name}: out" + (" (gradient)" if quantity == "grad" and self._buffers else "")
        check.buffer(where, out, self._shapes[quantity], self.dtype)
        others = [(self._given, self._form.argument), (self._y, "y"), (self._cotangent, "grad_out")]
        others += [(options.sample_weight, "sample_weight")]
        others += [(bound, f"the buffer of the {kind}") for kind, bound in self._buffers.items()]
        for other, name in others:
            if other is not None:
                check.apart(where, out, other, name)
        self._buffers[quantity] = out

    def results(self, quantities: tuple[str, ...]) -> tuple[Array, ...]:
        """Return quantities, "value", "grad" or "hess"."""
        ready = self._ready.get(quantities)
        compute, results = ready or self._bound(quantities)
        if compute():
            self.work.run(quantities)
        return results

    def _bound(self, quantities: tuple[str, ...]) -> tuple[Callable[[], object], tuple[Array, ...]]:
        """Allocate what buffers are missing, and find the short way to compute, if there is one.

        Return what computes, which gives something true where the long way is left, and the results.
        """
        for quantity in quantities:
            if quantity not in self._buffers:
                self._buffers[quantity] = np.empty(self._shapes[quantity], self.dtype)
            out = self._buffers[quantity]
            turned = self._turned(out) if out.shape == self._given.shape and self._form.rows else out
            self.work.bind(quantity, turned)
        plan = self._plans[quantities] = self.direct.plan(quantities)
        compute = self.direct.repeat(plan) if plan is not None else _more
        ready = self._ready[quantities] = compute, tuple(self._buffers[q] for q in quantities)
        return ready

    def plan(self, quantities: tuple[str, ...]) -> Plan | None:
        """Return the kernel call that computed quantities, or None where there is more to do than that."""
        return self._plans.get(quantities)

    def shape(self, quantity: str) -> tuple[int, ...]:
        """Return the shape of a result."""
        return self._shapes[quantity]
