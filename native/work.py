"""What one use of a call does: read the inputs, compute block by block, weigh, reduce, round, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, reduce
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from . import choice, labels, pair
from .labels import Labels
from .options import Options
from .pair import Number, Pair
from .rounding import F64, Array, one_rounded, round_to
from .total import Denominator, Ratio, Total, quotient, ratio, reduced
from .use import Use, on_kernels, on_numpy, silenced

if TYPE_CHECKING:
    from .compiled import Copy, Inputs, Plan
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

        The kernel reads the bound arrays and writes the outputs, or sums of groups of cases. What it cannot read is
        copied to a format that it reads, see `Plan.copies`. It does not look at the labels.
        """
        compiled = choice.engine()
        whole = not self.form.vector or (self.reduction == "none" and self.cotangent is None)
        outputs = [self.outputs[q] for q in quantities]
        simple = all(a.flags.c_contiguous and a.dtype.isnative for a in (self.x, *outputs))
        if compiled is None or not whole or not simple or not self.cases:
            return None
        from .compiled import Outputs

        copies: list[Copy] = []
        inputs = self._inputs(copies, quantities != ("value",))
        given = Outputs({q: self.outputs[q].reshape(self._shape(q)) for q in quantities if not self.summed(q)})
        if self.summed("value") and "value" in quantities:
            given.group = max(1, _GROUP // self.classes)
            given.value = "sums"
            given.arrays["value"], given.low = np.empty((2, -(-self.cases // given.group)))
        elif self.averaged:
            given.value = "averaged"
        name, rows = self.form.name, self.form.rows
        variant = "normalized" if self.options.normalized else ""
        plan = compiled.plan(name, variant, quantities, rows, inputs, given, self.threads)
        plan.copies, plan.divisor = copies, self._divisor((self.cases if self.reduction == "mean" else 1, 1))
        if self.reduction == "mean" and (masses := self._masses(inputs)) is not None:
            plan.mass = compiled.mass(name, rows, masses)
        return plan

    def _inputs(self, copies: list[Copy], derivatives: bool) -> Inputs:
        """Return the inputs of a kernel, and add the copies that some of them are."""
        from .compiled import Copy, Inputs

        def read(name: str, array: Array, *formats: np.dtype[Any], exact: bool = False) -> Array:
            if array.dtype in formats and array.flags.c_contiguous:
                return array.reshape(-1)
            copies.append(Copy(name, np.empty(array.shape, formats[0]), exact))
            return copies[-1].to.reshape(-1)

        double, options = np.dtype(np.float64), self.options
        inputs = Inputs(self.x.reshape(self.flat), ignore=options.ignore if self.by_index else None)
        if self.y is not None:
            inputs.kind, table = options.table(self.form.labels, self.by_index, self.classes)
            # Integers that are labels of a kind are so in every format, and others do not become any: all but masses.
            exact = not self.by_index and (self.form.labels == "classes" or self.y.dtype.kind not in "iub")
            y = read("y", self.y, np.dtype(np.int64) if self.by_index else self.dtype, exact=exact)
            inputs.labels = (y, *([] if table is None else [table]))
        inputs.weights.update(options.arrays(self.form.labels))
        given = (("weight", options.weight), ("pos_weight", options.pos_weight))
        copies += [Copy(name, array) for name, array in given if array is not None]
        if options.sample_weight is not None:
            inputs.weights["sample"] = read("sample_weight", options.sample_weight, double, self.dtype)
        if derivatives:
            inputs.factor = self._factor(np.float64(self.cases) if self.reduction == "mean" else None, self.cotangent)
            if self.cotangent is not None and self.reduction == "none":
                inputs.weights["cotangent"] = read("grad_out", self.cotangent, double, self.dtype)
        return inputs

    def _masses(self, inputs: Inputs) -> Inputs | None:
        """Return what adds up to the denominator of a mean; None where that is the number of cases."""
        from .compiled import Inputs

        weighs = self.options.denominator == "sum_w"
        names = [name for name in ("sample", "class") if weighs and name in inputs.weights]
        labelled = weighs and self.form.labels == "classes" and not self.by_index
        if not names and not labelled and inputs.ignore is None:
            return None
        masses = Inputs(inputs.x, weights={name: inputs.weights[name] for name in names}, ignore=inputs.ignore)
        if self.form.labels == "classes":
            masses.kind, masses.labels = "index" if self.by_index else "plain", inputs.labels[:1]
        return masses

    def repeat(self, plan: Plan) -> Callable[[], int]:
        """Return what computes by a plan, labels checked before anything is written; it gives 0 where all went well.

        Else a label is wrong or a result needs NumPy: then `run` is to be used. Threads may not write before the
        labels of all of them are known to be right, so these are looked at in a pass of their own.
        """
        steps: list[Callable[[], int]] = []
        bound = {"y": self.y, "sample_weight": self.options.sample_weight, "grad_out": self.cotangent}
        for copy in plan.copies:
            array = bound.get(copy.name)  # weights of classes are bound as they were
            steps += [] if array is None else [partial(copy, array)]
        if plan.mass is not None or (self.cotangent is not None and self.reduction != "none"):
            steps.append(partial(self.settle, plan, self.cotangent))
        if self.y is not None and plan.mass is None:
            if len(plan.arguments) == 1:
                plan.checking()
            else:
                steps.append(plan.verified)
        steps.append(plan.call())
        if plan.sums is not None:
            steps.append(partial(self.reduced, plan, self.outputs["value"]))
        return reduce(in_turn, steps)

    def settle(self, plan: Plan, cotangent: Array | None) -> int:
        """Find what a mean is divided by, and what derivatives are multiplied with.

        Return 0, or 1 where the long way is to be gone.
        """
        cases = (self.cases, 1) if self.reduction == "mean" else (1, 1)
        if plan.mass is not None:
            masses = plan.mass()
            if masses is None or not masses.high > 0.0:
                return 1
            cases = ratio(masses)
        plan.divisor = self._divisor(cases)
        if plan.factor:
            given = 1.0 if cotangent is None or self.reduction == "none" else float(cotangent)
            if not isfinite(given):
                return 1
            factor = quotient(given, plan.divisor)
            plan.factor[0][0], plan.factor[1][0] = factor.high, factor.low
        return 0

    def _divisor(self, cases: Ratio) -> Ratio:
        """Return what a sum is divided by."""
        return (cases[0] * self.classes, cases[1]) if self.averaged else cases

    @property
    def averaged(self) -> bool:
        """Whether the value of a case is the mean of its neurons, not their sum."""
        return self.options.over == "mean"

    def summed(self, quantity: str) -> bool:
        """Whether a quantity is one number for all cases."""
        return quantity == "value" and self.reduction != "none"

    def reduced(self, plan: Plan, out: Array) -> int:
        """Write the sum or mean of the sums of groups; return 0, or 1 where they are not finite."""
        assert plan.sums is not None
        result = reduced(*plan.sums, plan.divisor, exact=self.wide)
        if result is None:
            return 1
        out[...] = one_rounded(result, self.dtype)
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
        use = Use(self, quantities, x, y, samples, self._factor(denominator, self.cotangent), targets)
        compiled = choice.engine()
        for block in self._blocks(compiled is not None, use):
            value = on_kernels(use, block, compiled) if compiled and use.compiles else on_numpy(use, block)
            if value is None:
                continue
            value = silenced(value, use.ignored(block))
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

    def _factor(self, denominator: Number | None, cotangent: Array | None = None) -> Pair | None:
        """What all derivatives are multiplied with: 1/denominator, 1/K for a mean over neurons, one cotangent."""
        factor = None
        if denominator is not None:
            denominator = pair.as_pair(denominator)
            zero = denominator.high == 0.0
            inverse = Pair(np.float64(1.0), np.float64(0.0)) / denominator
            factor = Pair(np.float64(0.0), np.float64(0.0)) if zero else inverse
        if self.averaged:
            part = Pair(np.float64(1.0), np.float64(0.0)) / np.float64(self.classes)
            factor = part if factor is None else factor * part
        if cotangent is not None and self.reduction != "none" and not self.form.vector:
            given = Pair(np.float64(cotangent), np.float64(0.0))
            factor = given if factor is None else factor * given
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
        """The cotangents as float64, a case first; None where there is none a case."""
        if self.cotangent is None or (self.reduction != "none" and not self.form.vector):
            return None
        wide = np.asarray(self.cotangent, dtype=np.float64, order="C")
        if self.form.vector:
            return np.ascontiguousarray(np.broadcast_to(wide.reshape(-1, self.classes), self.flat))
        return wide.reshape(-1)

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
