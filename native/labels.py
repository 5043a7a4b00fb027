"""Labels of one use of a call: read, checked, and made into what the formulas take, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from . import check, choice
from .options import Options
from .pair import Number, Pair
from .rounding import F64, Array

#: a slice of the cases, or their indices
At = Any


@dataclass
class Labels:
    """Checked labels of N cases.

    index: class indices, int64, (N,), ignored ones replaced by 0; else None. dense: labels of x's flat shape in
    their own dtype, C-contiguous; else None. ignored: mask of ignored cases, or None.
    """

    options: Options
    kind: str
    classes: int
    index: npt.NDArray[np.int64] | None = None
    dense: Array | None = None
    ignored: npt.NDArray[np.bool_] | None = None

    @property
    def by_index(self) -> bool:
        """Whether formulas get class indices."""
        return self.index is not None and not self.options.eps

    @cached_property
    def smoothing(self) -> tuple[str, F64 | None]:
        """How kernels read the labels; see `Options.table`."""
        return self.options.table(self.kind, self.index is not None, self.classes)

    @property
    def plain(self) -> bool:
        """Whether formulas get the labels as they stand in memory."""
        options = self.options
        return self.by_index or not (options.eps or options.weight is not None or options.pos_weight is not None)

    def wide(self, block: At) -> tuple[tuple[Number, ...], npt.NDArray[np.int64] | None]:
        """Return the labels of a block as pairs or float64 lanes, and as an index or None."""
        if self.by_index:
            assert self.index is not None
            return (), self.index[block]
        if self.kind == "":
            return (), None
        y = self.lanes(block)
        if self.plain:
            return (y,), None
        if self.kind == "classes":
            return (self.options.class_labels(y),), None
        return self.options.binary_weights(y), None

    def lanes(self, block: At) -> F64:
        """Return the labels of a block as float64, one-hot for an index."""
        if self.index is not None:
            return np.asarray(self.index[block][:, None] == np.arange(self.classes), dtype=np.float64)
        assert self.dense is not None
        return self.dense[block].astype(np.float64)

    def row_weights(self, block: At) -> Pair | None:
        """Return the class weight of each index of a block where labels stay indices; else None."""
        if self.by_index and self.options.weight is not None:
            assert self.index is not None
            w = self.options.weight[self.index[block]]
            return Pair(w, np.zeros_like(w))
        return None

    def masses(self, block: At) -> Pair | None:
        """Return what each case adds to the denominator "sum_w" before its sample weight; None for 1."""
        if self.kind != "classes":
            return None
        if self.index is not None:
            return self.options.masses(self.index[block], True, self.classes)
        return self.options.masses(self.lanes(block), False, self.classes)


def read(
    where: str, y: Array | None, kind: str, index: bool, flat: tuple[int, ...], rows: bool, options: Options
) -> Labels:
    """Return the labels as they stand now, checked.

    kind: a key of check.RANGES, "" for none. index: y holds class indices. flat: shape (N,) or (N, K) of x.
    """
    classes = flat[-1] if rows else 1
    if y is None:
        return Labels(options, "", classes)
    if index:
        ignored = None if options.ignore is None else np.asarray(y == options.ignore)
        check.indices(where, y, classes, ignored)
        whole = np.ascontiguousarray(y, dtype=np.int64).reshape(-1)
        if ignored is None:
            return Labels(options, kind, classes, index=whole)
        ignored = ignored.reshape(-1)
        return Labels(options, kind, classes, index=np.where(ignored, 0, whole), ignored=ignored)
    dense = np.ascontiguousarray(y, dtype=y.dtype.newbyteorder("="))
    compiled = choice.engine()
    if compiled is None or dense.dtype not in check.FLOATS or compiled.wrong(dense, kind):
        check.contents(where, dense, kind)
    return Labels(options, kind, classes, dense=dense.reshape(flat))
