"""One use of a call, computed block by block: by a kernel, or by NumPy, or by both where a kernel leaves rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import arrays, pair
from .labels import Labels
from .pair import Number, Pair
from .rounding import F64, Array, round_to

if TYPE_CHECKING:
    from .compiled import Compiled
    from .work import Work


class Use:
    """One use of a call: its inputs as they stand now."""

    def __init__(
        self,
        work: Work,
        quantities: tuple[str, ...],
        x: Array,
        y: Labels,
        samples: F64 | None,
        factor: Pair | None,
        targets: dict[str, Array],
    ) -> None:
        """Take checked inputs; factor: what all derivatives are multiplied with."""
        self.work, self.quantities, self.x, self.y = work, quantities, x, y
        self.samples, self.factor, self.targets = samples, factor, targets
        self.cotangent = work.cotangents() if "grad" in quantities else None
        #: a Jacobian product has the cotangents where labels stand; NumPy computes it
        self.compiles = self.cotangent is None or not work.form.vector
        self.weighted = samples is not None or (y.by_index and work.options.weight is not None)
        #: values are rounded as they are computed, not weighed or reduced first
        self.rounds = "value" in targets and not self.weighted

    @property
    def derivatives(self) -> tuple[str, ...]:
        """The quantities but the value."""
        return tuple(q for q in self.quantities if q != "value")

    @property
    def direct(self) -> bool:
        """Whether a kernel can take the arrays whole, as they stand in memory."""
        settled = "value" not in self.quantities or self.rounds
        return self.compiles and settled and self.stored and not (self.derivatives and self._factors)

    @property
    def _factors(self) -> bool:
        return self.weighted or self.cotangent is not None

    @property
    def stored(self) -> bool:
        """Whether a kernel can read the labels as they stand in memory."""
        if not self.y.kind:
            return True
        if self.y.smoothed is not None or self.y.by_index:
            return True
        as_they_are = self.y.dense is not None and self.y.dense.dtype == self.x.dtype
        return as_they_are and (self.y.plain or self.y.linear is not None)

    def scale(self, at: Any) -> Pair | None:
        """Return what the derivatives of some cases are multiplied with."""
        if not self.derivatives:
            return None
        scale = self.factor
        weights = self.work.row_weights(self.y, self.samples, at)
        if weights is not None:
            scale = weights if scale is None else weights * scale
        if self.cotangent is not None and self.compiles:
            here = self.cotangent[at]
            scale = Pair(here, np.zeros_like(here)) * (1.0 if scale is None else scale)
        return scale

    def ignored(self, at: Any) -> npt.NDArray[np.bool_] | None:
        """Return the mask of ignored cases, if any can be ignored."""
        return None if self.y.ignored is None else self.y.ignored[at]

    def block(self, at: Any) -> arrays.Block:
        """Return some cases as NumPy's formulas take them."""
        numbers, index = self.y.wide(at)
        scale = self.scale(at)
        wide = self.work.wide
        x = np.asarray(self.x[at], dtype=np.float64)
        if not self.compiles and self.cotangent is not None:
            numbers, index = (self.cotangent[at],), None
        if scale is not None and np.ndim(scale.high) == 0:
            scale = scale * np.ones(len(x))
        if not wide:
            numbers = tuple(pair.rounded(n) for n in numbers)
            return arrays.Block(x, numbers, index, None if scale is None else pair.rounded(scale))
        return arrays.Block(x, numbers, index, scale)


def on_numpy(use: Use, at: Any) -> Number | None:
    """Compute some cases on NumPy: derivatives are written, the value is returned if it was asked for."""
    given = use.block(at)
    work = use.work
    for q in use.derivatives:
        kind = "vjp" if q == "grad" and not use.compiles else q
        result = silenced(arrays.compute(work.formula, given, kind, work.wide), use.ignored(at))
        use.targets[q][at] = round_to(np.asarray(pair.rounded(result)), work.dtype)
    return arrays.compute(work.formula, given, "value", work.wide) if "value" in use.quantities else None


def on_kernels(use: Use, block: slice, compiled: Compiled) -> Number | None:
    """Compute a block with a kernel, and what it leaves on NumPy; returns the value where it was not written."""
    from .compiled import Inputs, Outputs, label_arrays

    work, y = use.work, use.y
    x = use.x[block]
    if not y.kind:
        inputs = Inputs(x)
    elif y.by_index:
        assert y.index is not None
        inputs = Inputs(x, "index", (y.index[block],))
    elif (table := y.smoothed) is not None:
        assert y.index is not None
        inputs = Inputs(x, "smoothed", (y.index[block], table))
    elif use.stored:
        assert y.dense is not None
        weights = y.linear
        inputs = Inputs(x, "plain" if weights is None else "linear", (y.dense[block],))
        inputs.labels += () if weights is None else (weights,)
    elif y.plain and work.wide:
        inputs = Inputs(x, "plain", (y.lanes(block),))
    else:
        inputs = Inputs(x, *label_arrays(y.wide(block)[0], work.wide))
    inputs.factor = use.scale(block)
    outputs = Outputs({q: use.targets[q][block] for q in use.derivatives})
    if "value" in use.quantities:
        if use.rounds:
            outputs.arrays["value"] = use.targets["value"][block]
            outputs.value = "averaged" if work.averaged else "rounded"
        else:
            shape = (len(x), *x.shape[1:]) if work.formula.kept("value") else (len(x),)
            outputs.arrays["value"] = np.empty(shape)
            outputs.value = "pairs" if work.wide else "lanes"
            outputs.low = np.empty(shape) if work.wide else None
    variant = "normalized" if work.options.normalized else ""
    left = compiled.run(work.form.name, variant, use.quantities, work.form.rows, inputs, outputs, work.threads)
    values = outputs.arrays.get("value")
    if len(left) and not work.form.rows:  # of a vector, only the elements that are not finite: others stay as they are
        left = left[~np.all([np.isfinite(a[left]) for a in outputs.arrays.values()], axis=0)]
    if len(left):
        again = on_numpy(use, left + block.start)
        if again is not None and values is not None:
            if use.rounds:
                values[left] = round_to(np.asarray(pair.rounded(work.weighed(again, None))), work.dtype)
            else:
                values[left] = pair.high(again)
                if outputs.low is not None:
                    outputs.low[left] = pair.as_pair(again).low
    ignored = use.ignored(block)
    if ignored is not None:
        for array in outputs.arrays.values():
            array[ignored] = 0
    if values is None or use.rounds:
        return None
    return values if outputs.low is None else Pair(values, outputs.low)


def silenced(x: Number, ignored: npt.NDArray[np.bool_] | None) -> Number:
    """0 in ignored cases."""
    if ignored is None:
        return x
    if isinstance(x, Pair):
        return Pair(silenced(x.high, ignored), silenced(x.low, ignored))
    return np.where(ignored.reshape(-1, *[1] * (x.ndim - 1)), 0.0, x)
