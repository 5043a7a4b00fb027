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
    from .compiled import Compiled, Inputs
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

    @property
    def derivatives(self) -> tuple[str, ...]:
        """The quantities but the value."""
        return tuple(q for q in self.quantities if q != "value")

    @property
    def direct(self) -> bool:
        """Whether a kernel can take the arrays whole, as they stand in memory."""
        return self.compiles and self.stored and ("value" not in self.quantities or "value" in self.targets)

    @property
    def stored(self) -> bool:
        """Whether a kernel can read the labels as they stand in memory."""
        return not self.y.kind or self.y.index is not None or self._dense.dtype == self.x.dtype

    @property
    def _dense(self) -> Array:
        assert self.y.dense is not None
        return self.y.dense

    def scale(self, at: Any) -> Pair | None:
        """Return what the derivatives of some cases are multiplied with."""
        if not self.derivatives:
            return None
        scale = self.factor
        weights = self.weights(at)
        if weights is not None:
            scale = weights if scale is None else weights * scale
        if self.cotangent is not None and self.compiles:
            here = self.cotangent[at]
            scale = Pair(here, np.zeros_like(here)) * (1.0 if scale is None else scale)
        return scale

    def weights(self, at: Any) -> Pair | None:
        """Return what the values of some cases are multiplied with."""
        return self.work.row_weights(self.y, self.samples, at)

    def inputs(self, block: slice) -> Inputs:
        """Return a block as a kernel takes it."""
        from .compiled import Inputs, label_arrays

        y, options = self.y, self.work.options
        inputs = Inputs(self.x[block], factor=self.factor if self.derivatives else None)
        if self.stored:
            inputs.weights = options.arrays(y.kind)
        if not y.kind:
            pass
        elif self.stored:
            inputs.kind, table = y.smoothing
            inputs.labels = (self._dense[block] if y.index is None else y.index[block],)
            inputs.labels += () if table is None else (table,)
        else:
            inputs.kind, inputs.labels = label_arrays(y.wide(block)[0], self.work.wide)
        inputs.order = "turned" if self.work.order(self.quantities) else ""
        if self.samples is not None:
            inputs.weights["sample"] = self.samples[block]
        if self.cotangent is not None:
            inputs.weights["cotangent"] = self.cotangent[block]
        return inputs

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
    """Compute some cases on NumPy: derivatives are written, the value, times its weight, is returned if asked for."""
    given = use.block(at)
    work = use.work
    for q in use.derivatives:
        kind = "vjp" if q == "grad" and not use.compiles else q
        result = silenced(arrays.compute(work.formula, given, kind, work.wide), use.ignored(at))
        use.targets[q][at] = round_to(np.asarray(pair.rounded(result)), work.dtype)
    if "value" not in use.quantities:
        return None
    return work.weighed(arrays.compute(work.formula, given, "value", work.wide), use.weights(at))


def on_kernels(use: Use, block: slice, compiled: Compiled) -> Number | None:
    """Compute a block with a kernel, and what it leaves on NumPy; returns the value where it was not written."""
    from .compiled import Outputs

    work, inputs = use.work, use.inputs(block)
    x = inputs.x
    outputs = Outputs({q: use.targets[q][block] for q in use.derivatives})
    written = "value" in use.targets
    if written:
        outputs.arrays["value"] = use.targets["value"][block]
        outputs.value = "averaged" if work.averaged else "rounded"
    elif "value" in use.quantities:
        shape = (len(x), *x.shape[1:]) if work.formula.kept("value") else (len(x),)
        outputs.arrays["value"] = np.empty(shape)
        outputs.value = "pairs" if work.wide else "lanes"
        outputs.low = np.empty(shape) if work.wide else None
    variant = "normalized" if work.options.normalized else ""
    left = compiled.run(work.form.name, variant, use.quantities, work.form.rows, inputs, outputs, work.threads)
    values = outputs.arrays.get("value")
    if values is not None and not written and work.averaged:
        mean = work.weighed(values if outputs.low is None else Pair(values, outputs.low), None)
        values[:] = pair.high(mean)
        if outputs.low is not None:
            outputs.low[:] = pair.as_pair(mean).low
    if len(left) and not work.form.rows:  # of a vector, only the elements that are not finite: others stay as they are
        left = left[~np.all([np.isfinite(a[left]) for a in outputs.arrays.values()], axis=0)]
    if len(left):
        again = on_numpy(use, left + block.start)
        if again is not None and values is not None:
            if written:
                values[left] = round_to(np.asarray(pair.rounded(again)), work.dtype)
            else:
                values[left] = pair.high(again)
                if outputs.low is not None:
                    outputs.low[left] = pair.as_pair(again).low
    ignored = use.ignored(block)
    if ignored is not None:
        for array in outputs.arrays.values():
            array[ignored] = 0
    if values is None or written:
        return None
    return values if outputs.low is None else Pair(values, outputs.low)


def silenced(x: Number, ignored: npt.NDArray[np.bool_] | None) -> Number:
    """0 in ignored cases."""
    if ignored is None:
        return x
    if isinstance(x, Pair):
        return Pair(silenced(x.high, ignored), silenced(x.low, ignored))
    return np.where(ignored.reshape(-1, *[1] * (x.ndim - 1)), 0.0, x)
