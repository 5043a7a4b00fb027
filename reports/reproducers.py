"""Reproducers: at most ten lines in a library's own terms that run on their own and print got and expected."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lossbench.harness.semantics.ask import Case
from lossbench.reports.expressions import SETUP, expression

Array = npt.NDArray[np.generic]
_NUMPY = "from numpy import array, asarray, inf, nan"
#: Lines that a reproducer may have.
LINES = 10
#: What is expected of a label that means nothing.
NOTHING = "an error, or NaN: the label means nothing"


def literal(array: Array) -> str:
    """An array as NumPy source: `array([[0.5, inf]], "float32")`."""
    numbers = array.astype(float).tolist() if array.dtype.kind == "f" else array.tolist()
    return f'array({numbers}, "{array.dtype.name}")'


def _called(library: str, text: str, mode: str) -> str:
    if mode in ("eager", "numpy", "numba"):
        return text
    if library == "torch":
        return f"torch.compile(lambda x, y: {text})(x, y)"
    if library in ("jax", "optax"):
        return f"jax.jit(lambda x, y: {text})(x, y)"
    return f"tf.function(lambda x, y: {text}{', jit_compile=True' if mode == 'xla' else ''})(x, y)"


def _gradient(library: str, text: str) -> list[str] | None:
    """Lines that leave the gradient of the sum in `got`; None where the library has none of its own."""
    if library == "torch":
        return ["x.requires_grad_()", f"(got,) = torch.autograd.grad(({text}).sum(), x)"]
    if library in ("jax", "optax"):
        return [f"got = jax.grad(lambda x: ({text}).sum())(x)"]
    if library in ("tensorflow", "keras"):
        tape = ["with tf.GradientTape() as tape:", "    tape.watch(x)", f"    value = {text}"]
        return [*tape, "got = tape.gradient(value, x)"]
    return None


def reproducer(
    library: str,
    form: str,
    call: str,
    mode: str,
    x: Array,
    y: Array | None,
    expected: str,
    gradient: bool = False,
    dies: bool = False,
) -> str:
    """The text of a reproducer, "" where the call cannot be written so. expected: numbers, or a sentence.

    dies: the call ends the process, and what is expected is printed first.
    """
    text = expression(library, form, call)
    if not text or (gradient and mode != "eager"):
        return ""
    imports, wrap = SETUP[library]
    lines = [imports, _NUMPY]
    if dies:
        lines.append(f'print("expected", {expected}, flush=True)')
    lines.append(f"x = {wrap.format(literal(x))}")
    if y is not None:
        lines.append(f"y = {wrap.format(literal(y))}")
    if gradient:
        found = _gradient(library, text)
        if found is None:
            return ""
        lines += found
    else:
        called = _called(library, text, mode)
        lines.append(f"got = {called if y is not None else called.replace('x, y', 'x')}")
    return _text([*lines, f'print("got", {_shown(library, "got")})'], "" if dies else expected)


def _shown(library: str, name: str) -> str:
    return f"{name}.detach().numpy().tolist()" if library == "torch" else f"asarray({name}).tolist()"


def _text(lines: list[str], expected: str) -> str:
    lines = [line for line in lines if line] + ([f'print("expected", {expected})'] if expected else [])
    assert len(lines) <= LINES
    return "\n".join(lines) + "\n"


def expression_script(library: str, text: str, known: Mapping[str, Array], expected: str) -> str:
    """A reproducer of an expression over named arrays; "" where it is written in this project's terms."""
    if library not in SETUP or text.startswith("run("):
        return ""
    imports, wrap = SETUP[library]
    named = [name for name in known if re.search(rf"(?<![\w.]){name}(?![\w=])", text)]
    made = [f"{name} = {wrap.format(literal(known[name]))}" for name in named]
    return _text([imports, _NUMPY, *made, f"got = {text}", f'print("got", {_shown(library, "got")})'], expected)


def pair_script(library: str, form: str, call: str, base: Case, other: Case) -> str:
    """A reproducer of a law: the call at two inputs where it should be the same; "" where it cannot be written."""
    text = expression(library, form, call)
    if not text:
        return ""
    imports, wrap = SETUP[library]
    lines = [imports, _NUMPY, f"f = lambda x, y: {text}"]
    for x, y, case in (("x1", "y1", other), ("x2", "y2", base)):
        lines.append(f"{x} = {wrap.format(literal(case.x))}")
        lines.append(f"{y} = {'None' if case.y is None else wrap.format(literal(case.y))}")
    got, expected = (_shown(library, f"f(x{i}, y{i})") for i in (1, 2))
    return _text([*lines, f'print("got", {got})'], expected)
