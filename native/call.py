"""One checked call of a form: reads the inputs, computes in float64, reduces, rounds once, writes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import check
from .rounding import F64, Array, round_to
from .total import Total

if TYPE_CHECKING:
    from .form import Form

#: elements computed at once: the dozen float64 temporaries of a formula stay within a core's cache
_BLOCK = 16384


class Call:
    """A form bound to its arguments, checked and reusable.

    Calling it gives the value; `grad`, `value_and_grad` and `hess_diag` the rest. Every use reads the bound
    arrays anew, so new logits or labels may be written into them in between; shapes, dtypes and options are
    checked once, the contents of the labels each time. Results go to the bound output buffers, allocated at
    first use where none was given: the same array is returned every time, so copy what must be kept. An
    argument that is not an array (a list, a number) is converted when bound.
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
        name = form.name
        self._form = form
        self._x = check.floats(f"{name}: {form.argument}", x)
        shape = self._x.shape
        if form.rows and (not shape or shape[-1] == 0):
            raise ValueError(f"{name}: {form.argument}: got shape {shape}; wants (..., K) with K >= 1")
        self._dtype = self._x.dtype.newbyteorder("=")
        self._cases = prod(shape[:-1]) if form.rows else prod(shape)
        self._flat = (self._cases, shape[-1]) if form.rows else (self._cases,)
        self._y = self._labels_like(y) if form.labels else None
        check.choice(f"{name}: reduction", reduction, check.REDUCTIONS)
        self._reduction = reduction
        check.threads(name, threads)
        self._options = self._checked_options(options)

        kept = shape if form.vector or not form.rows else shape[:-1]
        reduced = shape[-1:] if form.vector else ()
        self._shapes = {"value": kept if reduction == "none" else reduced, "grad": shape, "hess": shape}
        self._cotangent = None
        if grad_out is not None:
            self._cotangent = check.numbers(f"{name}: grad_out", grad_out)
            check.same_shape(
                f"{name}: grad_out", self._cotangent, self._shapes["value"], "the shape of the value"
            )
        self._buffers: dict[str, Array] = {}
        for quantity, out in (("value", value), ("grad", grad), ("hess", hess)):
            if out is not None:
                self._bind(quantity, out)

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
        return self._run("value")[0]

    def grad(self) -> Array:
        """Return the gradient."""
        return self._run("grad")[0]

    def value_and_grad(self) -> tuple[Array, Array]:
        """Return (value, gradient)."""
        value, grad = self._run("value", "grad")
        return value, grad

    def hess_diag(self) -> Array:
        """Return the diagonal of the second derivative."""
        return self._run("hess")[0]

    def _labels_like(self, y: npt.ArrayLike | None) -> Array:
        where = f"{self._form.name}: y"
        if self._form.labels == "classes":
            return check.class_labels(where, y, self._x.shape, self._form.argument)
        array = check.numbers(where, y)
        check.same_shape(where, array, self._x.shape, f"the shape of {self._form.argument}")
        return array

    def _checked_options(self, options: Mapping[str, object]) -> dict[str, object]:
        known = self._form.options
        for option, got in options.items():
            if option not in known:
                wants = ", ".join(sorted(known)) or "none"
                raise TypeError(f"{self._form.name}: got an unknown option {option!r}; its options: {wants}")
            check.choice(f"{self._form.name}: {option}", got, known[option])
        return {option: options.get(option, allowed[0]) for option, allowed in known.items()}

    def _bind(self, quantity: str, out: Array) -> None:
        where = f"{self._form.name}: out" + (" (gradient)" if quantity == "grad" and self._buffers else "")
        check.buffer(where, out, self._shapes[quantity], self._dtype)
        others = [(self._x, self._form.argument), (self._y, "y"), (self._cotangent, "grad_out")]
        others += [(bound, f"the buffer of the {kind}") for kind, bound in self._buffers.items()]
        for other, name in others:
            if other is not None:
                check.apart(where, out, other, name)
        self._buffers[quantity] = out

    def _labels(self) -> Array | None:
        """Return the labels as float64, or as int64 indices, flattened to cases; contents checked."""
        if self._y is None:
            return None
        where = f"{self._form.name}: y"
        if self._form.rows and self._y.ndim < self._x.ndim:
            check.indices(where, self._y, self._flat[-1])
            return self._y.astype(np.int64).reshape(self._cases)
        y = self._y.astype(np.float64, order="C")  # sums over classes must not depend on strides
        check.contents(where, y, self._form.labels)
        return y.reshape(self._flat)

    def _run(self, *quantities: str) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):  # infinities, NaN and underflow are legal and defined here
            y = self._labels()
            x = self._x.reshape(self._flat)
            weight = self._weight()
            for quantity in quantities:
                if quantity not in self._buffers:
                    self._buffers[quantity] = np.empty(self._shapes[quantity], self._dtype)
            reduced = self._reduction != "none" and "value" in quantities
            unreduced = [q for q in quantities if not (q == "value" and reduced)]
            results = {q: self._flat_buffer(q) for q in unreduced}
            total = Total()
            step = max(1, _BLOCK // self._flat[-1]) if self._form.rows else _BLOCK
            for start in range(0, self._cases, step):
                block = slice(start, min(start + step, self._cases))
                state = self._form.formula.state(np.array(x[block], dtype=np.float64, order="C"))
                labels = () if y is None else (self._dense(y[block]),)
                if reduced:
                    total.add(self._form.formula.value(state, *labels, **self._options))
                for q in unreduced:
                    exact = self._quantity(q, state, labels, None if weight is None else weight[block])
                    results[q][block] = round_to(exact, self._dtype)
            for q in unreduced:
                if not self._buffers[q].flags.c_contiguous:
                    self._buffers[q][...] = results[q].reshape(self._shapes[q])
            if reduced:
                count = self._cases if self._reduction == "mean" else None
                exact = total.result(self._shapes["value"], count)
                self._buffers["value"][...] = round_to(exact, self._dtype)
        return tuple(self._buffers[q] for q in quantities)

    def _dense(self, y: Array) -> F64:
        """Return class indices as one-hot rows: index and one-hot labels then agree by construction."""
        if y.dtype.kind != "i":
            return y
        return np.asarray(y[:, None] == np.arange(self._flat[-1]), dtype=np.float64)

    def _weight(self) -> F64 | None:
        """Return the cotangent as float64, a case first: (n,), (n, 1), or (n, K) for vector-valued forms."""
        if self._cotangent is None:
            return None
        cotangent = self._cotangent.astype(np.float64, order="C")
        if self._form.vector:
            return np.broadcast_to(cotangent.reshape(-1, self._flat[-1]), self._flat)
        flat = np.broadcast_to(cotangent.reshape(-1), (self._cases,))
        return flat[:, None] if self._form.rows else flat

    def _quantity(self, quantity: str, state: Any, labels: tuple[F64, ...], weight: F64 | None) -> F64:
        """Return one unreduced quantity of a block, with cotangent and divisor of the mean applied."""
        formula = self._form.formula
        exact: F64
        if quantity == "value":
            exact = formula.value(state, *labels, **self._options)
            return exact
        if quantity == "hess":
            exact = formula.hess(state, *labels, **self._options)
        elif weight is not None and formula.vjp is not None:
            exact = formula.vjp(state, weight)
        else:
            exact = formula.grad(state, *labels, **self._options)
            if weight is not None:
                exact = np.where((weight == 0) & ~np.isnan(exact), 0.0, exact * weight)
        return exact / self._cases if self._reduction == "mean" else exact

    def _flat_buffer(self, quantity: str) -> Array:
        """Return where blocks are written: the buffer itself if it can be flattened, else a temporary."""
        buffer = self._buffers[quantity]
        flat = self._flat if quantity != "value" or self._form.vector else self._flat[:1]
        return buffer.reshape(flat) if buffer.flags.c_contiguous else np.empty(flat, self._dtype)
