"""What one use of a call does: read the inputs, compute block by block, weigh, reduce, round, write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import choice, labels, pair
from .labels import Labels
from .options import Options
from .pair import Number, Pair
from .rounding import F64, Array, round_to
from .total import Denominator, Total
from .use import Use, on_kernels, on_numpy, silenced

if TYPE_CHECKING:
    from .form import Form

#: elements computed at once by NumPy: the temporaries of a formula stay within a core's cache
_BLOCK = 8192
#: and by a kernel, where something is left to do for NumPy: with values alone, or with labels to be made too
_LARGE, _LABELS = 1 << 20, 1 << 16
#: classes that rows have at most that kernels compute side by side, along another axis; and turned around, where that
#: takes less time: values that are not tried first, see `near`, and derivatives; where the last vector of a row is not
#: full; and values that are tried
_TALL, _SHORT, _UNEVEN, _TRIED = 1024, 64, 128, 20
#: groups are multiples of it
_SIDE = 16
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
        axis: int = -1,
    ) -> None:
        """Take checked arguments; x, y and cotangent have the class axis last, and had it at `axis`."""
        self.axis = axis % x.ndim if form.rows else -1
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

    @property
    def sideways(self) -> bool:
        """Whether rows lie side by side in memory."""
        return self.form.rows and self.axis != self.x.ndim - 1

    def order(self, quantities: tuple[str, ...]) -> str:
        """Return how kernels compute rows, see `Layout.order`; the arithmetic is the same for all that are not ""."""
        labels = self.form.labels == "" or (self.form.labels == "classes" and self.by_index)
        if not self.form.rows or not labels:
            return ""
        value = "value" in quantities
        if value and (self.formula.row("value", True).clear or (self.form.vector and self.summed("value"))):
            return ""
        if self.sideways:
            return "columns" if self.classes <= _TALL else ""
        short = _UNEVEN if self.classes % 8 else _SHORT
        if quantities == ("value",):
            short = _SHORT if self.wide else _TRIED
        return "turned" if self.classes <= short else ""

    def given(self, array: Array) -> Array:
        """Return an array as it was given."""
        return np.moveaxis(array, -1, self.axis) if self.sideways and array.ndim == self.x.ndim else array

    @property
    def averaged(self) -> bool:
        """Whether the value of a case is the mean of its neurons, not their sum."""
        return self.options.over == "mean"

    def summed(self, quantity: str) -> bool:
        """Whether a quantity is one number for all cases."""
        return quantity == "value" and self.reduction != "none"

    def _run(self, quantities: tuple[str, ...]) -> None:
        name, form = self.form.name, self.form
        y = labels.read(f"{name}: y", self.y, form.labels, self.by_index, self.flat, form.rows, self.options)
        samples = self.options.read_sample_weight(name)
        x = np.ascontiguousarray(self.x, dtype=self.dtype).reshape(self.flat)
        denominator = self._denominator(y, samples) if self.reduction == "mean" else None
        reduced = self.reduction != "none" and "value" in quantities
        total = Total((self.classes,) if form.vector else ())
        targets = {q: self._target(q) for q in quantities if not (q == "value" and reduced)}
        use = Use(self, quantities, x, y, samples, self.factor(denominator, self.cotangent), targets)
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

    def factor(self, denominator: Number | None, cotangent: Array | None = None) -> Pair | None:
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


def _wide(x: Number) -> Pair:
    return x if isinstance(x, Pair) else Pair(x, np.zeros_like(x))


def _finite(x: Pair, plain: Any) -> Pair:
    """A pair, and the plain result where pairs have none."""
    good = np.isfinite(x.high + x.low)
    return Pair(np.where(good, x.high, plain), np.where(good, x.low, 0.0))


def _over(x: Pair, divisor: np.float64) -> Pair:
    return _finite(x / divisor, x.high / divisor)
