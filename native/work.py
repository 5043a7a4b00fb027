"""What one use of a call does: read the inputs, compute block by block, weigh, reduce, round, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import choice, labels, pair
from .labels import Labels
from .options import Options
from .pair import Number, Pair
from .rounding import F64, Array, round_to
from .total import Denominator, Total, reduced
from .use import Use, on_kernels, on_numpy, silenced

if TYPE_CHECKING:
    from .compiled import Plan
    from .form import Form

#: elements computed at once by NumPy: the temporaries of a formula stay within a core's cache
_BLOCK = 8192
#: and by a kernel, where something is left to do for NumPy: with values alone, or with labels to be made too
_LARGE, _LABELS = 1 << 20, 1 << 16
#: elements whose values a kernel adds up before they are written: a multiple of every kernel's vectors
_GROUP = 8192


class Work:
    """The inputs of a call, class axis last, and its bound outputs."""

    def __init__(
        self,
        form: Form,
        x: Array,
        y: Array | None,
        cases: int,
        options: Options,
        reduction: str,
        threads: int | None,
        cotangent: Array | None,
    ) -> None:
        """Take checked arguments; x, y and cotangent have the class axis last."""
        self.form, self.x, self.y, self.options = form, x, y, options
        self.formula = form.normalized if options.normalized else form.formula
        self.reduction, self.threads, self.cotangent = reduction, threads, cotangent
        self.cases = cases
        self.classes = x.shape[-1] if form.rows else 1
        self.flat = (cases, self.classes) if form.rows else (cases,)
        self.by_index = y is not None and form.rows and y.ndim < x.ndim
        self.dtype = x.dtype.newbyteorder("=")
        self.outputs: dict[str, Array] = {}

    @property
    def wide(self) -> bool:
        """Whether the arithmetic is that of pairs."""
        return self.dtype == np.float64

    def bind(self, quantity: str, out: Array) -> None:
        """Take the array, class axis last, that a quantity is written to."""
        self.outputs[quantity] = out

    def run(self, quantities: tuple[str, ...]) -> None:
        """Compute and write quantities."""
        with np.errstate(all="ignore"):  # infinities, NaN and underflow are legal and defined here
            self._run(quantities)

    def plan(self, quantities: tuple[str, ...]) -> Plan | None:
        """Return the call as one kernel on the arrays themselves, or None where there is more to do.

        The kernel reads the bound arrays and writes the outputs, or sums of groups of cases; integer labels are copied
        to a format that it reads. Nothing else may have to be converted or weighed. It does not look at the labels.
        """
        compiled, options = choice.engine(), self.options
        lone = self.cotangent is None and options.sample_weight is None and options.ignore is None
        if compiled is None or not lone or not options.plain:
            return None
        if self.reduction != "none" and (self.form.vector or options.denominator != "N" or self.averaged):
            return None
        arrays = [self.x, *([] if self.y is None else [self.y]), *(self.outputs[q] for q in quantities)]
        if not all(a.flags.c_contiguous and a.dtype.isnative for a in arrays) or not self.cases:
            return None
        from .compiled import Inputs, Outputs

        x = self.x.reshape(self.flat)
        outputs = Outputs({q: self.outputs[q].reshape(self._shape(q)) for q in quantities if not self.summed(q)})
        if self.summed("value") and "value" in quantities:
            outputs.group = max(1, _GROUP // self.classes)
            outputs.value = "sums"
            outputs.arrays["value"], outputs.low = np.empty((2, -(-self.cases // outputs.group)))
        elif self.averaged:
            outputs.value = "averaged"
        variant = "normalized" if options.normalized else ""
        inputs = Inputs(x)
        own = None
        if self.y is not None:
            stored = self._stored()
            if stored is None:
                return None
            own = None if stored is self.y else stored
            y = stored.reshape(-1 if self.by_index else self.flat)
            inputs = Inputs(x, "index" if self.by_index else "plain", (y,))
        if quantities != ("value",):
            cases = Pair(np.float64(self.cases), np.float64(0.0))
            inputs.factor = self._factor(cases if self.reduction == "mean" else None)
        plan = compiled.plan(self.form.name, variant, quantities, self.form.rows, inputs, outputs, self.threads)
        plan.labels = own
        return plan

    def _stored(self) -> Array | None:
        """Return the labels as a kernel reads them: themselves, memory that they can be copied to, or None.

        Integers that are labels of their kind are so in every format, and others are not made to be: all but masses.
        """
        y, wanted = self.y, np.dtype(np.int64) if self.by_index else self.dtype
        assert y is not None
        if y.dtype == wanted:
            return y
        exact = self.form.labels != "classes" or self.by_index or (y.dtype.itemsize < 4 and wanted.itemsize >= 4)
        return np.empty(y.shape, wanted) if y.dtype.kind in "iub" and exact else None

    def repeat(self, plan: Plan) -> Callable[[], int]:
        """Return what computes by a plan, labels checked before anything is written; it gives 0 where all went well.

        Else a label is wrong or a result needs NumPy: then `run` is to be used. Threads may not write before the
        labels of all of them are known to be right, so these are looked at in a pass of their own.
        """
        compiled = choice.engine()
        call = plan.call()
        if self.y is not None and compiled is not None:
            if len(plan.arguments) == 1:
                plan.checking()
            else:
                y = (self.y if plan.labels is None else plan.labels).reshape(-1 if self.by_index else self.flat)
                kind = "index" if self.by_index else self.form.labels
                call = in_turn(compiled.check(y, kind, self.classes, self.threads), call)
            if plan.labels is not None:
                call = in_turn(partial(copied, self.y, plan.labels), call)
        if plan.sums is not None:
            call = in_turn(call, partial(self.reduced, *plan.sums, self.outputs["value"]))
        return call

    @property
    def averaged(self) -> bool:
        """Whether the value of a case is the mean of its neurons, not their sum."""
        return self.options.over == "mean"

    def summed(self, quantity: str) -> bool:
        """Whether a quantity is one number for all cases."""
        return quantity == "value" and self.reduction != "none"

    def reduced(self, high: F64, low: F64, out: Array) -> int:
        """Write the sum or mean of the sums of groups; return 0, or 1 where they are not finite."""
        result = reduced(high, low, self.cases if self.reduction == "mean" else 1)
        if result is None:
            return 1
        # NumPy rounds a number of float32's or float64's range as it is stored.
        direct = self.dtype.itemsize >= 4 and abs(result) < 1e38
        out[...] = result if direct else round_to(np.asarray(result), self.dtype)
        return 0

    def _run(self, quantities: tuple[str, ...]) -> None:
        name, form = self.form.name, self.form
        y = labels.read(f"{name}: y", self.y, form.labels, self.by_index, self.flat, form.rows, self.options)
        samples = self.options.read_sample_weight(name)
        x = np.ascontiguousarray(self.x, dtype=self.dtype).reshape(self.flat)
        denominator = self._denominator(y, samples) if self.reduction == "mean" else None
        reduced = self.reduction != "none" and "value" in quantities
        total = Total((self.classes,) if form.vector else ())
        targets = {q: self._target(q) for q in quantities if not (q == "value" and reduced)}
        use = Use(self, quantities, x, y, samples, self._factor(denominator), targets)
        compiled = choice.engine()
        for block in self._blocks(compiled is not None, use):
            value = on_kernels(use, block, compiled) if compiled and use.compiles else on_numpy(use, block)
            if value is None:
                continue
            value = silenced(self.weighed(value, self.row_weights(y, samples, block)), use.ignored(block))
            if reduced:
                total.add(_wide(value))
            else:
                targets["value"][block] = round_to(np.asarray(pair.rounded(value)), self.dtype)
        for q, target in targets.items():
            self._deliver(q, target)
        if reduced:
            self.outputs["value"][...] = round_to(total.result(denominator), self.dtype)

    def _blocks(self, compiled: bool = False, use: Use | None = None) -> Iterator[slice]:
        size = _BLOCK
        if compiled and use is not None:
            size = _LARGE if use.stored else _LABELS
        step = max(1, size // self.classes)
        if compiled and use is not None and use.direct:
            step = max(1, self.cases)
        for start in range(0, self.cases, step):
            yield slice(start, min(start + step, self.cases))

    def row_weights(self, y: Labels, samples: F64 | None, block: Any) -> Pair | None:
        """What the values of a block are multiplied with: sample weight times class weight of an index."""
        weights = y.row_weights(block)
        if samples is None:
            return weights
        here = samples[block]
        return Pair(here, np.zeros_like(here)) if weights is None else weights * here

    def _denominator(self, y: Labels, samples: F64 | None) -> Pair:
        """The number of cases that are not ignored, or the sum of their weights."""
        kept = self.cases if y.ignored is None else self.cases - int(np.count_nonzero(y.ignored))
        if self.options.denominator == "N" or not self.cases:
            count = np.float64(kept) if self.cases else np.float64(np.nan)
            return Pair(count, np.float64(0.0))
        sums = Denominator()
        sums.rows = self.cases
        for block in self._blocks():
            weights = y.masses(block)
            here = np.ones(block.stop - block.start) if samples is None else samples[block]
            product = Pair(here, np.zeros_like(here)) if weights is None else weights * here
            sums.add(silenced(product, None if y.ignored is None else y.ignored[block]))
        return sums.result()

    def _factor(self, denominator: Pair | None) -> Pair | None:
        """What all derivatives are multiplied with: 1/denominator, 1/K for a mean over neurons."""
        factor = None
        if denominator is not None:
            zero = denominator.high == 0.0
            inverse = Pair(np.float64(1.0), np.float64(0.0)) / denominator
            factor = Pair(np.float64(0.0), np.float64(0.0)) if zero else inverse
        if self.averaged:
            part = Pair(np.float64(1.0), np.float64(0.0)) / np.float64(self.classes)
            factor = part if factor is None else factor * part
        return factor

    def weighed(self, value: Number, weights: Pair | None) -> Number:
        """A value times its weights, over K for a mean over neurons. A weight of 0 silences all but NaN."""
        wide = _wide(value)
        if self.averaged:
            wide = _over(wide, np.float64(self.classes))
        if weights is None:
            return wide if isinstance(value, Pair) or self.averaged else value
        if wide.high.ndim == 2:
            weights = Pair(weights.high[:, None], weights.low[:, None])
        product = _finite(wide * weights, wide.high * weights.high)
        zero = (weights.high == 0.0) & ~np.isnan(wide.high)
        return Pair(np.where(zero, 0.0, product.high), np.where(zero, 0.0, product.low))

    def cotangents(self) -> F64 | None:
        """The cotangent as float64, a case first."""
        if self.cotangent is None:
            return None
        wide = np.asarray(self.cotangent, dtype=np.float64, order="C")
        if self.form.vector:
            return np.ascontiguousarray(np.broadcast_to(wide.reshape(-1, self.classes), self.flat))
        return np.broadcast_to(wide.reshape(-1), (self.cases,))

    def _shape(self, quantity: str) -> tuple[int, ...]:
        return self.flat if self.formula.kept(quantity) else self.flat[:1]

    def _target(self, quantity: str) -> Array:
        """Where blocks are written: the output itself if it can be flattened, else a temporary."""
        out = self.outputs[quantity]
        shape = self._shape(quantity)
        return out.reshape(shape) if out.flags.c_contiguous else np.empty(shape, self.dtype)

    def _deliver(self, quantity: str, target: Array) -> None:
        out = self.outputs[quantity]
        if not out.flags.c_contiguous:
            out[...] = target.reshape(out.shape)


def copied(y: Array, to: Array) -> int:
    """Copy labels to memory of another format; return 0."""
    with np.errstate(all="ignore"):
        np.copyto(to, y, casting="unsafe")
    return 0


def in_turn(first: Callable[[], int], second: Callable[[], int]) -> Callable[[], int]:
    """Return what calls both, the second where the first gives 0, and gives what is not 0."""
    return lambda: first() or second()


def _wide(x: Number) -> Pair:
    return x if isinstance(x, Pair) else Pair(x, np.zeros_like(x))


def _finite(x: Pair, plain: Any) -> Pair:
    """A pair, and the plain result where pairs have none."""
    good = np.isfinite(x.high + x.low)
    return Pair(np.where(good, x.high, plain), np.where(good, x.low, 0.0))


def _over(x: Pair, divisor: np.float64) -> Pair:
    return _finite(x / divisor, x.high / divisor)
