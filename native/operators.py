"""Lanes of a kernel: an LLVM value whose operators write instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .pair import Pair

if TYPE_CHECKING:
    from .trace import Trace


class Lane:
    """One or more float64 or float32 being computed, or truth values."""

    __slots__ = ("code", "magic", "trace")

    def __init__(self, trace: Trace, code: Any, magic: Any = None) -> None:
        """Wrap an LLVM value; magic: the same integer plus `_MAGIC`, where it is at hand."""
        self.trace, self.code, self.magic = trace, code, magic

    def _arithmetic(self, name: str, a: Any, b: Any) -> Any:
        if isinstance(a, Pair) or isinstance(b, Pair):
            return NotImplemented
        left, right = self.trace.alike(a, b)
        return Lane(self.trace, getattr(self.trace.builder, name)(left, right))

    def _compared(self, how: str, other: Any) -> Lane:
        left, right = self.trace.alike(self, other)
        compare = self.trace.builder.fcmp_unordered if how == "!=" else self.trace.builder.fcmp_ordered
        return Lane(self.trace, compare(how, left, right))

    def __add__(self, other: Any) -> Any:
        """Add."""
        return self._arithmetic("fadd", self, other)

    def __radd__(self, other: Any) -> Any:
        """Add."""
        return self._arithmetic("fadd", other, self)

    def __sub__(self, other: Any) -> Any:
        """Subtract."""
        return self._arithmetic("fsub", self, other)

    def __rsub__(self, other: Any) -> Any:
        """Subtract."""
        return self._arithmetic("fsub", other, self)

    def __mul__(self, other: Any) -> Any:
        """Multiply."""
        return self._arithmetic("fmul", self, other)

    def __rmul__(self, other: Any) -> Any:
        """Multiply."""
        return self._arithmetic("fmul", other, self)

    def __truediv__(self, other: Any) -> Any:
        """Divide."""
        return self._arithmetic("fdiv", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        """Divide."""
        return self._arithmetic("fdiv", other, self)

    def __neg__(self) -> Lane:
        """Change the sign."""
        return Lane(self.trace, self.trace.builder.fneg(self.code))

    def __lt__(self, other: Any) -> Lane:
        """Compare; false where one is NaN."""
        return self._compared("<", other)

    def __gt__(self, other: Any) -> Lane:
        """Compare; false where one is NaN."""
        return self._compared(">", other)

    def __ge__(self, other: Any) -> Lane:
        """Compare; false where one is NaN."""
        return self._compared(">=", other)

    def __eq__(self, other: object) -> Lane:  # type: ignore[override]
        """Compare; false where one is NaN."""
        return self._compared("==", other)

    def __ne__(self, other: object) -> Lane:  # type: ignore[override]
        """Compare; true where one is NaN."""
        return self._compared("!=", other)

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: Lane) -> Lane:
        """Both hold."""
        return Lane(self.trace, self.trace.builder.and_(*self.trace.alike(self, other)))

    def __or__(self, other: Lane) -> Lane:
        """One holds."""
        return Lane(self.trace, self.trace.builder.or_(*self.trace.alike(self, other)))

    def __invert__(self) -> Lane:
        """Does not hold."""
        return Lane(self.trace, self.trace.builder.not_(self.code))
