"""The short way of a call: as one kernel on the arrays themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from . import choice
from .rounding import EXACT, Array, one_rounded
from .total import quotient, ratio, reduced

if TYPE_CHECKING:
    from .compiled import Inputs
    from .plan import Copy, Plan
    from .work import Work

#: elements whose values a kernel adds up before they are written; a multiple of such rows side by side
_GROUP, _SIDE = 8192, 16
#: beyond the largest int64
_LARGEST = 2**63


@dataclass(frozen=True)
class Rest:
    """What is left to do around a kernel, of the kind of a call: to divide and to round. It holds no arrays.

    mean, total: the reduction. parts: what the value of a case is divided by. exact: sums are those of float64.
    """

    cases: int
    mean: bool
    total: bool
    parts: int
    exact: bool
    dtype: np.dtype[Any]

    def divisor(self) -> int:
        """Return what a sum of values is divided by, where cases weigh the same."""
        return (self.cases if self.mean else 1) * self.parts

    def settle(self, plan: Plan, cotangent: Any) -> int:
        """Find what a mean is divided by, and what derivatives are multiplied with.

        Return 0, or 1 where the long way is to be gone.
        """
        if plan.mass is not None and plan.mass():
            return 1
        given = cotangent is not None and (self.mean or self.total)
        if plan.sums is None and not given:
            return 0  # kernels do the rest
        try:
            if plan.mass is not None:
                plan.divisor = ratio(plan.mass.sum)
            if plan.factor and given:
                factor = quotient(float(cotangent), plan.divisor)
                plan.factor[0][0], plan.factor[1][0] = factor.high, factor.low
        except (OverflowError, ValueError):  # infinities, NaN, and what has no float64
            return 1
        return 0

    def reduced(self, plan: Plan, out: Array) -> int:
        """Write the sum or mean of the sums of groups; return 0, or 1 where they are not finite."""
        assert plan.sums is not None
        result = reduced(*plan.sums, plan.divisor, exact=self.exact)
        if result is None:
            return 1
        out[...] = one_rounded(result, self.dtype)
        return 0


class Direct:
    """Makes kernels of the uses of a call, and does what is left around them."""

    def __init__(self, work: Work) -> None:
        """Take the call's inputs and outputs."""
        self.work = work
        parts = work.classes if work.averaged else 1
        mean, total = work.reduction == "mean", work.reduction == "sum"
        self.rest = Rest(work.cases, mean, total, parts, work.wide, work.dtype)

    def plan(self, quantities: tuple[str, ...]) -> Plan | None:
        """Return the call as one kernel on the arrays themselves, or None where there is more to do.

        The kernel reads the bound arrays and writes the outputs, or sums of groups of cases. What it cannot read is
        copied to a format that it reads, see `Plan.copies`. It does not look at the labels.
        """
        work = self.work
        compiled = choice.engine()
        whole = not work.form.vector or (work.reduction == "none" and work.cotangent is None)
        outputs = [work.outputs[q] for q in quantities]
        simple = all(work.given(a).flags.c_contiguous and a.dtype.isnative for a in (work.x, *outputs))
        order = work.order(quantities)
        if compiled is None or not whole or not simple or not work.cases or (work.sideways and order != "columns"):
            return None
        ignore = work.options.ignore if work.by_index else None
        if ignore is not None and (not -_LARGEST <= ignore < _LARGEST or work.y.dtype == np.uint64):  # type: ignore[union-attr]
            return None  # as int64, other indices may become it
        from .compiled import Outputs

        copies: list[Copy] = []
        inputs = self._inputs(copies, quantities != ("value",))
        inputs.order = order
        given = Outputs({q: work.given(work.outputs[q]).reshape(-1) for q in quantities if not work.summed(q)})
        if work.summed("value") and "value" in quantities:
            given.group = max(1, _GROUP // work.classes) if not order else -(-_GROUP // work.classes // _SIDE) * _SIDE
            if work.cases <= given.group and self.rest.divisor() < EXACT:
                given.value, given.divisor = "whole", np.array([self.rest.divisor(), 0.0])
                given.arrays["value"] = work.outputs["value"].reshape(-1)
            else:
                given.value = "sums"
                given.arrays["value"], given.low = np.empty((2, -(-work.cases // given.group)))
        elif work.averaged:
            given.value = "averaged"
        name, rows = work.form.name, work.form.rows
        variant = "normalized" if work.options.normalized else ""
        plan = compiled.plan(name, variant, quantities, rows, inputs, given, work.threads)
        plan.copies, plan.divisor = copies, (self.rest.divisor(), 1)
        if work.reduction == "mean" and (masses := self._masses(inputs)) is not None:
            divisor = np.empty(2) if given.divisor is None else given.divisor
            plan.mass = compiled.mass(name, rows, masses, work.averaged, divisor, plan.factor)
        return plan

    def repeat(self, plan: Plan) -> Callable[[], int]:
        """Return what computes by a plan, labels checked before anything is written; it gives 0 where all went well.

        Else a label is wrong or a result needs NumPy: then `run` is to be used. Threads may not write before the
        labels of all of them are known to be right, so these are looked at in a pass of their own.
        """
        work = self.work
        steps: list[Callable[[], int]] = []
        y = None if work.y is None else work.given(work.y)
        bound = {"y": y, "sample_weight": work.options.sample_weight, "grad_out": work.cotangent}
        for copy in plan.copies:
            array = bound.get(copy.name)  # weights of classes are bound as they were
            steps += [] if array is None else [partial(copy, array)]
        if plan.mass is not None or (work.cotangent is not None and work.reduction != "none"):
            steps.append(partial(self.rest.settle, plan, work.cotangent))
        if work.y is not None:
            if len(plan.arguments) == 1:
                plan.checking()
            else:
                steps.append(plan.verified)
        steps.append(plan.call())
        if plan.sums is not None:
            steps.append(partial(self.rest.reduced, plan, work.outputs["value"]))
        return reduce(in_turn, steps)

    def _inputs(self, copies: list[Copy], derivatives: bool) -> Inputs:
        """Return the inputs of a kernel, and add the copies that some of them are."""
        from .compiled import Inputs
        from .plan import Copy

        work = self.work

        def read(name: str, array: Array, *formats: np.dtype[Any], exact: bool = False) -> Array:
            if array.dtype in formats and array.flags.c_contiguous:
                return array.reshape(-1)
            copies.append(Copy(name, np.empty(array.shape, formats[0]), exact))
            return copies[-1].to.reshape(-1)

        double, options = np.dtype(np.float64), work.options
        x = work.given(work.x)
        flat = (-1, work.classes, prod(x.shape[work.axis + 1 :])) if work.sideways else work.flat
        inputs = Inputs(x.reshape(flat), ignore=options.ignore if work.by_index else None)
        if work.y is not None:
            inputs.kind, table = options.table(work.form.labels, work.by_index, work.classes)
            # Integers that are labels of a kind are so in every format, and others do not become any: all but masses.
            exact = not work.by_index and (work.form.labels == "classes" or work.y.dtype.kind not in "iub")
            y = read("y", work.given(work.y), np.dtype(np.int64) if work.by_index else work.dtype, exact=exact)
            inputs.labels = (y, *([] if table is None else [table]))
        inputs.weights.update(options.arrays(work.form.labels))
        given = (("weight", options.weight), ("pos_weight", options.pos_weight))
        copies += [Copy(name, array) for name, array in given if array is not None]
        if options.sample_weight is not None:
            inputs.weights["sample"] = read("sample_weight", options.sample_weight, double, work.dtype)
        if derivatives:
            inputs.factor = work.factor(np.float64(work.cases) if work.reduction == "mean" else None, work.cotangent)
            if work.cotangent is not None and work.reduction == "none":
                inputs.weights["cotangent"] = read("grad_out", work.cotangent, double, work.dtype)
        return inputs

    def _masses(self, inputs: Inputs) -> Inputs | None:
        """Return what adds up to the denominator of a mean; None where that is the number of cases."""
        from .compiled import Inputs

        work = self.work
        weighs = work.options.denominator == "sum_w"
        names: list[str] = [name for name in ("sample", "class") if weighs and name in inputs.weights]
        labelled = weighs and work.form.labels == "classes" and not work.by_index
        if not names and not labelled and inputs.ignore is None:
            return None
        weights = {name: inputs.weights[name] for name in names}
        masses = Inputs(inputs.x, order=inputs.order, weights=weights, ignore=inputs.ignore)
        if work.form.labels == "classes":
            masses.kind, masses.labels = "index" if work.by_index else "plain", inputs.labels[:1]
        return masses


def in_turn(first: Callable[[], int], second: Callable[[], int]) -> Callable[[], int]:
    """Return what calls both, the second where the first gives 0, and gives what is not 0."""
    return lambda: first() or second()
