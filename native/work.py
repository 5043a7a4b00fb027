"""What one use of a call does: read the inputs, compute block by block, weigh, reduce, round, write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import arrays, labels, pair
from .labels import Labels
from .options import Options
from .pair import Number, Pair
from .rounding import F64, Array, round_to
from .total import Denominator, Total

if TYPE_CHECKING:
    from .form import Form

#: elements computed at once by NumPy: the temporaries of a formula stay within a core's cache
_BLOCK = 8192


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
        self.bound: frozenset[str] = frozenset()

    @property
    def wide(self) -> bool:
        """Whether the arithmetic is that of pairs."""
        return self.dtype == np.float64

    def bind(self, quantity: str, out: Array) -> None:
        """Take the array, class axis last, that a quantity is written to."""
        self.outputs[quantity] = out
        self.bound = self.bound | {quantity}

    def run(self, quantities: tuple[str, ...]) -> None:
        """Compute and write quantities."""
        with np.errstate(all="ignore"):  # infinities, NaN and underflow are legal and defined here
            self._run(quantities)

    def _run(self, quantities: tuple[str, ...]) -> None:
        name, form = self.form.name, self.form
        y = labels.read(f"{name}: y", self.y, form.labels, self.by_index, self.flat, form.rows, self.options)
        samples = self.options.read_sample_weight(name)
        x = np.ascontiguousarray(self.x, dtype=self.dtype).reshape(self.flat)
        denominator = self._denominator(y, samples) if self.reduction == "mean" else None
        reduced = self.reduction != "none" and "value" in quantities
        total = Total((self.classes,) if form.vector else ())
        targets = {q: self._target(q) for q in quantities if not (q == "value" and reduced)}
        factor = self._factor(denominator)
        cotangent = self._weights(self.cotangent)
        for block in self._blocks():
            weights = self._row_weights(y, samples, block)
            numbers, index = y.wide(block)
            kind = {q: q for q in quantities}
            scale = _product(factor, weights, block)
            if cotangent is not None and form.vector:
                numbers, index = (cotangent[block],), None
                kind["grad"] = "vjp"
            elif cotangent is not None:
                scale = _product(Pair(cotangent[block], np.zeros(len(cotangent[block]))), scale, None)
            if not self.wide:
                numbers = tuple(pair.rounded(n) for n in numbers)
                scale = None if scale is None else pair.rounded(scale)
            wide_x = np.asarray(x[block], dtype=np.float64)
            ignored = None if y.ignored is None else y.ignored[block]
            for q in quantities:
                given = arrays.Block(wide_x, numbers, index, scale if q != "value" else None)
                result = arrays.compute(self.formula, given, kind[q], self.wide)
                if q == "value":
                    result = self._weighed(result, weights)
                result = _silenced(result, ignored)
                if q in targets:
                    targets[q][block] = round_to(np.asarray(pair.rounded(result)), self.dtype)
                else:
                    total.add(_wide(result))
        for q, target in targets.items():
            self._deliver(q, target)
        if reduced:
            self.outputs["value"][...] = round_to(total.result(denominator), self.dtype)

    def _blocks(self) -> Iterator[slice]:
        step = max(1, _BLOCK // self.classes)
        for start in range(0, self.cases, step):
            yield slice(start, min(start + step, self.cases))

    def _row_weights(self, y: Labels, samples: F64 | None, block: slice) -> Pair | None:
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
            sums.add(_silenced(product, None if y.ignored is None else y.ignored[block]))
        return sums.result()

    def _factor(self, denominator: Pair | None) -> Pair | None:
        """What all derivatives are multiplied with: 1/denominator, 1/K for a mean over neurons."""
        factor = None
        if denominator is not None:
            zero = denominator.high == 0.0
            inverse = Pair(np.float64(1.0), np.float64(0.0)) / denominator
            factor = Pair(np.float64(0.0), np.float64(0.0)) if zero else inverse
        if self.options.over == "mean":
            part = Pair(np.float64(1.0), np.float64(0.0)) / np.float64(self.classes)
            factor = part if factor is None else factor * part
        return factor

    def _weighed(self, value: Number, weights: Pair | None) -> Number:
        """A value times its weights, over K for a mean over neurons. A weight of 0 silences all but NaN."""
        wide = _wide(value)
        if self.options.over == "mean":
            wide = _over(wide, np.float64(self.classes))
        if weights is None:
            return wide if isinstance(value, Pair) or self.options.over == "mean" else value
        if wide.high.ndim == 2:
            weights = Pair(weights.high[:, None], weights.low[:, None])
        product = _finite(wide * weights, wide.high * weights.high)
        zero = (weights.high == 0.0) & ~np.isnan(wide.high)
        return Pair(np.where(zero, 0.0, product.high), np.where(zero, 0.0, product.low))

    def _weights(self, cotangent: Array | None) -> F64 | None:
        """The cotangent as float64, a case first."""
        if cotangent is None:
            return None
        wide = np.asarray(cotangent, dtype=np.float64, order="C")
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


def _wide(x: Number) -> Pair:
    return x if isinstance(x, Pair) else Pair(x, np.zeros_like(x))


def _finite(x: Pair, plain: Any) -> Pair:
    """A pair, and the plain result where pairs have none."""
    good = np.isfinite(x.high + x.low)
    return Pair(np.where(good, x.high, plain), np.where(good, x.low, 0.0))


def _over(x: Pair, divisor: np.float64) -> Pair:
    return _finite(x / divisor, x.high / divisor)


def _silenced(x: Number, ignored: npt.NDArray[np.bool_] | None) -> Number:
    """0 in ignored cases."""
    if ignored is None:
        return x
    if isinstance(x, Pair):
        return Pair(_silenced(x.high, ignored), _silenced(x.low, ignored))
    return np.where(ignored.reshape(-1, *[1] * (x.ndim - 1)), 0.0, x)


def _product(factor: Pair | None, weights: Pair | None, block: slice | None) -> Pair | None:
    """The product of a number and weights a case, or of weights; None for 1."""
    if factor is None:
        return weights
    if weights is None:
        if block is None:
            return factor
        ones = np.ones(block.stop - block.start)
        return factor * ones
    return weights * factor


