"""Calls as a user writes them: text over `x` (logits or probabilities) and `y` (labels), a file a library.

Reports print these texts in reproducers, workers evaluate them to change an argument, and a test runs each beside the
adapter's own function. A key is the call's name; `name|index` where index labels are written differently, and
`name[options]` where the options are.
"""

from __future__ import annotations

import ast
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from lossbench.harness.semantics.ask import Array

#: What every reproducer may use of NumPy.
NUMPY = "from numpy import array, asarray, inf, nan, ones, take_along_axis"
#: Names that ONNX has for formats, where they are not NumPy's.
_ONNX = {"float32": "float", "float64": "double"}
_AXES = ("", "[N]", "[N,C]")


@dataclass(frozen=True)
class Written:
    """How a library is written. calls: form -> key -> text. array, bfloat16, shown: templates of its arrays.

    graph: template around a text that is no Python. reduction: the argument that says none, sum and mean, and which
    of them is the default.
    """

    imports: str
    array: str
    shown: str
    calls: Mapping[str, Mapping[str, str]]
    bfloat16: str = ""
    graph: str = ""
    reduction: Mapping[str, str] = field(default_factory=dict)


@functools.cache
def written(library: str) -> Written | None:
    """The texts of a library; None where there are none: of NumPy, whose calls are formulas of this project."""
    path = resources.files("lossbench.harness.semantics") / "written" / f"{library}.toml"
    return Written(**tomllib.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def text_of(library: str, form: str, call: str, options: str = "", encoding: str = "") -> str:
    """The text of a call, "" where there is none."""
    known = written(library)
    texts = known.calls.get(form, {}) if known else {}
    keys = (f"{call}|{encoding}", f"{call}[{options}]", call)
    return next((texts[key] for key in keys if key in texts), "")


def expression(library: str, text: str, arrays: Mapping[str, Array]) -> str:
    """A text as a Python expression over named arrays: itself, or the session that runs it."""
    known = written(library)
    if known is None or not known.graph:
        return text
    typed = {name: _ONNX.get(a.dtype.name, a.dtype.name) + _AXES[min(a.ndim, 2)] for name, a in arrays.items()}
    first = next(iter(arrays.values()))
    inputs = ", ".join(f"{kind} {name}" for name, kind in typed.items())
    feed = ", ".join(f'"{name}": {name}' for name in arrays)
    out = _ONNX.get(first.dtype.name, first.dtype.name)
    return known.graph.format(inputs=inputs, out=out, text=text, feed=feed)


def is_graph(library: str) -> bool:
    """Whether the texts of a library are graphs and no Python."""
    known = written(library)
    return known is not None and bool(known.graph)


def reduced(library: str, text: str, reduction: str) -> str:
    """A text that gives unreduced values with another reduction, "default" for none named; "" where it has none."""
    known = written(library)
    words = known.reduction if known else {}
    per_row = text.endswith((".sum(-1)", ".mean(-1)")) or " for i in " in text
    if not words or per_row or words["none"] not in text or (reduction not in words and reduction != "default"):
        return ""
    if reduction != "default":
        return text.replace(words["none"], words[reduction])
    said = next(said for said in (f", {words['none']}", f"{words['none']}, ", words["none"]) if said in text)
    return text.replace(said, "")


def composed(library: str, call: str, text: str) -> bool:
    """Whether a call is a composition written out here, and not one public function that takes the labels."""
    if "+" in call or is_graph(library):
        return "+" in call
    tree = ast.parse(text, mode="eval").body
    outer = tree.operand if isinstance(tree, ast.UnaryOp) else tree
    return not isinstance(outer, ast.Call | ast.Subscript) or any(_arithmetic(node) for node in ast.walk(outer))


def _arithmetic(node: ast.AST) -> bool:
    """Whether a node computes with the logits or labels by itself."""
    return isinstance(node, ast.BinOp) and any(isinstance(n, ast.Name) and n.id in "xy" for n in ast.walk(node))
