"""The libraries that are measured, one file each; a third party adds its own through an entry point."""

from __future__ import annotations

import difflib
import importlib
import sys
from functools import cache
from importlib.metadata import entry_points

from lossbench.harness.adapters.adapter import Adapter

#: Entry point group under which other packages offer adapters: name -> module with a constant ADAPTER.
GROUP = "lossbench.adapters"

LIBRARIES: tuple[str, ...] = (
    "numpy",
    "scipy",
    "torch",
    "jax",
    "optax",
    "tensorflow",
    "keras",
    "sklearn",
    "statsmodels",
    "onnxruntime",
    "native",
)


def libraries() -> dict[str, str]:
    """Library name -> module of its adapter, our own and those of entry points."""
    return {name: f"lossbench.harness.adapters.{name}" for name in LIBRARIES} | _offered(tuple(sys.path))


@cache
def _offered(path: tuple[str, ...]) -> dict[str, str]:
    """Adapters that other packages on the search path offer. Kept: it reads the metadata of every package."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def adapter_of(library: str) -> Adapter:
    """Return the adapter of a library without importing the library; ValueError gives the nearest names."""
    known = libraries()
    if library not in known:
        near = difflib.get_close_matches(library, known, n=3, cutoff=0.4) or list(known)
        raise ValueError(f"library: got {library!r}, nearest are {', '.join(near)}")
    adapter = importlib.import_module(known[library]).ADAPTER
    assert isinstance(adapter, Adapter)
    return adapter
