"""The formulas on NumPy arrays: whole blocks of cases at once, in float64 or in pairs of float64.

Pairs have no infinities: where a result of pairs is not finite, the plain float64 formula is asked, whose limits
are those of the mathematics. Infinite and NaN inputs of compiled kernels end up here too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import pair
from .element import Element, Row
from .elementary import Small, exp
from .formula import Formula
from .lanes import Lane
from .pair import Number, Pair
from .rounding import F64

#: sums of exps below it are done again, scaled up
_SMALL = 2.0**-900
_UP = 1000.0


@dataclass(frozen=True)
class Block:
    """Inputs of a block: x (n,) or (n, K) float64; labels, numbers of x's shape, or an int64 index (n,).

    factor: number (n,) for derivatives, or None. cancels: as the formula's.
    """

    x: F64
    labels: tuple[Number, ...] = ()
    index: npt.NDArray[np.int64] | None = None
    factor: Number | None = None

    def rows(self, mask: npt.NDArray[np.bool_]) -> Block:
        """Return the cases of a mask."""
        factor = None if self.factor is None else take(self.factor, mask)
        index = None if self.index is None else self.index[mask]
        return Block(self.x[mask], tuple(take(y, mask) for y in self.labels), index, factor)


def take(x: Number, mask: Any) -> Number:
    """Return a number at an index or mask of its leading axis."""
    if isinstance(x, Pair):
        return Pair(x.high[mask], x.low[mask] if np.ndim(x.low) else x.low)
    return x[mask]


class ArrayRow(Row):
    """Rows (n, K), the classes last; scalars of a row are (n, 1)."""

    def __init__(self, block: Block, wide: bool, cancels: bool) -> None:
        """Take a block of rows."""
        self.block, self.wide, self.cancels = block, wide, cancels
        self.index = None if block.index is None else block.index[:, None].astype(np.float64)
        factor = block.factor
        if factor is not None:
            factor = (
                Pair(*(np.reshape(p, (-1, 1)) for p in (factor.high, factor.low)))
                if isinstance(factor, Pair)
                else factor[:, None]
            )
        positions = np.arange(block.x.shape[-1], dtype=np.float64)
        self.whole = Element(block.x, block.labels, factor, wide=wide, cancels=cancels, position=positions)
        self._undefined: Any = False
        self._kept: Small | None = None

    @property
    def uniform(self) -> None:
        """None: labels are an array."""

    @property
    def shrink(self) -> float:
        """A power of two; differences of logits times it do not overflow."""
        return 0.5

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what `compute` gives, computed at its first use."""
        return self.whole.once(name, compute)

    def element(self, k: int) -> Element:
        """Return the elements of one class, (n, 1)."""
        e = self.whole
        return Element(e.z[:, k : k + 1], (), e.factor, wide=self.wide, cancels=self.cancels,
                       position=np.full((1,), float(k)))  # fmt: skip

    def number(self, x: Lane) -> Number:
        """Return a lane as a number of the arithmetic in use."""
        return pair.as_pair(x) if self.wide else x

    def maximum(self) -> Lane:
        """Return the largest z, (n, 1); NaN where there is one."""
        z = self.block.x
        m = np.max(z, axis=-1, keepdims=True)
        twice = np.isposinf(m) & ((z == m).sum(axis=-1, keepdims=True) > 1)
        self._undefined = np.isnan(m) | np.isneginf(m) | twice
        return m

    def first(self, m: Lane) -> Lane:
        """Return the index of the first z = m as a float, (n, 1); 0 where there is none."""
        return np.argmax(self.block.x == m, axis=-1, keepdims=True).astype(np.float64)

    def pick(self, index: Lane) -> Lane:
        """Return z at an index, (n, 1)."""
        return np.take_along_axis(self.block.x, index.astype(np.int64), axis=-1)

    def gap(self, z: Lane, m: Lane) -> Number:
        """Return z - m; NaN in rows whose softmax has no limit."""
        if self.wide:
            return pair.exact_sum(z, -m)
        return np.where(self._undefined, np.nan, np.where(z == m, 0.0, z - m))

    def exp(self, z: Lane, m: Lane) -> Small:
        """Return exp(z - m) for z <= m."""
        return exp(self.gap(z, m), full=self.cancels)

    def limit(self, m: Lane, value: Lane) -> Lane:
        """Return an infinite m, which is the limit whatever the other classes are, else the value."""
        return np.where(np.isinf(m), m, value)

    def label(self, e: Element) -> Number:
        """Return the labels, one-hot for an index."""
        if self.index is None:
            return e.labels[0]
        return np.asarray(e.position == self.index, dtype=np.float64)

    def label_at(self, index: Lane) -> Number:
        """Return the labels at an index, (n, 1)."""
        at = index.astype(np.int64)
        y = pair.as_pair(self.block.labels[0])
        low = np.take_along_axis(y.low, at, axis=-1) if np.ndim(y.low) else y.low
        high = np.take_along_axis(y.high, at, axis=-1)
        return Pair(high, low) if self.wide else high

    def positive(self) -> Lane:
        """Return 0 where all z are at least 0, else NaN, (n, 1)."""
        return np.where((self.whole.z >= 0.0).all(axis=-1, keepdims=True), 0.0, np.nan)

    def totals(self, *terms: Callable[[Element], Number], skip: Lane | None = None) -> tuple[Number, ...]:
        """Return sums over the classes, (n, 1) each."""
        numbers = [self.number(term(self.whole)) for term in terms]
        if skip is not None:
            numbers[0] = pair.where(self.whole.at(skip), 0.0, numbers[0])
        return tuple(total(x, self.block.x.shape) for x in numbers)

    def small_total(
        self,
        term: Callable[[Element], Small],
        *others: Callable[[Element], Number],
        skip: Lane | None = None,
        keep: bool = False,
    ) -> tuple[Small, tuple[Number, ...]]:
        """Return the sum of a small term without the class `skip`, and other sums."""
        small = term(self.whole)
        if keep:
            self._kept = small
        out = False if skip is None else self.whole.at(skip)
        rest = total(self.number(pair.where(out, 0.0, small.value)), self.block.x.shape)
        exponent: Lane | None = None
        if small.exponent is not None:
            exponent = np.where(pair.high(rest) < _SMALL, -_UP, 0.0)
            if (exponent < 0).any():
                scaled = pair.scaled(small.digits, small.exponent - exponent)
                rest = total(pair.where(out, 0.0, scaled), self.block.x.shape)
        return Small(rest, exponent), self.totals(*others)

    def kept(self, e: Element) -> Small:
        """Return what was kept of the classes that an element stands for."""
        assert self._kept is not None
        if e is self.whole:
            return self._kept
        k = slice(int(e.position[0]), int(e.position[0]) + 1)
        column = (slice(None), k)
        exponent = self._kept.exponent
        return Small(take(self._kept.digits, column), None if exponent is None else exponent[column])

    def product(
        self, term: Callable[[Element], Number], *others: Callable[[Element], Number]
    ) -> tuple[Small, tuple[Number, ...]]:
        """Return the product of a term in [1, 2] over the classes, (n, 1), digits normalized, and sums of others."""
        digits = _columns(term(self.whole), self.block.x.shape)
        exponent = np.zeros((len(self.block.x), 1))
        while pair.high(digits).shape[-1] > 1:
            even, odd, rest = _halves(digits)
            digits = even * odd
            if rest is not None:
                digits = _joined(digits, rest)
            size = np.frexp(np.where(np.isfinite(pair.high(digits)), pair.high(digits), 1.0))[1]
            digits = pair.scaled(digits, -size.astype(np.float64))
            exponent = exponent + size.sum(axis=-1, keepdims=True)
        return Small(digits, exponent), self.totals(*others)


def _columns(x: Number, shape: tuple[int, ...]) -> Number:
    if isinstance(x, Pair):
        return Pair(np.broadcast_to(x.high, shape), np.broadcast_to(x.low, shape))
    return np.broadcast_to(x, shape)


def _slice(x: Number, at: slice) -> Number:
    return Pair(x.high[..., at], x.low[..., at]) if isinstance(x, Pair) else x[..., at]


def _halves(x: Number) -> tuple[Number, Number, Number | None]:
    size = pair.high(x).shape[-1]
    half = size // 2
    rest = _slice(x, slice(2 * half, None)) if size % 2 else None
    return _slice(x, slice(0, half)), _slice(x, slice(half, 2 * half)), rest


def _joined(x: Number, y: Number) -> Number:
    if isinstance(x, Pair):
        return Pair(np.concatenate([x.high, y.high], axis=-1), np.concatenate([x.low, y.low], axis=-1))
    return np.concatenate([x, y], axis=-1)


def total(x: Number, shape: tuple[int, ...]) -> Number:
    """Return the sum over the last axis, kept with length 1: pairs by halving, plain lanes as NumPy sums them."""
    x = _columns(x, shape)
    if not isinstance(x, Pair):
        return np.asarray(np.ascontiguousarray(x).sum(axis=-1, keepdims=True))
    while x.high.shape[-1] > 1:
        one, two, rest = _halves(x)
        x = one + two
        if rest is not None:
            x = _joined(x, rest)
    return x


def _quantity(formula: Formula, block: Block, name: str, wide: bool) -> Number:
    """Return one quantity of a block in one arithmetic."""
    cancels = formula.exact(name, block.index is not None)
    if not formula.rows:
        e = Element(block.x, block.labels, None if name == "value" else block.factor, wide=wide, cancels=cancels)
        return formula.element(name)(e)
    row = ArrayRow(block, wide, cancels)
    if name == "value":
        row.whole.factor = None
    stage = formula.row(name, block.index is not None)
    state = stage.prepare(row)
    if stage.vector:
        return stage.finish(state, row.whole)
    value = stage.finish(state)
    if isinstance(value, Pair):
        return Pair(value.high[..., 0], np.broadcast_to(value.low, value.high.shape)[..., 0])
    return np.broadcast_to(value, (len(block.x), 1))[..., 0]


def compute(formula: Formula, block: Block, name: str, wide: bool) -> Number:
    """Return a quantity ("value", "grad", "hess", "vjp") of every case of a block: float64, or pairs if `wide`.

    A derivative is multiplied with the factor; a factor of 0 silences an infinite derivative, not a NaN.
    """
    if wide:
        got = pair.as_pair(_quantity(formula, block, name, True))
        shape = block.x.shape if formula.kept(name) else block.x.shape[:1]
        high, low = np.broadcast_to(got.high, shape).copy(), np.broadcast_to(got.low, shape).copy()
        bad = ~np.isfinite(high + low)
        if not bad.any():
            return Pair(high, low)
        cases = bad.any(axis=tuple(range(1, bad.ndim)))
        plain = compute(formula, _leading(block.rows(cases)), name, False)
        high[cases] = np.where(bad[cases], plain, high[cases])
        low[cases] = np.where(bad[cases], 0.0, low[cases])
        return Pair(high, low)
    bare = Block(block.x, block.labels, block.index)
    lanes = np.asarray(_quantity(formula, bare, name, False))
    if block.factor is not None and name != "value":
        factor = np.reshape(block.factor, (-1, *[1] * (lanes.ndim - 1)))
        lanes = np.where((factor == 0) & ~np.isnan(lanes), 0.0, lanes * factor)
    return lanes


def _leading(block: Block) -> Block:
    """Return a block whose numbers are plain lanes."""
    factor = None if block.factor is None else pair.rounded(block.factor)
    return Block(block.x, tuple(pair.rounded(y) for y in block.labels), block.index, factor)
