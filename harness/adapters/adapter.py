"""What a library adapter is: a table of calls, and how that library builds, feeds and reads them.

A library is four things: `load` (import it), `put`/`get` (arrays in and out, exact bits), `sync`
(wait for the device) and `build` (a call in one execution mode, value alone or value and gradient).
The table is plain data: it can be listed without the library being installed, because every call
receives the imported library as its first argument instead of importing it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy.typing as npt

Array = npt.NDArray[Any]

#: Every execution mode that an adapter may offer, in the order of the tables.
MODES = ("eager", "jit", "graph", "xla", "compile", "compile-max-autotune", "numba", "numpy")


@dataclass(frozen=True)
class Unsupported:
    """An absence with its reason. It is counted and printed, never skipped in silence."""

    reason: str


def unsupported(reason: str) -> Unsupported:
    """Mark what a library does not have: `unsupported("why")`, a sentence a reader can act on."""
    return Unsupported(reason)


@dataclass(frozen=True)
class Call:
    """One public call of a library that claims to compute a form.

    form: name of the form.
    name: the public name below the library's root, or a documented composition joined by `+`.
    fn: `fn(lib, x)` for building blocks, `fn(lib, x, y)` with labels; returns the unreduced result.
        `x` has shape (n,) or (n, K); `y` is (n,) for binary labels, (n,) int64 for `index`, (n, K) else.
    encodings: the label encodings that the call documents ("-" for building blocks).
    options: canonical option string of the form that the call computes, "" for none.
    gradient: "autodiff"; or a function with fn's signature that returns the gradient array; or Unsupported.
    rowwise: the call only returns a mean or sum: it is fed one row at a time, shapes (1,) or (1, K).
    lacks: modes or dtypes of the library that this call lacks, with the reason.
    tier: the smallest tier of a run that measures the call: "full" for a class or an alias that only passes on
        to a call measured by another name. Its conventions are asked in any case.
    """

    form: str
    name: str
    fn: Callable[..., Any]
    encodings: tuple[str, ...] = ("-",)
    options: str = ""
    gradient: Callable[..., Any] | Unsupported | str = "autodiff"
    rowwise: bool = False
    lacks: Mapping[str, Unsupported] = field(default_factory=dict)
    tier: str = "quick"


@dataclass(frozen=True)
class Adapter:
    """Base of the libraries. Subclasses state the class variables and the verbs; instances hold nothing."""

    library: ClassVar[str]
    #: import names that must exist, the library's own first
    requires: ClassVar[tuple[str, ...]]
    #: distribution whose version is reported
    distribution: ClassVar[str]
    modes: ClassVar[tuple[str, ...]]
    #: dtype name -> why the library lacks it; a dtype not named here is offered
    lacks_dtypes: ClassVar[Mapping[str, Unsupported]] = {}
    calls: ClassVar[tuple[Call, ...]]
    #: form, or form:encoding, that no public call of the library computes -> why
    missing: ClassVar[Mapping[str, Unsupported]]
    #: public functions of the family that compute none of the forms -> why
    outside: ClassVar[Mapping[str, Unsupported]] = {}
    #: environment variables for this library's worker process, set before anything is imported
    environ: ClassVar[Mapping[str, str]] = {}

    def installed(self) -> str:
        """Return "" when the library is there, as far as can be told without importing it, else why not."""
        for module in self.requires:
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed"
        return ""

    def version(self) -> str:
        """Version of the library, read from its metadata without importing it."""
        return importlib.metadata.version(self.distribution)

    def load(self) -> Any:
        """Import the library, set it up, and return what calls receive as their first argument."""
        raise NotImplementedError

    def devices(self, lib: Any) -> dict[str, str]:
        """Device name -> "" when usable, else one sentence that says why not. "cpu" is always there."""
        return {"cpu": "", "cuda": f"{self.library} runs on the CPU only"}

    def put(self, lib: Any, array: Array, dtype: str, device: str) -> Any:
        """Turn a NumPy array into the library's. dtype is "int64" (class indices) or a float format's name;
        bfloat16 arrives as uint16 bits. The bits must not change."""
        raise NotImplementedError

    def get(self, lib: Any, tensor: Any) -> tuple[Array, str]:
        """Return the result as (array, dtype name), exactly: float64 values hold every narrower format."""
        raise NotImplementedError

    def sync(self, lib: Any, tensor: Any) -> None:
        """Return only when `tensor` has been computed."""

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """Build one callable over the library's arrays.

        work "F": `f(x, *labels)` returns the value. work "FB": it returns (value, gradient), the gradient
        being that of the sum of the unreduced values; when `vector` is true (the form's value has a
        class axis) that of the sum of component 0.
        """
        raise NotImplementedError
