"""Default arguments, passed: a text in which every call names the defaults of its signature."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from typing import Any

_PLAIN = (bool, int, float, str, type(None))


def defaults_passed(text: str, names: Mapping[str, Any]) -> str:
    """The text with the default arguments of its public functions passed by name.

    Raises ValueError where there are none to pass: no signature, or no defaults in it.
    """
    tree = ast.parse(text, mode="eval")
    given = 0
    for node in [n for n in ast.walk(tree) if isinstance(n, ast.Call)]:
        if {n.id for n in ast.walk(node.func) if isinstance(n, ast.Name)} & {"x", "y"}:
            continue  # a method of a result
        function = eval(compile(ast.Expression(node.func), text, "eval"), dict(names))
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            continue
        left = [p for p in list(parameters)[len(node.args) :] if _passable(p)]
        said = {keyword.arg for keyword in node.keywords}
        new = [ast.keyword(p.name, ast.Constant(p.default)) for p in left if p.name not in said]
        node.keywords += new
        given += len(new)
    if not given:
        raise ValueError("its functions state no default arguments")
    return ast.unparse(ast.fix_missing_locations(tree))


def _passable(parameter: inspect.Parameter) -> bool:
    named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return named and isinstance(parameter.default, _PLAIN) and not parameter.name.startswith("_")
