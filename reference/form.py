"""What a form is: a function on real numbers with its derivatives, its arguments and its label encodings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossbench.reference.options import Options, options_of
from lossbench.reference.real import ONE, Context, Mpf, Real

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
VALUE, GRAD, HESS, HVP = "value", "grad", "hess_diag", "hvp"


def hvp_direction(size: int) -> list[float]:
    """The vector v of `hvp`: `size` multiples of 1/8 in [-1, 1] from a fixed seed, numbers of every format."""
    eighths = np.random.Generator(np.random.Philox(key=size)).integers(-8, 9, size)
    return [eighth / 8.0 for eighth in eighths.tolist()]


@dataclass(frozen=True)
class Form:
    """A function on real numbers.

    Each of value, grad and hess_diag is called as f(mp, x, a) at the working precision of the mpmath context
    `mp`, without `a` for a form without labels. x is an exact mpmath number, or a list of K of them when the
    form has a class axis; a is what `coefficients` made of the labels. value returns a Real, or K of them
    when `vector_value`; grad and hess_diag return one Real for each component of x. Vector-valued forms are
    differentiated through component 0.

    wrt: name of the argument that derivatives are taken in, "z", "p" or "q".
    coefficients: f(mp, y, options) -> (a, divisor of the result); an index arrives as its one-hot row.
    accepts: names of the options that the form has. variants: canonical option strings that runs measure.
    hvp: f(mp, x, a, v), the Hessian times v, or None where the form has none.
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
    coefficients: Callable[[Context, Any, Options], tuple[Any, Mpf]] | None = None
    accepts: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("",)
    hvp: Callable[..., list[Real]] | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names in rows of the value, the gradient, the diagonal second derivative and what else there is."""
        names = (VALUE, f"{GRAD}:{self.wrt}", f"{HESS}:{self.wrt}")
        return names if self.hvp is None else (*names, f"{HVP}:{self.wrt}")

    @property
    def by_class(self) -> bool:
        """Whether a label is a class, so that an index may stand for it."""
        return "index" in self.encodings

    def by_component(self, quantity: str) -> bool:
        """Whether a quantity has the class axis, so that its result has one number a component."""
        return self.class_axis and (self.vector_value or quantity != VALUE)

    def components(self, quantity: str, size: int) -> int:
        """Number of components of a quantity at a row of `size` numbers."""
        return size if self.by_component(quantity) else 1

    @property
    def summary(self) -> str:
        """First sentence of the documentation: the formula."""
        return self.doc.strip().splitlines()[0]

    @property
    def nonnegative(self) -> bool:
        """Whether the value is a loss, so that a negative result is an error of its own kind."""
        return self.encodings != ("-",) and not self.name.startswith("bernoulli")

    def said(self, options: str | Mapping[str, Any] | Options) -> Options:
        """Return the options of a canonical string or a mapping; ValueError names the ones the form has."""
        return options_of(options, self.accepts, self.name)

    def evaluate(self, quantity: str, mp: Context, x: Any, y: Any, options: Options) -> list[Real]:
        """Return the components of a quantity at one case."""
        prefix = quantity.split(":")[0]
        function: Any = {VALUE: self.value, GRAD: self.grad, HESS: self.hess_diag, HVP: self.hvp}[prefix]
        arguments: tuple[Any, ...] = (x,)
        divisor = ONE
        if self.coefficients is not None:
            coefficients, divisor = self.coefficients(mp, y, options)
            arguments = (x, coefficients)
        if prefix == HVP:
            arguments = (*arguments, [mp.mpf(v) for v in hvp_direction(len(x))])
        result = function(mp, *arguments, **({"normalized": True} if options.normalized else {}))
        parts = [result] if isinstance(result, Real) else list(result)
        return parts if divisor == 1 else [part.over(mp, divisor) for part in parts]
