"""Which implementation computes: compiled kernels where they can run, else NumPy, with the reason.

The environment variable LOSSBENCH_NATIVE asks for one of them: "numba" or "numpy".
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .compiled import Compiled

_VARIABLE = "LOSSBENCH_NATIVE"


@cache
def implementation() -> tuple[str, str]:
    """Return ("numba" or "numpy", why). Decided once a process; imports nothing heavy but to ask for the CPU.

    Raises ValueError when LOSSBENCH_NATIVE is set to something else, and ImportError when it asks for Numba and
    Numba cannot be used here.
    """
    wanted = os.environ.get(_VARIABLE, "")
    if wanted not in ("", "numba", "numpy"):
        raise ValueError(f"{_VARIABLE}: got {wanted!r}; wants 'numba' or 'numpy'")
    if wanted == "numpy":
        return "numpy", f"{_VARIABLE}=numpy"
    obstacle = _obstacle()
    if obstacle and wanted == "numba":
        raise ImportError(f"{_VARIABLE}=numba, but {obstacle}")
    if obstacle:
        return "numpy", obstacle
    return "numba", f"{_VARIABLE}=numba" if wanted else "Numba is installed and the CPU has fused multiply-add"


def _obstacle() -> str:
    """Why compiled kernels cannot be used here, or ""."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return "NUMBA_DISABLE_JIT is set"
    return _lacking()


@cache
def _lacking() -> str:
    """What the installation or the CPU lacks, or "". Dear to find out, and does not change."""
    for module in ("numba", "llvmlite"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    from llvmlite.binding import get_host_cpu_features, get_process_triple

    triple = get_process_triple()
    if triple.startswith(("x86_64", "amd64", "i")) and not get_host_cpu_features().get("fma", False):
        return "the CPU has no fused multiply-add, which the kernels' pairs are made of"
    return ""


_using: ContextVar[str] = ContextVar("lossbench_native", default="")


@contextmanager
def using(name: str) -> Iterator[None]:
    """Compute with "numba" or "numpy" inside a `with` block, in this thread or task.

    Raises ValueError for another name, and ImportError, with the reason, where Numba cannot be used.
    """
    if name not in ("numba", "numpy"):
        raise ValueError(f"implementation: got {name!r}; wants 'numba' or 'numpy'")
    if name == "numba" and (obstacle := _obstacle()):
        raise ImportError(f"implementation: got 'numba', but {obstacle}")
    token = _using.set(name)
    try:
        yield
    finally:
        _using.reset(token)


#: which one the innermost `using` asks for, "" where there is none
asked = _using.get


def engine() -> Compiled | None:
    """Return what runs compiled kernels, or None where NumPy computes."""
    return _engine(_using.get())


@cache
def _engine(name: str) -> Compiled | None:
    if (name or implementation()[0]) != "numba":
        return None
    from .compiled import Compiled

    return Compiled()


__all__ = ["engine", "implementation", "using"]
