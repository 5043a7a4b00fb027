"""Values of a row that a kernel tries with one pass over it; see `near`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from . import elementary, pair, storage
from .loops import Position, Variable, Whole, chunks, folded, masked, slot
from .near import CLOSER, EACH, EXP, SMALL, TERMS, Approximation, Sums
from .operators import Lane
from .reader import Reader
from .trace import F64, I1, I64, OCTAVES

#: how many rows are not tried after one whose numbers are too large, as masked logits are
_PAUSE = 16
#: what of the bits of `octaves` is k
_FIELD = 2048
#: a sum within these is of terms that neither overflow nor are lost
_LEAST, _MOST = 2.0**-900, 2.0**1000


class Attempts:
    """Computes values the short way, row after row."""

    #: whether exps are closer than a rounding test needs
    closer = False

    def __init__(self, reader: Reader, near: Approximation) -> None:
        """Take where rows are read from, and what is tried."""
        self.trace, self.reader, self.memory, self.near = reader.trace, reader, reader.memory, near

    def value(self, case: Any, index: Whole | None) -> Any:
        """Try the value of a row, and write it; return whether it was found.

        index: the class index that labels it, where that is not in memory.
        """
        raise NotImplementedError

    def learn(self, value: Lane) -> None:
        """Take the value of a row that was computed the other way."""

    def _tried(self, case: Any, index: Whole | None, exp: float) -> tuple[Lane, Lane, Lane]:
        """Append the pass; return the value, times its weight, a bound of its error, and whether both may be used."""
        layout = self.reader.layout
        if index is None and layout.indexed:
            address = storage.address(self.trace, self.memory.labels[0], case, "int64")
            index = Whole(self.trace.builder.load(address, typ=I64))
        sums, inside = self._sums(case, index)
        x = self.near(sums)
        error = x.log_terms * (exp + EACH * self._classes()) + x.terms * (TERMS + EACH * self._classes())
        weight = self.reader.scale(case, 0, index=index if self.reader.layout.labels == "index" else None).value
        return (x.value, error, inside) if weight is None else (x.value * weight, error * weight, inside)

    def _classes(self) -> Lane:
        return Lane(self.trace, self.trace.builder.sitofp(self.memory.classes, F64))

    def _sums(self, case: Any, index: Whole | None) -> tuple[Sums, Lane]:
        """Append the pass; return what it finds, and whether all numbers were such that it may be used."""
        trace, b, memory, layout = self.trace, self.trace.builder, self.memory, self.reader.layout
        base = b.mul(case, memory.classes)
        last = b.icmp_signed(">=", b.add(case, ir.Constant(I64, 1)), memory.stop)
        ahead = b.select(last, ir.Constant(I64, 0), memory.classes)
        kind = ir.VectorType(I64, trace.width)
        seen = slot(trace, kind, trace.integer(0, kind))
        total, mass, linear = (Variable(trace, False, 0.0, trace.width) for _ in range(3))

        def add(i: Any, mask: Any) -> None:
            at = b.add(base, i)
            z = storage.load(trace, memory.x, at, layout.dtype, trace.width, mask)
            storage.prefetch(trace, memory.x, b.add(at, ahead), layout.dtype, write=False)
            digits, power, bits = elementary.exp_near(z, closer=self.closer)
            b.store(b.or_(b.load(seen, typ=kind), bits), seen)
            total.set(trace.fused(masked(trace, mask, power, 0.0), digits, total.get()))
            for y in self._labels(at, i, mask, index):
                mass.set(mass.get() + y)
                linear.set(trace.fused(y, z, linear.get()))

        chunks(trace, ir.Constant(I64, 0), memory.classes, add)
        whole = [folded(trace, place.get(), lambda x, y: x + y) for place in (total, mass, linear)]
        bits = trace.joined_bits(b.load(seen, typ=kind))
        field = b.sub(bits, ir.Constant(I64, OCTAVES))
        inside = Lane(trace, b.icmp_unsigned("<", field, ir.Constant(I64, _FIELD)))
        inside = inside & (whole[0] > _LEAST) & (whole[0] < _MOST)
        log = elementary.log(whole[0], wide=False, normal=True)
        if layout.labels != "index":
            return Sums(log, mass=whole[1], linear=whole[2]), inside
        assert index is not None
        return Sums(log, storage.load(trace, memory.x, b.add(base, index.code), layout.dtype, 0)), inside

    def _labels(self, at: Any, i: Any, mask: Any, index: Whole | None) -> list[Lane]:
        """Return the labels of a vector of a row that numbers label."""
        labels = list(self.reader.labels(at, mask, i))
        if self.reader.layout.smooths:
            on, off = self.reader.table
            y = self.trace.where(Position(self.trace, i, self.trace.width) == index, on, off)
            labels = [y * labels[0]] if labels else [y]
        return [masked(self.trace, mask, y, 0.0) for y in labels]


class Rounded(Attempts):
    """Tries values that are rounded, and gives rows up where that has lately been in vain."""

    def __init__(self, reader: Reader, near: Approximation) -> None:
        """Begin with the first row."""
        super().__init__(reader, near)
        self._left = slot(self.trace, I64, ir.Constant(I64, 0))

    def value(self, case: Any, index: Whole | None) -> Any:
        """Write the value where both ends of its interval round to it."""
        b, memory, dtype = self.trace.builder, self.memory, self.reader.layout.dtype
        found = slot(self.trace, I1, ir.Constant(I1, 0))
        left = b.load(self._left, typ=I64)
        with b.if_else(b.icmp_signed(">", left, ir.Constant(I64, 0)), likely=False) as (resting, trying):
            with resting:
                b.store(b.sub(left, ir.Constant(I64, 1)), self._left)
            with trying:
                x, error, inside = self._tried(case, index, EXP)
                ends = [storage.narrowed(self.trace, end, dtype) for end in (x - error, x + error)]
                same = b.fcmp_ordered("==", *ends) if dtype == "float32" else b.icmp_signed("==", *ends)
                clear = (self.trace.size(x) > error) & Lane(self.trace, same) & inside
                b.store(b.select(inside.code, ir.Constant(I64, 0), ir.Constant(I64, _PAUSE)), self._left)
                with b.if_then(clear.code, likely=True):
                    storage.store(self.trace, memory.value, case, dtype, x)
                    b.store(ir.Constant(I1, 1), found)
        return b.load(found, typ=I1)

    def learn(self, value: Lane) -> None:
        """The next one may be as small."""
        b = self.trace.builder
        small = b.and_((self.trace.size(value) < SMALL).code,
                       b.icmp_signed("==", b.load(self._left, typ=I64), ir.Constant(I64, 0)))  # fmt: skip
        b.store(b.select(small, ir.Constant(I64, 1), b.load(self._left, typ=I64)), self._left)


class Summed(Attempts):
    """Adds values up, and bounds of their errors. What is found depends on nothing but the row."""

    closer = True

    def __init__(self, reader: Reader, near: Approximation, total: Variable, error: Variable) -> None:
        """Take what they are added to."""
        super().__init__(reader, near)
        self._total, self._error = total, error

    def value(self, case: Any, index: Whole | None) -> Any:
        """Add the value where all numbers are of usual size."""
        x, error, inside = self._tried(case, index, CLOSER)
        with self.trace.builder.if_then(inside.code, likely=True):
            self._total.set(pair.accumulated(self._total.get(), x))
            self._error.set(self._error.get() + error)
        return inside.code
