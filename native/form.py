"""What a user calls: one object a form, with value, gradient and second derivative.

`Loss` takes logits or probabilities and labels, `Block` takes logits alone. Both only turn their
arguments into a `Call`, which checks, computes and rounds.

Arguments that all methods share:

- z (x for a `Block`): float16, bfloat16, float32 or float64 array with any strides. Results have its dtype.
- y: labels. Floats of any of these dtypes, integers or booleans, evaluated at their stored bits.
- reduction: "none" gives one value a case; "sum"; "mean" = sum / denominator. Leading axes are cases. Sums are
  accumulated in pairs of float64 and rounded once. Of no case at all the sum is 0 and the mean NaN.
- out: array of the result's shape and dtype that shares no memory with the inputs; written after all checks.
- threads: None or an int >= 1, how many threads may share the rows. Results do not depend on it. (A value alone, or a
  gradient alone, may differ in its last bit from one of `value_and_grad`: both are within the bound.)
- axis, for forms with a class axis: which axis of z that is; the last by default.
- options of the forms, and of all losses sample_weight and denominator: see `options`.

The gradient under "none" and "sum" is that of the sum of the values, under "mean" that of their mean; so is
`hess_diag`, the second derivatives d2/dz_k2. `grad_out`, of the shape of the value, is a cotangent: it
multiplies the gradient of each case (0 silences an infinite gradient, not a NaN). For softmax and
log_softmax, whose value has a class axis, derivatives are those of component 0; there `grad_out` weighs the
components instead. All results are arrays, 0-d for one number.

Raises TypeError for wrong types and dtypes, ValueError for wrong shapes and contents, before anything is
written.
"""

from __future__ import annotations

from typing import ClassVar

import numpy.typing as npt

from . import check
from .again import Memory
from .call import Call
from .formula import Formula
from .recipe import More
from .rounding import Array

Pair = tuple[Array, Array]
MaybePair = tuple[Array | None, Array | None] | None


class Form:
    """A form: its name, its formula, and how its arguments look."""

    name: ClassVar[str]
    #: symbol of the first argument in messages: z logit, q or p probability, x input of a building block
    argument: ClassVar[str] = "z"
    formula: ClassVar[Formula]
    #: the formula under the option of that name
    normalized: ClassVar[Formula]
    #: kind of labels, a key of check.RANGES; "" for none
    labels: ClassVar[str] = ""
    #: the last axis of the first argument is a class (or sample) axis
    rows: ClassVar[bool] = False
    #: the value keeps that axis
    vector: ClassVar[bool] = False
    #: names of the options that the form takes, beyond those that all take
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        """Start without a memory of calls."""
        self._memory = Memory()

    def _again(
        self, quantities: tuple[str, ...], x: npt.ArrayLike, y: npt.ArrayLike | None, reduction: str
    ) -> tuple[Array, ...]:
        """Compute with default arguments, the short way where an earlier call was of the same kind."""
        results = self._memory.results(quantities, x, y, reduction)
        if results is None:
            call = Call(self, x, y, reduction, None, None, {})
            results = call.results(quantities)
            self._memory.learn(quantities, x, y, reduction, call)
        return results

    def _again_with(
        self, quantities: tuple[str, ...], x: npt.ArrayLike, y: npt.ArrayLike | None, reduction: str, more: More
    ) -> tuple[Array, ...]:
        """Compute with other arguments, too."""
        results = self._memory.results_with(quantities, x, y, reduction, more)
        if results is None:
            value, grad = more.out
            call = Call(
                self, x, y, reduction, more.threads, more.grad_out, more.options, value=value, grad=grad
            )
            results = call.results(quantities)
            self._memory.learn(quantities, x, y, reduction, call, more)
        return results

    def __repr__(self) -> str:
        """Return the public name."""
        return f"lossbench.native.{self.name}"


class Loss(Form):
    """A form of (z, y); see the module's text for the arguments."""

    def __call__(
        self,
        z: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: Array | None = None,
        threads: int | None = None,
        **options: object,
    ) -> Array:
        """Return the value: one a case, or reduced."""
        if out is None and threads is None and not options:
            return self._again(("value",), z, y, reduction)[0]
        more = More(threads, None, (out, None), options)
        return self._again_with(("value",), z, y, reduction, more)[0]

    def grad(
        self,
        z: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: Array | None = None,
        threads: int | None = None,
        grad_out: npt.ArrayLike | None = None,
        **options: object,
    ) -> Array:
        """Return the gradient in z, shape of z."""
        if out is None and threads is None and grad_out is None and not options:
            return self._again(("grad",), z, y, reduction)[0]
        more = More(threads, grad_out, (None, out), options)
        return self._again_with(("grad",), z, y, reduction, more)[0]

    def value_and_grad(
        self,
        z: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: MaybePair = None,
        threads: int | None = None,
        grad_out: npt.ArrayLike | None = None,
        **options: object,
    ) -> Pair:
        """Return (value, gradient); out is a pair of arrays, either may be None."""
        if out is None and threads is None and grad_out is None and not options:
            return self._again(("value", "grad"), z, y, reduction)  # type: ignore[return-value]
        more = More(threads, grad_out, check.pair(self.name, out), options)
        return self._again_with(("value", "grad"), z, y, reduction, more)  # type: ignore[return-value]

    def hess_diag(
        self,
        z: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: Array | None = None,
        threads: int | None = None,
        **options: object,
    ) -> Array:
        """Return the diagonal of the second derivative in z, shape of z."""
        return Call(self, z, y, reduction, threads, None, options, hess=out).hess_diag()

    def prepare(
        self,
        z: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: MaybePair = None,
        threads: int | None = None,
        grad_out: npt.ArrayLike | None = None,
        **options: object,
    ) -> Call:
        """Return a checked, reusable call on these buffers; out is the pair (value, gradient).

        It computes with the implementation of its first use, see `using`.
        """
        return Call.of_pair(self, z, y, reduction, threads, grad_out, options, out)


class Block(Form):
    """A building block, a form of x alone; see the module's text for the arguments."""

    argument = "x"

    def __call__(
        self,
        x: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: Array | None = None,
        threads: int | None = None,
        **options: object,
    ) -> Array:
        """Return the value: one a case, or reduced."""
        if out is None and threads is None and not options:
            return self._again(("value",), x, None, reduction)[0]
        more = More(threads, None, (out, None), options)
        return self._again_with(("value",), x, None, reduction, more)[0]

    def grad(
        self,
        x: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: Array | None = None,
        threads: int | None = None,
        grad_out: npt.ArrayLike | None = None,
        **options: object,
    ) -> Array:
        """Return the gradient in x, shape of x."""
        if out is None and threads is None and grad_out is None and not options:
            return self._again(("grad",), x, None, reduction)[0]
        more = More(threads, grad_out, (None, out), options)
        return self._again_with(("grad",), x, None, reduction, more)[0]

    def value_and_grad(
        self,
        x: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: MaybePair = None,
        threads: int | None = None,
        grad_out: npt.ArrayLike | None = None,
        **options: object,
    ) -> Pair:
        """Return (value, gradient); out is a pair of arrays, either may be None."""
        if out is None and threads is None and grad_out is None and not options:
            return self._again(("value", "grad"), x, None, reduction)  # type: ignore[return-value]
        more = More(threads, grad_out, check.pair(self.name, out), options)
        return self._again_with(("value", "grad"), x, None, reduction, more)  # type: ignore[return-value]

    def hess_diag(
        self,
        x: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: Array | None = None,
        threads: int | None = None,
        **options: object,
    ) -> Array:
        """Return the diagonal of the second derivative in x, shape of x."""
        return Call(self, x, None, reduction, threads, None, options, hess=out).hess_diag()

    def prepare(
        self,
        x: npt.ArrayLike,
        *,
        reduction: str = "none",
        out: MaybePair = None,
        threads: int | None = None,
        grad_out: npt.ArrayLike | None = None,
        **options: object,
    ) -> Call:
        """Return a checked, reusable call on this buffer; out is the pair (value, gradient).

        It computes with the implementation of its first use, see `using`.
        """
        return Call.of_pair(self, x, None, reduction, threads, grad_out, options, out)
