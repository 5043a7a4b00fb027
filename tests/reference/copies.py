"""Copies of the reference and of the metrics in this process, with a fault in the text of one module.

A copy is a second import of the same files under another name, so that nothing of it is shared with the package
that is imported as `lossbench`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import mpmath

#: The name that copies are imported under; it takes the place of `lossbench` in their imports.
ALIAS = "lossbench_copy"
_FOLDERS = {
    layer: Path(importlib.util.find_spec(f"lossbench.{layer}").submodule_search_locations[0])
    for layer in ("reference", "harness")
}
# the bulk filter has tests of its own: it is asked by nobody here, and it brings Numba
_MODULES = sorted(
    path.stem
    for path in _FOLDERS["reference"].glob("*.py")
    if not path.stem.startswith(("__init__", "filter", "doubleword"))
)


@dataclass(frozen=True)
class Fault:
    """A fault: `old` stands once in the text of `module`, a path below the package, and becomes `new`."""

    module: str
    old: str
    new: str
    what: str

    @property
    def path(self) -> Path:
        """The file of the module."""
        layer, _, name = self.module.partition("/")
        return _FOLDERS[layer] / f"{name}.py"

    @property
    def count(self) -> int:
        """How often the text occurs: 1, or the list is out of date."""
        return self.path.read_text(encoding="utf-8").count(self.old)


@dataclass(frozen=True)
class Copy:
    """The package `reference`, with all of its modules as attributes, and the module `metrics` of the harness."""

    reference: Any
    metrics: Any

    def evaluate(self, name: str, *args: Any, **keywords: Any) -> Any:
        """`evaluate` of the form called `name`, both oracles at every case unless told otherwise."""
        return self.reference.evaluate(self.reference.form_of(name), *args, **{"check_every": 1, **keywords})


@cache
def _code(path: Path, old: str = "", new: str = "") -> CodeType:
    text = path.read_text(encoding="utf-8")
    if old:
        text = text.replace(old, new)
    for layer in ("reference", "harness.metrics"):
        text = text.replace(f"from lossbench.{layer}", f"from {ALIAS}.{layer}")
    return compile(text, f"<copy of {path.name}>", "exec", dont_inherit=True)


class _Importer:
    """Finds and runs the modules of a copy."""

    def __init__(self, fault: Fault | None) -> None:
        self.fault = fault

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != ALIAS and not name.startswith(f"{ALIAS}."):
            return None
        return importlib.util.spec_from_loader(name, self, is_package=name.count(".") < 2)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        _, *parts = module.__name__.split(".")
        if not parts or parts == ["harness"]:
            return
        path = _FOLDERS[parts[0]] / f"{parts[1] if len(parts) > 1 else '__init__'}.py"
        if self.fault is not None and self.fault.path == path:
            exec(_code(path, self.fault.old, self.fault.new), module.__dict__)
        else:
            exec(_code(path), module.__dict__)


@contextmanager
def _importing(fault: Fault | None) -> Iterator[None]:
    importer = _Importer(fault)
    sys.meta_path.insert(0, importer)
    try:
        yield
    finally:
        sys.meta_path.remove(importer)
        for name in [name for name in sys.modules if name.partition(".")[0] == ALIAS]:
            del sys.modules[name]


def copied(fault: Fault | None = None) -> Copy:
    """A fresh copy with the fault, or a faultless one. ValueError when the fault's text is not there exactly once."""
    if fault is not None and fault.count != 1:
        raise ValueError(f"{fault.module}: {fault.old!r} occurs {fault.count} times")
    with _importing(fault):
        reference = importlib.import_module(f"{ALIAS}.reference")
        for stem in _MODULES:
            importlib.import_module(f"{ALIAS}.reference.{stem}")
        metrics = importlib.import_module(f"{ALIAS}.harness.metrics")
    # a context of mpmath takes as long to make as ten points; the first oracle sets its precision before each use
    context = mpmath.MPContext()
    reference.first.mpmath = SimpleNamespace(MPContext=lambda: context)
    return Copy(reference, metrics)
