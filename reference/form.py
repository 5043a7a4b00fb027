"""What a form is: a function on real numbers with its derivatives, its arguments and its label encodings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossbench.reference.real import Real

#: Roles that the arguments of a form may have. Suites match roles, not forms.
LOGIT = "logit"  # any real number
UNIT = "unit interval"  # a probability in [0, 1]
SIMPLEX = "simplex"  # class probabilities, taken as given: they need not sum to exactly 1

#: Label encodings, and the numbers that they write.
ENCODINGS = {
    "-": "no labels",
    "index": "class index t in 0..K-1",
    "onehot": "one-hot row of length K",
    "soft": "a number in [0, 1], or a distribution over K classes",
    "binary": "0 or 1",
    "signed": "-1 or +1",
}

#: Derivatives a form carries, by the prefix of their quantity's name.
VALUE, GRAD, HESS = "value", "grad", "hess_diag"


@dataclass(frozen=True)
class Form:
    """A function on real numbers.

    Each of value, grad and hess_diag is called as f(mp, x, y, **options) at the working precision of the
    mpmath context `mp`. x and y are exact mpmath numbers, or lists of K of them when the form has a class
    axis; an index arrives as its one-hot row. value returns a Real, or K of them when `vector_value`; grad
    and hess_diag return one Real for each component of x. Vector-valued forms are differentiated through
    component 0.

    wrt: name of the argument that derivatives are taken in, "z", "p" or "q".
    options: the named variants, as keyword arguments by canonical option string.
    """

    name: str
    wrt: str
    role: str
    encodings: tuple[str, ...]
    value: Callable[..., Any]
    grad: Callable[..., Any]
    hess_diag: Callable[..., Any]
    doc: str
    class_axis: bool = False
    vector_value: bool = False
    options: tuple[tuple[str, dict[str, Any]], ...] = (("", {}),)

    @property
    def quantities(self) -> tuple[str, str, str]:
        """Names of the value, the gradient and the diagonal second derivative in rows."""
        return (VALUE, f"{GRAD}:{self.wrt}", f"{HESS}:{self.wrt}")

    @property
    def summary(self) -> str:
        """First sentence of the documentation: the formula."""
        return self.doc.strip().splitlines()[0]

    @property
    def nonnegative(self) -> bool:
        """Whether the value is a loss, so that a negative result is an error of its own kind."""
        return self.encodings != ("-",) and not self.name.startswith("bernoulli")

    def keywords(self, options: str) -> dict[str, Any]:
        """Keyword arguments for a canonical option string; ValueError names the ones there are."""
        for name, keywords in self.options:
            if name == options:
                return keywords
        known = ", ".join(repr(name) for name, _ in self.options)
        raise ValueError(f"options: got {options!r}, {self.name} has {known}")

    def evaluate(self, quantity: str, mp: Any, x: Any, y: Any, options: str) -> list[Real]:
        """Return the components of a quantity at one case."""
        function = {VALUE: self.value, GRAD: self.grad, HESS: self.hess_diag}[quantity.split(":")[0]]
        arguments = (x,) if self.encodings == ("-",) else (x, y)
        result = function(mp, *arguments, **self.keywords(options))
        return [result] if isinstance(result, Real) else list(result)
