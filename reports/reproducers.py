"""Reproducers: at most ten lines in a library's own terms that run on their own and print got and expected."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lossbench.harness.semantics.ask import Case, is_float
from lossbench.harness.semantics.texts import NUMPY, Written, expression, is_graph, text_of, written
from lossbench.reference import form_of

Array = npt.NDArray[np.generic]
#: Lines that a reproducer may have.
LINES = 10
#: What is expected of a label that means nothing.
NOTHING = "an error, or NaN: the label means nothing"


def literal(array: Array, repeated: int = 0) -> str:
    """An array as NumPy source: `array([[0.5, inf]], "float32")`; bfloat16 is written as float32, which holds it."""
    numbers = array.astype(float).tolist() if is_float(array) else array.tolist()
    name = "float32" if array.dtype.name == "bfloat16" else array.dtype.name
    return f'array({numbers}{f" * {repeated}" if repeated else ""}, "{name}")'


def _made(known: Written, name: str, array: Array, repeated: int = 0) -> str:
    """The line that makes an array of the library."""
    template = known.bfloat16 if array.dtype.name == "bfloat16" else known.array
    return f"{name} = {template.format(literal(array, repeated))}"


def _script(known: Written, lines: list[str], got: str, expected: str) -> str:
    """Imports, lines and prints; "" where that is too long."""
    body = [*lines, f'print("got", {known.shown.format(got)})']
    body += [f'print("expected", {expected})'] if expected else []
    used = [name for name in NUMPY.partition("import ")[2].split(", ") if re.search(rf"\b{name}\b", "\n".join(body))]
    head = [known.imports] + ([f"from numpy import {', '.join(used)}"] if used else [])
    if len(head) + len(body) > LINES:
        return ""
    return "\n".join([*head, *body]) + "\n"


def _compiled(library: str, mode: str, names: str, text: str) -> str:
    """A text as a function of some names, compiled as a mode says and called."""
    if library == "torch":
        return f"torch.compile(lambda {names}: {text})({names})"
    if library in ("jax", "optax"):
        return f"jax.jit(lambda {names}: {text})({names})"
    return f"tf.function(lambda {names}: {text}{', jit_compile=True' if mode == 'xla' else ''})({names})"


def _gradient(library: str, text: str, mode: str, names: str) -> tuple[list[str], str]:
    """Lines before, and an expression of, the gradient of a sum; ("", "") where it cannot be written so."""
    if library in ("jax", "optax"):
        grad = f"jax.grad(lambda {names}: ({text}).sum())"
        return [], f"jax.jit({grad})({names})" if mode == "jit" else f"{grad}({names})"
    if library == "torch":
        called = text if mode == "eager" else _compiled(library, mode, names, text)
        return ["x.requires_grad_()", f"(got,) = torch.autograd.grad(({called}).sum(), x)"], "got"
    if library == "native":
        return [], re.sub(r"native\.(\w+)\(", r"native.\1.grad(", text).replace(", reduction='none'", "")
    if library in ("tensorflow", "keras"):
        wrap = {"graph": ["@tf.function"], "xla": ["@tf.function(jit_compile=True)"]}.get(mode, [])
        inside = f"    with tf.GradientTape() as tape: tape.watch(x); value = {text}"
        return [*wrap, f"def grad({names}):", inside, "    return tape.gradient(value, x)"], f"grad({names})"
    return [], ""


def reproducer(
    r: Mapping[str, str],
    case: Case,
    expected: str,
    quantity: str = "value",
    dies: bool = False,
    summed: bool = False,
    repeated: int = 0,
) -> str:
    """The text of a reproducer of a record's call at a case, "" where it cannot be written. expected: what to print.

    dies: the call ends the process, and what is expected is printed first. summed: what is shown are sums of rows.
    repeated: the one row is repeated, and one result shown, because vectors are computed otherwise than numbers.
    """
    library, mode = r["library"], r["mode"]
    known = written(library)
    text = text_of(library, r["form"], r["call"], r["options"], case.encoding)
    if known is None or not text:
        return ""
    arrays = {"x": case.x} | ({} if case.y is None else {"y": case.y})
    names = ", ".join(arrays)
    lines = [f'print("expected", {expected}, flush=True)'] if dies else []
    lines += [_made(known, name, array, repeated) for name, array in arrays.items()]
    if quantity == "grad":
        if own := text_of(library, r["form"], f"{r['call']} gradient"):
            got = own
        else:
            part = f"({text})[..., 0]" if form_of(r["form"]).vector_value else text
            before, got = _gradient(library, part, mode, names)
            lines += before
        if not got:
            return ""
    elif mode in ("eager", "numpy", "numba"):
        lines.append(f"got = {expression(library, text, arrays)}")
        got = "got"
    else:
        lines.append(f"got = {_compiled(library, mode, names, text)}")
        got = "got"
    got = f"asarray({got}, float).sum(-1)" if summed else f"{got}[:1]" if repeated else got
    return _script(known, lines, got, "" if dies else expected)


def expression_script(library: str, text: str, arrays: Mapping[str, Array], expected: str) -> str:
    """A reproducer of an expression over named arrays, those that it names."""
    known = written(library)
    if known is None:
        return ""
    inputs = re.sub(r"parse_model\('.*?'\)", "", text) if is_graph(library) else text
    named = [name for name in arrays if re.search(rf"(?<![\w.]){name}(?![\w=])", inputs)]
    return _script(known, [*(_made(known, name, arrays[name]) for name in named), f"got = {text}"], "got", expected)


def pair_script(library: str, sides: tuple[tuple[str, Case], tuple[str, Case]]) -> str:
    """A reproducer of a law: what comes of two texts at two cases, where it should be the same."""
    known = written(library)
    if known is None or not all(text for text, _ in sides):
        return ""
    lines: list[str] = []
    shown = []
    for i, (text, case) in enumerate(sides):
        arrays = {"x": case.x} | ({} if case.y is None else {"y": case.y})
        made = [_made(known, name, array) for name, array in arrays.items()]
        lines += [line for line in made if line not in lines]
        if i == 0:
            lines.append(f"got = {expression(library, text, arrays)}")
            shown.append("got")
        else:
            shown.append(known.shown.format(f"({expression(library, text, arrays)})"))
    return _script(known, lines, shown[0], shown[1])
