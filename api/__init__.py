"""lossbench: how far the losses of the cross-entropy family are from exact, what they mean, how fast they are.

`import lossbench` is instant: everything is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossbench.reference import exact as exact

__version__ = version("lossbench")
__all__ = ["__version__", "exact"]

_LAZY = {"exact": "lossbench.reference"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'lossbench' has no attribute {name!r}")
